package cohort

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/store"
)

// What a pool needs, so that its codes hide each other.
const (
	MinCentres  = 3
	MinExpected = 25
)

// MaxName is the longest name of a pool, in characters.
const MaxName = 80

var (
	// ErrPlan is wrapped when a cohort cannot be opened as asked; the message says what to change.
	ErrPlan = errors.New("the cohort cannot be opened like this")
	// ErrTooSoon is wrapped when a cohort cannot be opened or closed yet; the message says from when.
	ErrTooSoon = errors.New("too soon")
)

// Plan is a cohort to be opened.
type Plan struct {
	Year   int
	Layout refcode.Layout
	// Pools are numbered as listed, from 1. Empty: DefaultPools.
	Pools []PoolPlan
	// Expected is how many referrals the year is expected to have. Used when Pools is empty.
	Expected int
	// Recipients can open the escrow copy.
	Recipients []string
}

// PoolPlan is a pool to be frozen with a cohort.
type PoolPlan struct {
	Name    string
	Centres []string
	// Expected is how many referrals the pool is expected to have in the year.
	Expected int
}

// Open opens a cohort: it makes the key, writes the escrow copy, freezes the pools and takes the key
// into use. Cut short by a crash, it can be called again. Errors wrap ErrPlan, ErrTooSoon,
// ErrRecipient, ErrKeyFolder, store.ErrExists or are others of the store's.
func (k *Keeper) Open(ctx context.Context, plan Plan) (store.Cohort, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	now := k.Clock()
	switch {
	case plan.Year < calendar.Year(now):
		return store.Cohort{}, fmt.Errorf("%w: the year %d is over; open %d", ErrPlan, plan.Year, calendar.Year(now))
	case plan.Year > 9999:
		return store.Cohort{}, fmt.Errorf("%w: %d is no year", ErrPlan, plan.Year)
	case now.Before(calendar.OpensFrom(plan.Year)):
		return store.Cohort{}, fmt.Errorf("%w: the cohort of %d can be opened from %s", ErrTooSoon, plan.Year, calendar.Day(calendar.OpensFrom(plan.Year)))
	case !plan.Layout.Valid():
		return store.Cohort{}, fmt.Errorf("%w: choose the short or the long layout", ErrPlan)
	case len(plan.Recipients) == 0:
		return store.Cohort{}, fmt.Errorf("%w: name at least one escrow recipient; without the escrow copy a lost key file loses every outstanding code", ErrPlan)
	}
	// Known first, so that a year that has its cohort touches no key file.
	if _, err := k.Store.GetCohort(ctx, plan.Year); !errors.Is(err, store.ErrNotFound) {
		if err == nil {
			err = fmt.Errorf("the cohort of %d %w", plan.Year, store.ErrExists)
		}
		return store.Cohort{}, err
	}
	centres, err := k.Store.ListCentres(ctx)
	if err != nil {
		return store.Cohort{}, err
	}
	if len(plan.Pools) == 0 {
		plan.Pools = DefaultPools(centres, plan.Expected)
	}
	if err := checkPools(plan.Pools, centres); err != nil {
		return store.Cohort{}, err
	}
	// Known before there is a key, so that a plan that is refused leaves none behind.
	if _, err := parseRecipients(plan.Recipients); err != nil {
		return store.Cohort{}, err
	}
	key, err := GenerateKey(plan.Year)
	if err != nil {
		return store.Cohort{}, err
	}
	if key, err = k.Folder.Create(key); err != nil {
		return store.Cohort{}, err
	}
	digest, err := k.Folder.WriteEscrow(key, plan.Recipients)
	if err != nil {
		return store.Cohort{}, err
	}
	cohort := store.Cohort{
		Year: plan.Year, Layout: uint8(plan.Layout), PublicKey: key.PublicKey(), Stage: store.StageOpen,
		OpenedOn:         calendar.Day(now),
		EscrowRecipients: plan.Recipients, EscrowDigest: digest,
	}
	for i, pool := range plan.Pools {
		centres := slices.Clone(pool.Centres)
		slices.Sort(centres)
		cohort.Pools = append(cohort.Pools, store.Pool{Number: uint32(i + 1), Name: pool.Name, Centres: centres})
	}
	if err := k.Store.CreateCohort(ctx, cohort); err != nil {
		return store.Cohort{}, err
	}
	return cohort, k.sync(ctx, true)
}

// AddCentre adds a centre that joined during the year to a pool of an open cohort. Errors wrap ErrPlan for
// an archived centre, or are those of store.Cohorts.AddToPool.
func (k *Keeper) AddCentre(ctx context.Context, year int, pool uint32, id string) error {
	centre, err := k.Store.GetCentre(ctx, id)
	if err != nil {
		return err
	}
	if centre.Archived {
		return fmt.Errorf("%w: the centre %q is archived", ErrPlan, id)
	}
	return k.Store.AddToPool(ctx, year, pool, id)
}

// DefaultPools makes one pool of each type that has enough centres and one of the rest. A rest that is
// too small joins the smallest of the others, so that a type with one centre is never alone. Expected
// referrals are taken to be spread over the pools by their numbers of centres.
func DefaultPools(centres []store.Centre, expected int) []PoolPlan {
	byType := map[store.CentreType][]string{}
	active := 0
	for _, centre := range centres {
		if !centre.Archived {
			byType[centre.Type] = append(byType[centre.Type], centre.ID)
			active++
		}
	}
	var pools []PoolPlan
	var rest PoolPlan
	for _, kind := range []store.CentreType{store.TypeCAW, store.TypeCGG, store.TypeUFC, store.TypeOther} {
		if of := byType[kind]; len(of) >= MinCentres {
			pools = append(pools, PoolPlan{Name: string(kind), Centres: of})
		} else if len(of) > 0 {
			rest.Name = joinNames(rest.Name, string(kind))
			rest.Centres = append(rest.Centres, of...)
		}
	}
	if len(rest.Centres) > 0 && (len(rest.Centres) >= MinCentres || len(pools) == 0) {
		pools = append(pools, rest)
	} else if len(rest.Centres) > 0 {
		smallest := slices.MinFunc(pools, func(a, b PoolPlan) int { return cmp.Compare(len(a.Centres), len(b.Centres)) })
		for i := range pools {
			if pools[i].Name == smallest.Name {
				pools[i].Name = joinNames(pools[i].Name, rest.Name)
				pools[i].Centres = append(pools[i].Centres, rest.Centres...)
			}
		}
	}
	for i := range pools {
		pools[i].Expected = expected * len(pools[i].Centres) / active
	}
	return pools
}

func joinNames(a, b string) string {
	if a == "" {
		return b
	}
	return a + " + " + b
}

// checkPools refuses pools that would not hide their codes. Errors wrap ErrPlan.
func checkPools(pools []PoolPlan, centres []store.Centre) error {
	if len(pools) == 0 {
		return fmt.Errorf("%w: there are no centres yet; add at least %d", ErrPlan, MinCentres)
	}
	active := map[string]bool{}
	for _, centre := range centres {
		active[centre.ID] = !centre.Archived
	}
	poolOf, named := map[string]string{}, map[string]bool{}
	for _, pool := range pools {
		switch {
		case !validName(pool.Name):
			return fmt.Errorf("%w: a pool's name has 1 to %d letters, digits, spaces and signs, and begins with a letter or digit", ErrPlan, MaxName)
		case named[pool.Name]:
			return fmt.Errorf("%w: two pools are called %s", ErrPlan, pool.Name)
		case len(pool.Centres) < MinCentres:
			return fmt.Errorf("%w: pool %s has %d centres; it takes %d for their codes to hide each other: merge it with another", ErrPlan, pool.Name, len(pool.Centres), MinCentres)
		case pool.Expected < MinExpected:
			return fmt.Errorf("%w: pool %s expects fewer than %d referrals: merge it with another, or expect more", ErrPlan, pool.Name, MinExpected)
		}
		named[pool.Name] = true
		for _, id := range pool.Centres {
			if !active[id] {
				return fmt.Errorf("%w: pool %s names the centre %.60q, which does not exist or is archived", ErrPlan, pool.Name, id)
			}
			if other, taken := poolOf[id]; taken {
				return fmt.Errorf("%w: the centre %.60q is named in pool %s and in pool %s", ErrPlan, id, other, pool.Name)
			}
			poolOf[id] = pool.Name
		}
	}
	return nil
}

// validName reports whether a pool may be called so; the name is printed in releases and their CSV.
func validName(name string) bool {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxName || strings.TrimSpace(name) != name {
		return false
	}
	for i, r := range name {
		if i == 0 && !unicode.IsLetter(r) && !unicode.IsDigit(r) || !unicode.IsPrint(r) {
			return false
		}
	}
	return name != ""
}

// ThinPools says in words which pools of a cohort have too few centres in use for their codes to hide each
// other, as centres were archived since it was opened.
func ThinPools(cohort store.Cohort, centres []store.Centre) []string {
	active := map[string]bool{}
	for _, centre := range centres {
		active[centre.ID] = !centre.Archived
	}
	var warnings []string
	for _, pool := range cohort.Pools {
		left := 0
		for _, id := range pool.Centres {
			if active[id] {
				left++
			}
		}
		if left < MinCentres {
			warnings = append(warnings, fmt.Sprintf("pool %d of %d has fewer than %d centres in use, so its codes hide each other badly: add a centre to it",
				pool.Number, cohort.Year, MinCentres))
		}
	}
	return warnings
}

// OpenWarning says in words that the next cohort has yet to be opened, from 1 December on, or that the
// running year has none; it is empty when all is well.
func OpenWarning(cohorts []store.Cohort, now time.Time) string {
	has := func(year int) bool {
		return slices.ContainsFunc(cohorts, func(c store.Cohort) bool { return c.Year == year })
	}
	year := calendar.Year(now)
	switch {
	case !has(year):
		return fmt.Sprintf("there is no cohort for %d, so no code can be issued: open it", year)
	case !now.Before(calendar.OpensFrom(year+1)) && !has(year+1):
		return fmt.Sprintf("the cohort of %d is not open yet: open it before the new year", year+1)
	default:
		return ""
	}
}
