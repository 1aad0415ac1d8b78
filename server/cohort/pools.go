package cohort

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"aankomst/server/store"
)

// What a pool needs, so that its codes hide each other.
const (
	MinCentres  = 3
	MinExpected = 25
)

// MaxName is the longest name of a pool, in characters.
const MaxName = 80

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
