package server_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Of all ways of pairing eight, as many have k right pairs as fixedPoints says.
func TestRightPairsByChance(t *testing.T) {
	t.Parallel()
	const n = 8
	having, all := [n + 1]float64{}, 0.0
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(from int)
	permute = func(from int) {
		if from == n {
			right := 0
			for i, at := range order {
				if i == at {
					right++
				}
			}
			having[right]++
			all++
			return
		}
		for i := from; i < n; i++ {
			order[from], order[i] = order[i], order[from]
			permute(from + 1)
			order[from], order[i] = order[i], order[from]
		}
	}
	permute(0)
	atLeast := 0.0
	for k := n; k >= 0; k-- {
		atLeast += having[k] / all
		if got := fixedPoints(k); math.Abs(got-atLeast) > 0.0014 {
			t.Errorf("%d right or more have the probability %.5f, computed as %.5f", k, atLeast, got)
		}
	}
	for k, want := range map[int]float64{5: 0.00366, 10: 1.11e-7} {
		if got := fixedPoints(k); math.Abs(got/want-1) > 0.01 {
			t.Errorf("%d right or more have the probability %g, computed as %g", k, want, got)
		}
	}
}

// Random orders correlate as often as spearman says, also where many values are the same.
func TestRankCorrelationsByChance(t *testing.T) {
	t.Parallel()
	const n, tries = 60, 40_000
	random := rand.New(rand.NewPCG(1, 2))
	of := func(distinct int) []float64 {
		values := make([]magnitude, n)
		for i := range values {
			values[i].number = float64(i * distinct / n)
		}
		return ranks(values)
	}
	for _, distinct := range []int{2, 3, 10, n} {
		for _, limit := range []float64{0.05, 0.001} {
			met, x, y := 0, of(n), of(distinct)
			for range tries {
				random.Shuffle(n, func(i, j int) { x[i], x[j] = x[j], x[i] })
				product := 0.0
				for i := range x {
					product += x[i] * y[i]
				}
				if spearman(product, n) <= limit {
					met++
				}
			}
			// Six standard deviations more than it may be would be too many; a third would be too few.
			expected := limit * tries
			if got := float64(met); got > expected+6*math.Sqrt(expected) || got < expected/3 {
				t.Errorf("with %d different values p <= %g comes %d times, want %g", distinct, limit, met, expected)
			}
		}
	}
}

// invented returns trails that tell nothing about each other: random bytes, values that are often the same,
// values that grow, and tokens that nearly all or nearly none have.
func invented(random *rand.Rand, n int) []*trail {
	trails := make([]*trail, n)
	for i := range trails {
		t := &trail{tokens: map[place]map[uint64]struct{}{}, values: map[string]magnitude{}}
		for range 10 {
			t.token(place{"bytes", 1}, []byte{byte(random.IntN(256))})
		}
		t.token(place{"count", whole}, binary.BigEndian.AppendUint64(nil, uint64(i)))
		t.token(place{"kind", whole}, []byte{byte(random.IntN(20) / 19)})
		t.values["count"] = magnitude{number: float64(i)}
		t.values["size"] = magnitude{number: float64(i / 7)}
		t.values["kind"] = magnitude{number: float64(random.IntN(20) / 19)}
		t.values["bucket"] = magnitude{number: float64(random.IntN(3))}
		for _, name := range []string{"offset", "checksum", "length"} {
			t.values[name] = magnitude{number: random.Float64()}
		}
		trails[i] = t
	}
	return trails
}

// Where nothing can be known an attack is as successful as p says, or less often: attempts are not free.
func TestAnAttackThatKnowsNothingSucceedsByChance(t *testing.T) {
	t.Parallel()
	const n, tries, limit = 50, 400, 0.05
	random, met := rand.New(rand.NewPCG(1, 3)), 0
	for range tries {
		if v := attack(invented(random, n), invented(random, n), random.Perm(n)); v.p <= limit {
			met++
		}
	}
	if expected := limit * tries; float64(met) > expected+4*math.Sqrt(expected) {
		t.Errorf("p <= %g comes %d times in %d", limit, met, tries)
	}
}

// What a fifth of the codes leave, or a value that goes roughly with another, is found.
func TestAnAttackFindsWhatIsFaint(t *testing.T) {
	t.Parallel()
	const n = 200
	random := rand.New(rand.NewPCG(1, 4))
	for name, leave := range map[string]func(i int, issue, confirm *trail){
		"tokens of a fifth": func(i int, issue, confirm *trail) {
			if i%5 == 0 {
				issue.token(place{"here", 2}, []byte{1, byte(i)})
				confirm.token(place{"there", 2}, []byte{1, byte(i)})
			}
		},
		"one byte more among many": func(i int, issue, confirm *trail) {
			issue.token(place{"bytes", 1}, []byte{byte(i)})
			confirm.token(place{"bytes", 1}, []byte{byte(i)})
		},
		"values that go together": func(_ int, issue, confirm *trail) {
			x := random.Float64()
			issue.values["x"], confirm.values["y"] = magnitude{number: x}, magnitude{number: x + 1.5*random.Float64()}
		},
		"the same of three texts": func(_ int, issue, confirm *trail) {
			text := []string{"a", "b", "c"}[random.IntN(3)]
			issue.values["x"], confirm.values["y"] = magnitude{text: text}, magnitude{text: text}
		},
	} {
		issues, confirms, answer := invented(random, n), invented(random, n), random.Perm(n)
		for confirm, issue := range answer {
			leave(issue, issues[issue], confirms[confirm])
		}
		if v := attack(issues, confirms, answer); v.p >= 1e-6 {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// A row that has moved and not changed is no difference; one that was changed is gone and fresh.
func TestDifferencesOfRows(t *testing.T) {
	t.Parallel()
	rows := func(texts ...string) (all []*row) {
		for _, content := range texts {
			all = append(all, newRow(text("text", content)))
		}
		return all
	}
	got := differ(rows("a", "b", "b", "c"), rows("a", "d", "c", "b"))
	placesOf := func(rows []placed) (all []string) {
		for _, r := range rows {
			all = append(all, string(r.fields[0].value)+string(rune('0'+r.at)))
		}
		return all
	}
	if fresh, gone := placesOf(got.fresh), placesOf(got.gone); !slices.Equal(fresh, []string{"d1"}) || !slices.Equal(gone, []string{"b2"}) {
		t.Errorf("fresh are %v, gone are %v", fresh, gone)
	}
	page := func(content, before []byte) *trail {
		return trailOf(differences(
			observation{"pages": {newRow(field{name: "content", value: before})}},
			observation{"pages": {newRow(field{"content", content, before})}}))
	}
	before := make([]byte, 1024)
	after := slices.Clone(before)
	copy(after[500:], "XY")
	if tokens := page(after, before).tokens[place{"pages, content", 2}]; len(tokens) != 3 {
		t.Errorf("two fresh bytes are in %d pairs of bytes, want 3", len(tokens))
	}
}
