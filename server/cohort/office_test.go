package cohort

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"aankomst/refcode"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// office is what cohorts are opened and closed with: a store, a key folder, a clock, and who can open
// escrow copies. A process that works there is made with start.
type office struct {
	t        *testing.T
	store    *faulty
	folder   *Folder
	identity *age.X25519Identity

	mu       sync.Mutex
	now      time.Time
	withheld bool          // what Freeze says
	retired  []store.Stage // the stages in which the store key was retired
	holders  int
	beats    map[string]time.Time // when each process last said which keys it holds
}

// newOffice returns an office with nine centres, three of each type but UFC, on a day.
func newOffice(t *testing.T, day string) *office {
	t.Helper()
	content, err := withCentres()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "aankomst.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, folder: newFolder(t), identity: identity(t), beats: map[string]time.Time{}}
	o.store = &faulty{Store: timed{openStoreAt(t, path), o}}
	o.setDay(day)
	return o
}

var storeKey = [32]byte{1}

// withCentres makes the file of a store with nine centres. It is made once and copied for each test,
// which takes a tenth of the time.
var withCentres = sync.OnceValues(func() (content []byte, err error) {
	folder, err := os.MkdirTemp("", "cohort")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	ctx, path := context.Background(), filepath.Join(folder, "aankomst.db")
	if _, err := sqlite.Migrate(ctx, path, storeKey); err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, path, storeKey)
	if err != nil {
		return nil, err
	}
	for _, centre := range centresOf(map[store.CentreType]int{store.TypeCAW: 3, store.TypeCGG: 3, store.TypeOther: 3}) {
		err = errors.Join(err, s.CreateCentre(ctx, centre))
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// openStore opens an empty store.
func openStore(t *testing.T) store.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aankomst.db")
	if _, err := sqlite.Migrate(t.Context(), path, storeKey); err != nil {
		t.Fatal(err)
	}
	return openStoreAt(t, path)
}

func openStoreAt(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, storeKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start returns a process that has just started and holds no key.
func (o *office) start() *Keeper {
	o.holders++
	return &Keeper{
		Store: o.store, Folder: o.folder, Ring: &Keyring{}, Clock: o.clock, Holder: fmt.Sprintf("process %d", o.holders),
		Freeze: o.freeze, RetireStoreKey: o.retireStoreKey,
	}
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *office) wait(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

// setDay takes the clock to noon of a day, or to a moment (RFC 3339).
func (o *office) setDay(text string) {
	o.t.Helper()
	if len(text) == len("2006-01-02") {
		text += "T12:00:00+01:00"
	}
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		o.t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = moment
}

// freeze saves a draft, once.
func (o *office) freeze(ctx context.Context, cohort store.Cohort) (bool, error) {
	err := o.store.SaveDraft(ctx, store.Draft{Year: cohort.Year, CutOff: store.CutOffFinal, Body: []byte("draft")})
	if errors.Is(err, store.ErrExists) {
		err = nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.withheld, err
}

func (o *office) retireStoreKey() error {
	return o.store.do("RetireStoreKey", func() error {
		cohort, err := o.store.Store.GetCohort(o.t.Context(), 2026)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.retired = append(o.retired, cohort.Stage)
		return err
	})
}

// plan returns a plan that can be opened.
func (o *office) plan(year int) Plan {
	return Plan{Year: year, Layout: refcode.Short, Expected: 300, Recipients: []string{o.identity.Recipient().String()}}
}

// open opens a cohort that can be opened.
func (o *office) open(k *Keeper, year int) store.Cohort {
	o.t.Helper()
	cohort, err := k.Open(o.t.Context(), o.plan(year))
	if err != nil {
		o.t.Fatalf("opening %d: %v", year, err)
	}
	return cohort
}

// stage returns a cohort's stage.
func (o *office) stage(year int) store.Stage {
	o.t.Helper()
	cohort, err := o.store.Store.GetCohort(o.t.Context(), year)
	if err != nil {
		o.t.Fatal(err)
	}
	return cohort.Stage
}

// record records one entry.
func (o *office) record(entry store.Entry) store.Outcome {
	o.t.Helper()
	outcomes, err := o.store.Record(o.t.Context(), []store.Entry{entry})
	if err != nil {
		o.t.Fatal(err)
	}
	return outcomes[0]
}

// holds returns the names of the processes that said they hold a cohort's key.
func (o *office) holds(year int) []string {
	o.t.Helper()
	holders, err := o.store.Store.Holders(o.t.Context(), year)
	if err != nil {
		o.t.Fatal(err)
	}
	var names []string
	for _, holder := range holders {
		names = append(names, holder.Name)
	}
	return names
}

// works fails unless a cohort of a year is there once, a process holds its key, the key issues and
// recognises codes, and the escrow copy that the store describes opens to it.
func (o *office) works(k *Keeper, year int) {
	o.t.Helper()
	cohorts, err := o.store.Store.ListCohorts(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	cohorts = slices.DeleteFunc(cohorts, func(c store.Cohort) bool { return c.Year != year })
	if len(cohorts) != 1 || cohorts[0].Stage != store.StageOpen {
		o.t.Fatalf("the store has %+v", cohorts)
	}
	if !slices.Contains(k.Ring.Years(), year) || !slices.Contains(o.holds(year), k.Holder) {
		o.t.Fatalf("keys are held of %v, by %v", k.Ring.Years(), o.holds(year))
	}
	for _, pool := range []uint32{refcode.PracticePool, 1, 2} {
		got := k.Ring.Recognise(issueCode(o.t, k.Ring, DirectoryOf(cohorts[0]), pool))
		if !got.Genuine || got.Year != year || got.Pool != pool {
			o.t.Errorf("a code of pool %d is taken for %+v", pool, got)
		}
	}
	escrow := read(o.t, o.folder, escrowCopy(o.t, o.folder, year))
	if cohorts[0].EscrowDigest != sha256.Sum256(escrow) {
		o.t.Error("the store describes another escrow copy")
	}
	plain, err := decrypt(escrow, o.identity)
	if err != nil || !bytes.Equal(plain, read(o.t, o.folder, KeyFile(year))) {
		o.t.Errorf("the escrow copy does not open to the key file: %v", err)
	}
	names(o.t, o.folder) // all of them readable by their owner alone
}
