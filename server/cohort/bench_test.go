package cohort

import (
	"testing"

	"aankomst/refcode"
)

// fourPairs are two cohorts with one pool each beside their practice pools: four pairs to evaluate.
func fourPairs(b *testing.B) (*Keyring, refcode.Directory) {
	ring := new(Keyring)
	var directory refcode.Directory
	for _, year := range []int{2026, 2027} {
		key := keyNamed(b, "bench", year)
		cohort := opened(key, refcode.Short, 1)
		load(b, ring, cohort, key)
		directory = DirectoryOf(cohort)
	}
	return ring, directory
}

// BenchmarkEvaluate is the server's cryptography for one issue.
func BenchmarkEvaluate(b *testing.B) {
	ring, directory := fourPairs(b)
	blinding, err := refcode.Blind(directory, 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := ring.Evaluate(int(directory.Year), 1, blinding.Element); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecognise is the server's cryptography for one confirmation, with four pairs open.
func BenchmarkRecognise(b *testing.B) {
	ring, directory := fourPairs(b)
	code := issueCode(b, ring, directory, 1)
	for b.Loop() {
		if !ring.Recognise(code).Genuine {
			b.Fatal("the code was not recognised")
		}
	}
}

// BenchmarkRecogniseByLibrary evaluates the same four pairs by the library's own FullEvaluate, which
// hashes to the group and inverts the tweaked key each time: what the kept inverses save.
func BenchmarkRecogniseByLibrary(b *testing.B) {
	ring, directory := fourPairs(b)
	nonce := issueCode(b, ring, directory, 1).Nonce()
	for b.Loop() {
		for _, cohort := range ring.cohorts {
			for _, pair := range cohort.pairs {
				if _, err := cohort.server.FullEvaluate(nonce, pair.info); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
