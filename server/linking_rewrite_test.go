//go:build unix

package server_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aankomst/server/servertest"
	"aankomst/server/store"
)

// After a rewrite, which comes every quarter of an hour or every night, a database does not tell in which order
// codes were spent: they have one xmin, they lie in an order that is not that of confirming, and no
// version of a row that was taken back is left. The order of the rows is compared with chance as in
// TestNobodyCanTellWhichIssueAConfirmationBelongsTo.
func TestARewriteLeavesNoOrderInTheDatabase(t *testing.T) {
	t.Parallel()
	f, backdoor := shared.start(t, servertest.Options{})
	f.Stop() // its jobs would rewrite by themselves
	o := backdoor.observer.(*postgresObserver)
	random := rand.New(rand.NewPCG(5, 5))
	var order []store.Nullifier
	var undone [][]byte
	for n := range 600 {
		e := store.Entry{Kind: store.Arrive, Year: servertest.Year, Pool: 1}
		for i := range e.Nullifier {
			e.Nullifier[i] = byte(random.Uint32())
		}
		kinds := []store.Kind{store.Arrive}
		if n%3 == 0 {
			kinds = append(kinds, store.Undo)
			undone = append(undone, e.Nullifier[:])
		} else {
			order = append(order, e.Nullifier)
		}
		for _, e.Kind = range kinds {
			_, err := f.Store.Record(t.Context(), []store.Entry{e})
			must(t, err)
		}
	}

	look := func() (p float64, versions, gaps, left int) {
		t.Helper()
		rows := o.query(fmt.Sprintf(`SELECT xmin, nullifier, split_part(trim(ctid::text, '()'), ',', 2) FROM spent_%d`, servertest.Year))
		if len(rows) != len(order) {
			t.Fatalf("%d codes are spent, want %d", len(rows), len(order))
		}
		xmins, places, before := map[string]bool{}, make([]magnitude, len(order)), 0
		for at, r := range rows {
			xmins[r[0].string()] = true
			places[slices.IndexFunc(order, func(n store.Nullifier) bool { return bytes.Equal(n[:], bytesOf(r[1].value)) })].number = float64(at)
			// Where a version lies that nobody sees, a number is left out.
			line := int(valueOf(r[2].value).number)
			if line != before+1 && line != 1 {
				gaps++
			}
			before = line
		}
		own := make([]magnitude, len(order))
		for i := range own {
			own[i].number = float64(i)
		}
		product, x, y := 0.0, ranks(own), ranks(places)
		for i := range x {
			product += x[i] * y[i]
		}
		o.query(`CHECKPOINT`)
		return spearman(product, len(order)), len(xmins), gaps, found(t, filepath.Join(o.cluster.Data(), "base"), undone)
	}
	if p, versions, gaps, left := look(); p > 1e-6 || versions < len(order) || gaps == 0 || left == 0 {
		t.Fatalf("p = %g, %d xmins, %d gaps and %d codes taken back show before the rewrite: the test looks at too little", p, versions, gaps, left)
	}
	for tries := range 2 {
		must(t, f.Store.Rewrite(t.Context()))
		p, versions, gaps, left := look()
		if versions != 1 || gaps != 0 || left != 0 {
			t.Errorf("after the rewrite there are %d xmins, %d gaps, and %d codes that were taken back", versions, gaps, left)
		}
		if p >= 0.01 {
			break
		}
		if tries == 1 {
			t.Errorf("the order of the rows is that of confirming: p = %g, and again", p)
		}
	}
}

// found returns how many of some contents are in the files below a folder, in bytes.
func found(t *testing.T, folder string, contents [][]byte) (count int) {
	t.Helper()
	var all strings.Builder
	must(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreGone(err)
		}
		content, err := os.ReadFile(path)
		all.Write(content)
		return ignoreGone(err)
	}))
	for _, content := range contents {
		if strings.Contains(all.String(), string(content)) {
			count++
		}
	}
	return count
}
