package release

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

// spreadCells draws pools of a cohort whose total is often shown to the person.
var spreadCells = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cell {
	n := rapid.IntRange(15, 80).Draw(t, "n")
	return cell{n: n, arrived: rapid.IntRange(n/3, n+1).Draw(t, "arrived"), elsewhere: rapid.IntRange(0, 3).Draw(t, "elsewhere")}
}), 2, 5)

// anyCounts draws everything that is counted of a cohort, as it can be: counts that do not fit each other included,
// since a band of waiting time may be kept when its arrival is taken back.
func anyCounts(t *rapid.T) (store.Cohort, store.Counts) {
	cohort, counts := world(rapid.OneOf(anyCells, spreadCells).Draw(t, "pools")...)
	some := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 40), rapid.IntRange(0, 200))
	for i := range counts.Pools {
		pool := &counts.Pools[i]
		pool.Voided, pool.Replaced = some.Draw(t, "voided"), some.Draw(t, "replaced")
		pool.Issued += pool.Voided
		pool.ReplacementsVoided, pool.ReferredWithoutCode = some.Draw(t, "replacements voided"), some.Draw(t, "referred without code")
	}
	counts.ArrivedWithoutCode = some.Draw(t, "arrived without code")
	for band := store.WaitUpTo2Weeks; band < store.WaitBands; band++ {
		counts.Waits[band] = some.Draw(t, "waited")
	}
	return cohort, counts
}

// Whatever was counted, and was counted before, a cohort can be frozen and closed, and what is shown of it passes the
// audit. Counts that went down since are possible too, as codes are voided and confirmations taken back.
func TestAnyCountsCanBeFrozen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var source Source
		source.Cohort, source.Counts = anyCounts(t)
		now := source.Counts.Pools
		for _, cutOff := range cutOffs {
			source.Counts.Pools = slices.Clone(now)
			if cutOff != closing {
				for i := range now {
					source.Counts.Pools[i].Issued -= rapid.IntRange(-1, now[i].Issued).Draw(t, "referred since")
					source.Counts.Pools[i].Arrived -= rapid.IntRange(-1, now[i].Arrived).Draw(t, "arrived since")
				}
			}
			document, err := Freeze(Current, source, cutOff)
			if err != nil {
				t.Fatal(err)
			}
			source.Earlier = append(source.Earlier, document)
			for _, figure := range document.Figures {
				hidden := Figure{Group: figure.Group, Name: figure.Name, Pools: figure.Pools, Shown: figure.Shown}
				if figure.Shown != Exact && figure.Shown != Banded && !reflect.DeepEqual(figure, hidden) {
					t.Fatalf("%s is not shown, and holds numbers: %+v", figure.Group, figure)
				}
				if figure.Shown == Exact && figure.Group != GroupTotal {
					t.Fatalf("%s is shown to the person", figure.Group)
				}
			}
		}
		if _, err := Audit([]Policy{Current}, source.Earlier, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestZeroLooksLikeAnyOtherCohortBelow25(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cutOff := rapid.SampledFrom(cutOffs).Draw(t, "cut-off")
		first := rapid.IntRange(0, 24).Draw(t, "first")
		second := rapid.IntRange(0, 24-first).Draw(t, "second")
		got := encoded(t, frozen(t, cutOff,
			cell{n: first, arrived: rapid.IntRange(0, first+2).Draw(t, "arrived")},
			cell{n: second, arrived: rapid.IntRange(0, second).Draw(t, "arrived too"), elsewhere: rapid.IntRange(0, second).Draw(t, "elsewhere")}))
		if want := encoded(t, frozen(t, cutOff, cell{}, cell{})); got != want {
			t.Fatalf("at %s %d and %d referrals give %s, nobody %s", cutOff.Key, first, second, got, want)
		}
	})
}

// The order in which pools were made or read changes nothing, and what was handed in stays as it was.
func TestOrderOfPoolsChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cells := anyCells.Draw(t, "pools")
		cutOff := rapid.SampledFrom(cutOffs).Draw(t, "cut-off")
		want := encoded(t, frozen(t, cutOff, cells...))
		cohort, counts := world(cells...)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		rng.Shuffle(len(cohort.Pools), func(i, j int) { cohort.Pools[i], cohort.Pools[j] = cohort.Pools[j], cohort.Pools[i] })
		rng.Shuffle(len(counts.Pools), func(i, j int) { counts.Pools[i], counts.Pools[j] = counts.Pools[j], counts.Pools[i] })
		pools, counted := slices.Clone(cohort.Pools), slices.Clone(counts.Pools)
		document, err := Freeze(Current, Source{Cohort: cohort, Counts: counts}, cutOff)
		if err != nil {
			t.Fatal(err)
		}
		if got := encoded(t, document); got != want {
			t.Fatalf("in another order: %s, not %s", got, want)
		}
		if !slices.Equal(counted, counts.Pools) || !reflect.DeepEqual(pools, cohort.Pools) {
			t.Fatal("the counts that were handed in were put in another order")
		}
	})
}
