package refcode

import "testing"

// BenchmarkBlind and BenchmarkFinalize are a client's share of issuing one code.
func BenchmarkBlind(b *testing.B) {
	directory := newCohort(b, "bench", Short).directory
	for b.Loop() {
		blind(b, directory, 1)
	}
}

func BenchmarkFinalize(b *testing.B) {
	cohort := newCohort(b, "bench", Short)
	blinding := blind(b, cohort.directory, 1)
	evaluated, proof := cohort.answer(b, blinding.Element, Info(cohort.directory.Year, 1))
	for b.Loop() {
		if _, err := blinding.Finalize(evaluated, proof); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode reads a code as it is typed; BenchmarkDecodeWrong also explains a wrong symbol.
func BenchmarkDecode(b *testing.B) {
	for b.Loop() {
		mustDecode(b, "7qk4 0mzt 9d2c w8e6")
	}
}

func BenchmarkDecodeWrong(b *testing.B) {
	for b.Loop() {
		faultOf(b, "7qk4 0mzt 9d2c w8e7").Corrections()
	}
}
