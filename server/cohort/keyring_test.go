package cohort

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"aankomst/refcode"
	"aankomst/server/store"
)

// twoCohorts returns a ring with a short and a long cohort: 4 + 3 pairs.
func twoCohorts(t *testing.T) (ring *Keyring, cohorts []store.Cohort) {
	t.Helper()
	ring = &Keyring{}
	long, short := keyNamed(t, "long", 2027), keyNamed(t, "short", 2026)
	cohorts = []store.Cohort{opened(long, refcode.Long, 1, 5), opened(short, refcode.Short, 1, 2, 3)}
	load(t, ring, cohorts[0], long)
	load(t, ring, cohorts[1], short)
	return ring, cohorts
}

const allPairs = 7

func TestACodeIsRecognisedByWhatIssuedIt(t *testing.T) {
	t.Parallel()
	ring, cohorts := twoCohorts(t)
	if years := ring.Years(); !slices.Equal(years, []int{2026, 2027}) {
		t.Errorf("keys are held of %v", years)
	}
	for _, cohort := range cohorts {
		directory := DirectoryOf(cohort)
		if held, ok := ring.Directory(cohort.Year); !ok || held.Fingerprint() != directory.Fingerprint() {
			t.Errorf("the directory of %d is %+v", cohort.Year, held)
		}
		for _, pool := range append([]uint32{refcode.PracticePool}, directory.Pools...) {
			t.Run(fmt.Sprintf("%d pool %d", cohort.Year, pool), func(t *testing.T) {
				t.Parallel()
				code := issueCode(t, ring, directory, pool)
				spent := sha256.Sum256([]byte("spent " + map[int]string{2026: "short", 2027: "long"}[cohort.Year]))
				mac := hmac.New(sha256.New, spent[:])
				mac.Write(append(refcode.Info(uint16(cohort.Year), pool), code.Nonce()...))
				want := Recognition{
					Genuine: true, Year: cohort.Year, Pool: pool,
					Nullifier: store.Nullifier(mac.Sum(nil)[:16]), Pairs: allPairs,
				}
				for range 2 { // again and again the same
					if got := ring.Recognise(code); got != want {
						t.Errorf("got %+v, want %+v", got, want)
					}
				}
			})
		}
	}
}

func TestWhatNoOpenCohortIssuedIsNotGenuine(t *testing.T) {
	t.Parallel()
	ring, cohorts := twoCohorts(t)
	good := issueCode(t, ring, DirectoryOf(cohorts[1]), 2)

	// Issued elsewhere: by another key, by one of our keys in another layout, year or pool, and by a cohort that was closed.
	stranger := keyNamed(t, "stranger", 2026)
	elsewhere := func(cohort store.Cohort, key *Key, pool uint32) refcode.Code {
		other := &Keyring{}
		load(t, other, cohort, key)
		return issueCode(t, other, DirectoryOf(cohort), pool)
	}
	dropped := keyNamed(t, "dropped", 2025)
	load(t, ring, opened(dropped, refcode.Short, 1), dropped)
	late := issueCode(t, ring, DirectoryOf(opened(dropped, refcode.Short, 1)), 1)
	if got := ring.Recognise(late); !got.Genuine || got.Pairs != allPairs+2 {
		t.Fatalf("before it was dropped: %+v", got)
	}
	ring.Drop(2025)
	ring.Drop(2025) // dropping twice is no error
	if _, held := ring.Directory(2025); held {
		t.Error("the key is still held")
	}

	for name, code := range map[string]refcode.Code{
		"a symbol of the nonce changed":  withSymbol(t, good, 0),
		"the last bits of the nonce":     withSymbol(t, good, 6),
		"a symbol of the tag changed":    withSymbol(t, good, 7),
		"the last bits of the tag":       withSymbol(t, good, 13),
		"of another key":                 elsewhere(opened(stranger, refcode.Short, 1, 2, 3), stranger, 2),
		"of a pool that was never there": elsewhere(opened(keyNamed(t, "short", 2026), refcode.Short, 9), keyNamed(t, "short", 2026), 9),
		"of the same key's other layout": elsewhere(opened(keyNamed(t, "short", 2026), refcode.Long, 2), keyNamed(t, "short", 2026), 2),
		"of the same key's other year":   elsewhere(opened(keyNamed(t, "short", 2025), refcode.Short, 2), keyNamed(t, "short", 2025), 2),
		"of a cohort that was dropped":   late,
		"no code at all":                 {},
	} {
		if got, want := ring.Recognise(code), (Recognition{Pairs: allPairs}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if got := ring.Recognise(good); !got.Genuine || got.Pairs != allPairs {
		t.Errorf("the good code: %+v", got)
	}
	if got := (&Keyring{}).Recognise(good); got != (Recognition{}) {
		t.Errorf("without any key: %+v", got)
	}
}

// Two pairs that match the same code come about once in 2^35 codes, so one is made by hand.
func TestOfSeveralPairsTheLowestCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		year           int
		pool           uint32 // where the code was issued
		otherYear      int
		otherPool      uint32 // where it matches too
		wantYear, want int
	}{
		{"a higher pool", 2026, 1, 2026, 3, 2026, 1},
		{"a lower pool", 2026, 3, 2026, 1, 2026, 1},
		{"the practice pool", 2026, 2, 2026, 0, 2026, 0},
		{"a later year", 2026, 3, 2027, 1, 2026, 3},
		{"an earlier year", 2027, 1, 2026, 3, 2026, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ring := &Keyring{}
			for _, year := range []int{2027, 2026} {
				key := keyNamed(t, fmt.Sprint(year), year)
				load(t, ring, opened(key, refcode.Short, 1, 2, 3), key)
			}
			of := func(year int, pool uint32) *pair { return &ring.cohorts[year-2026].pairs[pool] }
			directory := ring.cohorts[c.year-2026].directory
			code := issueCode(t, ring, directory, c.pool)
			issued, twin := of(c.year, c.pool), of(c.otherYear, c.otherPool)
			twin.info, twin.inverse = issued.info, issued.inverse

			spent := ring.cohorts[c.wantYear-2026].key.secret().spent
			want := Recognition{
				Genuine: true, Year: c.wantYear, Pool: uint32(c.want),
				Nullifier: nullify(spent, issued.info, code.Nonce()), Pairs: 8,
			}
			if got := ring.Recognise(code); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// The nullifiers of what was spent lie in stores: they must never come out otherwise. The numbers were
// computed with another implementation of HMAC-SHA-256.
func TestNullifiersNeverChange(t *testing.T) {
	t.Parallel()
	spent := make([]byte, spentKeyBytes)
	for i := range spent {
		spent[i] = byte(i)
	}
	for _, c := range []struct {
		name  string
		year  uint16
		pool  uint32
		nonce string
		want  string
	}{
		{"a short code", 2027, 3, "0102030460", "d0b6bfe30dc7afd798294991c027ea61"},
		{"a practice code", 2027, refcode.PracticePool, "0102030460", "bfdd38b13f4fc34566cdd098cd914cc2"},
		{"another cohort", 2026, 3, "0102030460", "9e8c59d397715421834acbfe064b53b5"},
		{"a long code", 2027, 3, "010203040560", "1cd440646255789d8e761d3d6a213965"},
	} {
		got := nullify(spent, refcode.Info(c.year, c.pool), unhex(t, c.nonce))
		if want := store.Nullifier(unhex(t, c.want)); got != want {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
		}
	}
	spent[31] ^= 1
	if nullify(spent, refcode.Info(2027, 3), unhex(t, "0102030460")) == store.Nullifier(unhex(t, "d0b6bfe30dc7afd798294991c027ea61")) {
		t.Error("the spent key does not matter")
	}
}

func TestWhatIsNotEvaluated(t *testing.T) {
	t.Parallel()
	ring, cohorts := twoCohorts(t)
	blinding, err := refcode.Blind(DirectoryOf(cohorts[0]), 5)
	if err != nil {
		t.Fatal(err)
	}
	good := blinding.Element
	ring.Drop(2026)
	zeros := "00000000000000000000000000000000000000000000000000000000000000"
	for _, c := range []struct {
		name    string
		year    int
		pool    uint32
		element []byte
		want    error
	}{
		{"the identity", 2027, 5, make([]byte, 32), refcode.ErrElement},
		{"the identity, not canonical", 2027, 5, unhex(t, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), refcode.ErrElement},
		{"a field element past the prime", 2027, 5, unhex(t, "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), refcode.ErrElement},
		{"a negative field element", 2027, 5, unhex(t, "01"+zeros), refcode.ErrElement},
		{"no square", 2027, 5, unhex(t, "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"), refcode.ErrElement},
		{"a high bit set", 2027, 5, append(slices.Clone(good[:31]), good[31]|0x80), refcode.ErrElement},
		{"nothing", 2027, 5, nil, refcode.ErrElement},
		{"a byte too few", 2027, 5, good[:31], refcode.ErrElement},
		{"a byte too many", 2027, 5, append(slices.Clone(good), 0), refcode.ErrElement},
		{"two elements", 2027, 5, append(slices.Clone(good), good...), refcode.ErrElement},
		{"a pool that is not there", 2027, 2, good, ErrNoPool},
		{"a year that never was", 2028, 5, good, ErrNotLoaded},
		{"a year that was dropped", 2026, 1, good, ErrNotLoaded},
		{"a year that is the same in 16 bits", 2027 + 1<<16, 5, good, ErrNotLoaded},
	} {
		evaluated, proof, err := ring.Evaluate(c.year, c.pool, c.element)
		if !errors.Is(err, c.want) || evaluated != nil || proof != nil {
			t.Errorf("%s: got %x, %x, %v; want %v", c.name, evaluated, proof, err, c.want)
		}
	}
	if _, _, err := ring.Evaluate(2027, 5, good); err != nil {
		t.Errorf("the good element: %v", err)
	}
}

// A client that pins the directory notices when it is answered with another key or for another pool.
func TestAnAnswerFitsItsKeyAndPoolAlone(t *testing.T) {
	t.Parallel()
	ring, cohorts := twoCohorts(t)
	other := &Keyring{}
	marked := keyNamed(t, "marked", 2026)
	load(t, other, opened(marked, refcode.Short, 1, 2, 3), marked)
	for name, evaluate := range map[string]func(element []byte) (evaluated, proof []byte, err error){
		"another pool":      func(b []byte) ([]byte, []byte, error) { return ring.Evaluate(2026, 2, b) },
		"the practice pool": func(b []byte) ([]byte, []byte, error) { return ring.Evaluate(2026, refcode.PracticePool, b) },
		"another cohort":    func(b []byte) ([]byte, []byte, error) { return ring.Evaluate(2027, 1, b) },
		"a marked key":      func(b []byte) ([]byte, []byte, error) { return other.Evaluate(2026, 1, b) },
	} {
		blinding, err := refcode.Blind(DirectoryOf(cohorts[1]), 1)
		if err != nil {
			t.Fatal(err)
		}
		evaluated, proof, err := evaluate(blinding.Element)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := blinding.Finalize(evaluated, proof); !errors.Is(err, refcode.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhichKeysAreTakenIntoUse(t *testing.T) {
	t.Parallel()
	key := keyNamed(t, "key", 2026)
	good := opened(key, refcode.Short, 1, 2)
	for _, c := range []struct {
		name   string
		change func(*store.Cohort)
		want   error
	}{
		{"another cohort's", func(c *store.Cohort) { c.PublicKey = keyNamed(t, "other", 2026).PublicKey() }, ErrKeyMismatch},
		{"another year's", func(c *store.Cohort) { c.Year = 2027 }, ErrKeyMismatch},
		{"one without public half", func(c *store.Cohort) { c.PublicKey = nil }, ErrKeyMismatch},
		{"that of a cohort without pools", func(c *store.Cohort) { c.Pools = nil }, refcode.ErrDirectory},
		{"that of a cohort whose practice pool is listed", func(c *store.Cohort) { c.Pools[0].Number = 0 }, refcode.ErrDirectory},
		{"that of a cohort of no layout", func(c *store.Cohort) { c.Layout = 0 }, refcode.ErrDirectory},
	} {
		cohort := good
		cohort.Pools = slices.Clone(good.Pools)
		c.change(&cohort)
		ring := &Keyring{}
		if err := ring.Load(cohort, key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if years := ring.Years(); len(years) != 0 {
			t.Errorf("%s: keys are held of %v", c.name, years)
		}
	}
	// Loading one that is held changes nothing.
	ring := &Keyring{}
	load(t, ring, good, key)
	code := issueCode(t, ring, DirectoryOf(good), 1)
	load(t, ring, good, keyNamed(t, "key", 2026))
	if got := ring.Recognise(code); !got.Genuine || got.Pairs != 3 {
		t.Errorf("after loading it twice: %+v", got)
	}
}

// The ring wipes what it drops. A key that was wiped would make nullifiers that anyone can compute.
func TestAKeyThatWasDroppedIsWiped(t *testing.T) {
	t.Parallel()
	key := keyNamed(t, "key", 2026)
	cohort, spent := opened(key, refcode.Short, 1), key.secret().spent
	ring := &Keyring{}
	load(t, ring, cohort, key)
	ring.Drop(2026)
	if !slices.Equal(spent, make([]byte, spentKeyBytes)) {
		t.Error("the spent key is still in memory")
	}
	if err := ring.Load(cohort, key); !errors.Is(err, ErrKeyMismatch) {
		t.Errorf("loading it again: %v", err)
	}
	load(t, ring, cohort, keyNamed(t, "key", 2026)) // from its file it can be loaded again
}
