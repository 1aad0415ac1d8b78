package release

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// someHistory draws a cohort with its cut-offs, from generated ones.
func someHistory(t *rapid.T) history {
	return generated(rapid.Uint64Range(0, 1<<20).Draw(t, "seed"), rapid.SampledFrom([]int{1, 2, 2, 3}).Draw(t, "pools"))
}

// audited is what the audit says of documents by the policy of today.
func audited(documents ...Document) error {
	_, err := Audit([]Policy{Current}, documents, nil)
	return err
}

// Which of a cohort's documents are published, and when, is the coordinator's choice: each choice passes.
func TestAuditAcceptsEverySubsetAndOrderOfWhatIsFrozen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		documents := frozenHistory(t, someHistory(t))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		rng.Shuffle(len(documents), func(i, j int) { documents[i], documents[j] = documents[j], documents[i] })
		some := documents[:rapid.IntRange(1, len(documents)).Draw(t, "published")]
		if err := audited(some...); err != nil {
			t.Fatal(err)
		}
	})
}

// frozenHistory freezes a history at each of its cut-offs.
func frozenHistory(tb rapid.TB, h history) (documents []Document) {
	tb.Helper()
	for k := range h.cells {
		source := h.source(k)
		source.Earlier = documents
		document, err := Freeze(Current, source, cutOffs[k])
		if err != nil {
			tb.Fatalf("freezing %v: %v", h.cells, err)
		}
		documents = append(documents, document)
	}
	return documents
}

// What is recorded after a cut-off changes nothing that was frozen at it or before.
func TestLaterRecordsChangeNoEarlierRelease(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := someHistory(t)
		from := rapid.IntRange(1, len(h.cells)-1).Draw(t, "from")
		changed := h.copied()
		for k := from; k < len(h.cells); k++ {
			for p := range changed.cells[k] {
				changed.cells[k][p].n += rapid.IntRange(0, 40).Draw(t, "more referrals")
				changed.cells[k][p].arrived += rapid.IntRange(0, 40).Draw(t, "more arrivals")
			}
		}
		before, after := frozenHistory(t, h), frozenHistory(t, changed)
		for k := range from {
			if encoded(t, before[k]) != encoded(t, after[k]) {
				t.Fatalf("the release at %s was changed by what came later", cutOffs[k].Key)
			}
		}
	})
}

func TestTheOrderInWhichDocumentsAreHandedOverChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := someHistory(t)
		want := frozenHistory(t, h)
		end := len(h.cells) - 1
		source := h.source(end)
		source.Earlier = slices.Clone(want[:end])
		slices.Reverse(source.Earlier)
		slices.Reverse(source.Cohort.Pools)
		slices.Reverse(source.Counts.Pools)
		got, err := Freeze(Current, source, closing)
		if err != nil {
			t.Fatal(err)
		}
		if encoded(t, got) != encoded(t, want[end]) {
			t.Fatalf("in another order %s, not %s", encoded(t, got), encoded(t, want[end]))
		}
	})
}

// A document that says more than its policy would, or other than it would, is refused: alone, or beside the one
// that it was made after.
func TestAuditRefusesADocumentThatWasAltered(t *testing.T) {
	t.Parallel()
	var refused [7]int
	for seed := range uint64(60) {
		documents := generated(seed, poolCount(seed)).documents(t)
		final := documents[len(documents)-1]
		for i, alter := range []func(*Document) bool{
			func(d *Document) bool {
				return eachPool(d, func(f *Figure) *Range { return f.NotArrived }, func(r *Range) { r.High-- })
			},
			func(d *Document) bool {
				return eachPool(d, func(f *Figure) *Range { return f.NotArrived }, func(r *Range) { r.Low++; r.High++ })
			},
			func(d *Document) bool {
				return eachPool(d, func(f *Figure) *Range { return f.Referrals }, func(r *Range) { r.Low++ })
			},
			func(d *Document) bool {
				return eachPool(d, func(f *Figure) *Range { return f.Rate }, func(r *Range) { r.Low += 2 })
			},
			func(d *Document) bool {
				at := slices.IndexFunc(d.Figures, func(f Figure) bool { return f.Group == GroupElsewhere && f.Shown == Banded })
				if at >= 0 {
					d.Figures[at] = Figure{Group: GroupElsewhere, Shown: Protected}
				}
				return at >= 0
			},
			func(d *Document) bool {
				if d.Figures[0].Shown != Exact {
					return false
				}
				// One more arrived than running totals leave room for.
				d.After = append(slices.Clone(d.After), Running{CutOff: yearEnd.Key,
					Referrals: Current.sizeClass(d.Figures[0].Referrals.Low), Rate: Range{95, 100}})
				return true
			},
			func(d *Document) bool {
				if d.Figures[0].Shown != Exact {
					return false
				}
				d.Figures[0].Arrived = &Range{d.Figures[0].Arrived.Low - 1, d.Figures[0].Arrived.High}
				return true
			},
		} {
			altered := apart(final)
			if !alter(&altered) {
				continue
			}
			if err := audited(altered); !errors.Is(err, ErrAudit) {
				t.Errorf("year %d, alteration %d passes: %s", seed, i, encoded(t, altered))
			}
			refused[i]++
		}
		for at := range final.After {
			for _, after := range [][]Running{
				slices.Delete(slices.Clone(final.After), at, at+1),
				altering(final.After, at, func(r *Running) { r.Rate.Low += 10 }),
				altering(final.After, at, func(r *Running) { r.Referrals.Low += 5 }),
			} {
				altered := apart(final)
				altered.After = after
				if err := audited(append(slices.Clone(documents[:len(documents)-1]), altered)...); !errors.Is(err, ErrAudit) {
					t.Errorf("year %d: with other running totals before it, %s passes", seed, encoded(t, altered))
				}
			}
		}
	}
	for i, times := range refused {
		if times < 10 {
			t.Errorf("alteration %d was tried %d times", i, times)
		}
	}
}

func altering(totals []Running, at int, change func(*Running)) []Running {
	totals = slices.Clone(totals)
	change(&totals[at])
	return totals
}

// apart returns a document whose figures can be changed.
func apart(d Document) Document {
	d.Figures = slices.Clone(d.Figures)
	return d
}

// eachPool changes a range of the first pool or type that has it, and reports whether one has.
func eachPool(d *Document, of func(*Figure) *Range, change func(*Range)) bool {
	for i := range d.Figures {
		figure := &d.Figures[i]
		if i == 0 || figure.Shown != Banded || figure.Referrals == nil || of(figure) == nil {
			continue
		}
		changed := *of(figure)
		change(&changed)
		for _, held := range []**Range{&figure.Rate, &figure.Referrals, &figure.NotArrived} {
			if *held == of(figure) {
				*held = &changed
				return true
			}
		}
	}
	return false
}

// Whatever was counted, also what cannot be, every cut-off can be frozen, and all documents pass beside each other.
func TestCountsThatFallOrDoNotFitCanBeFrozenAtEveryCutOff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pools := rapid.IntRange(0, 4).Draw(t, "pools")
		number := rapid.OneOf(rapid.IntRange(-3, 30), rapid.IntRange(-3, 120))
		var documents []Document
		for _, cutOff := range cutOffs {
			cells := make([]cell, pools)
			for p := range cells {
				cells[p] = cell{n: number.Draw(t, "n"), arrived: number.Draw(t, "arrived"), elsewhere: number.Draw(t, "elsewhere")}
			}
			cohort, counts := world(cells...)
			for band := range counts.Waits {
				counts.Waits[band] = number.Draw(t, "waited")
			}
			counts.ArrivedWithoutCode = number.Draw(t, "without code")
			document, err := Freeze(Current, Source{Cohort: cohort, Counts: counts, Earlier: documents}, cutOff)
			if err != nil {
				t.Fatal(err)
			}
			documents = append(documents, document)
		}
		if err := audited(documents...); err != nil {
			t.Fatal(err)
		}
	})
}

// At the ends of what is possible nothing is shown that the middle would not show.
func TestNobodyIsToldThatAllOrNoneArrived(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][]int{{60}, {24}, {0}, {0, 0}, {40, 40}, {95, 5}, {99, 0, 1}, {30, 30, 30}} {
		n := 0
		for _, size := range sizes {
			n += size
		}
		for _, arrived := range []int{0, n} {
			arrivals(sizes, arrived, func(cells []cell) {
				document := frozen(t, closing, cells...)
				for _, figure := range document.Figures {
					if figure.Shown == Exact || figure.Arrived != nil && figure.Arrived.values() < 4 || figure.NotArrived != nil {
						t.Errorf("of %v is shown: %s", cells, encoded(t, document))
					}
				}
				if err := audited(document); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
