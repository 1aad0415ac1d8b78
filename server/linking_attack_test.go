package server_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// verdict is what an attack came to.
type verdict struct {
	// p is the probability of a success like this, or a greater one, where nothing can be known.
	p float64
	// pairs is the best pairing, likeness the best clue that right pairs are alike, and order the best
	// clue about the order.
	pairs, likeness, order clue
}

// clue is the best of several attempts: how likely the best of so many is by chance.
type clue struct {
	p        float64
	attempts int
	what     string
}

func (v verdict) String() string {
	text := fmt.Sprintf("p = %.2g", v.p)
	for _, best := range []clue{v.pairs, v.likeness, v.order} {
		text += fmt.Sprintf("; of %d attempts %s (%.2g)", best.attempts, best.what, best.p)
	}
	return text
}

// attack tries to tell which issue each confirmation belongs to, from the trails of both. The answer, which
// says so, is used for nothing but the score.
//
// Where nothing can be known, the answer is a random permutation that is independent of the trails. All
// probabilities are those of that permutation, with the trails as they are: however many attempts an
// attacker makes of the trails, and however alike these are, each attempt has the probability that
// is computed for it, and the best of n attempts has n times that at most (Bonferroni). The best of the three
// kinds of attempt has three times that of its kind.
func attack(issues, confirms []*trail, answer []int) verdict {
	v := verdict{p: 1, order: ordering(issues, confirms, answer)}
	v.pairs, v.likeness = pairing(issues, confirms, answer)
	for _, best := range []clue{v.pairs, v.likeness, v.order} {
		if best.attempts > 0 {
			v.p = min(v.p, 3*best.p*float64(best.attempts))
		}
	}
	return v
}

// better keeps the better of a clue and another attempt.
func (c *clue) better(p float64, what func() string) {
	c.attempts++
	if c.attempts == 1 || p < c.p {
		c.p, c.what = p, what()
	}
}

// index says which steps have each token, and how much the tokens of each step say together.
type index struct {
	tokens map[uint64]*token
	norms  []float64
}

type token struct {
	steps []int
	// weight is how much it says: nothing when all steps have it.
	weight float64
}

func indexed(trails []*trail) map[place]*index {
	all := map[place]*index{}
	for i, t := range trails {
		for p, tokens := range t.tokens {
			if all[p] == nil {
				all[p] = &index{map[uint64]*token{}, make([]float64, len(trails))}
			}
			for hash := range tokens {
				if all[p].tokens[hash] == nil {
					all[p].tokens[hash] = new(token)
				}
				all[p].tokens[hash].steps = append(all[p].tokens[hash].steps, i)
			}
		}
	}
	for _, index := range all {
		for hash, token := range index.tokens {
			if len(token.steps) == len(trails) {
				delete(index.tokens, hash)
				continue
			}
			token.weight = math.Log(float64(len(trails)) / float64(len(token.steps)))
			for _, i := range token.steps {
				index.norms[i] += token.weight * token.weight
			}
		}
	}
	return all
}

// pairing pairs each confirmation with an issue by the tokens that both left: in the same place, or one in
// some place and the other anywhere. It also looks whether right pairs are more alike than others, which
// shows where too much is alike to choose a pair.
func pairing(issues, confirms []*trail, answer []int) (best, likeness clue) {
	random := rand.New(rand.NewPCG(1, 1))
	of, in := indexed(issues), indexed(confirms)
	ofPlaces, inPlaces := sorted(of), sorted(in)
	for _, p := range ofPlaces {
		for _, q := range inPlaces {
			if p.pieces != q.pieces || p.where != anywhere && q.where != anywhere && p.home() != q.home() {
				continue
			}
			pairs := likenesses(of[p], in[q], random)
			if len(pairs) == 0 {
				continue
			}
			right := 0
			for confirm, issue := range assign(pairs, len(answer), random) {
				if answer[confirm] == issue {
					right++
				}
			}
			best.better(fixedPoints(right), func() string {
				return fmt.Sprintf("%d right by %s and %s (%d)", right, p.where, q.where, p.pieces)
			})
			if 3*len(pairs) >= len(answer)*len(answer) {
				likeness.better(alikeness(pairs, answer), func() string {
					return fmt.Sprintf("likeness by %s and %s (%d)", p.where, q.where, p.pieces)
				})
			}
		}
	}
	return best, likeness
}

func sorted(places map[place]*index) []place {
	return slices.SortedFunc(maps.Keys(places), func(p, q place) int {
		return cmp.Or(cmp.Compare(p.where, q.where), cmp.Compare(p.pieces, q.pieces))
	})
}

// pair is an issue and a confirmation and how alike they are.
type pair struct {
	issue, confirm int
	likeness       float64
}

// likenesses compares every issue with every confirmation: the cosine of the angle between their tokens, each
// weighted by how rare it is on either side. It returns those that are alike at all, the most alike first
// and ties in random order.
func likenesses(issues, confirms *index, random *rand.Rand) (all []pair) {
	n := len(issues.norms)
	var table []float64
	for hash, of := range issues.tokens {
		in := confirms.tokens[hash]
		if in == nil {
			continue
		}
		if table == nil {
			table = make([]float64, n*n)
		}
		weight := of.weight * in.weight
		for _, issue := range of.steps {
			row := table[issue*n : (issue+1)*n]
			for _, confirm := range in.steps {
				row[confirm] += weight
			}
		}
	}
	for at, likeness := range table {
		if likeness > 0 {
			issue, confirm := at/n, at%n
			all = append(all, pair{issue, confirm, likeness / math.Sqrt(issues.norms[issue]*confirms.norms[confirm])})
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortFunc(all, func(x, y pair) int { return cmp.Compare(y.likeness, x.likeness) })
	return all
}

// assign gives each confirmation an issue of its own, the most alike first. What is left over is given at
// random.
func assign(pairs []pair, n int, random *rand.Rand) []int {
	given, taken := make([]int, n), make([]bool, n)
	for i := range given {
		given[i] = -1
	}
	for _, p := range pairs {
		if given[p.confirm] < 0 && !taken[p.issue] {
			given[p.confirm], taken[p.issue] = p.issue, true
		}
	}
	left := slices.DeleteFunc(random.Perm(n), func(issue int) bool { return taken[issue] })
	for confirm := range given {
		if given[confirm] < 0 {
			given[confirm], left = left[0], left[1:]
		}
	}
	return given
}

// ordering compares the order in which values put the issues with that in which they put the confirmations,
// for every value of issues, their own order included, and every value of confirmations.
func ordering(issues, confirms []*trail, answer []int) (best clue) {
	n := len(answer)
	of, in := orders(issues), orders(confirms)
	own := make([]magnitude, n)
	for i := range own {
		own[i].number = float64(i)
	}
	of["the order of issuing"], in["the order of confirming"] = ranks(own), ranks(own)
	ofNames, inNames := slices.Sorted(maps.Keys(of)), slices.Sorted(maps.Keys(in))
	moved := make([]float64, n)
	for _, p := range ofNames {
		for confirm, issue := range answer {
			moved[confirm] = of[p][issue]
		}
		for _, q := range inNames {
			product := 0.0
			for i, x := range in[q] {
				product += x * moved[i]
			}
			best.better(spearman(product, n), func() string { return fmt.Sprintf("a correlation of %.2f of %s and %s", product, p, q) })
		}
	}
	return best
}

// orders returns the ranks of all values that say something, by name. Of those that put the steps in the
// same order, or in the reverse, one is enough.
func orders(trails []*trail) map[string][]float64 {
	all, seen := map[string][]float64{}, map[string]bool{}
	for _, name := range names(trails) {
		values := make([]magnitude, len(trails))
		for i, t := range trails {
			v, there := t.values[name]
			if !there {
				v.number = math.Inf(-1)
			}
			values[i] = v
		}
		ranked := ranks(values)
		if ranked == nil {
			continue
		}
		sign := 1.0
		if ranked[0] < 0 {
			sign = -1
		}
		var key []byte
		for _, x := range ranked {
			key = fmt.Appendf(key, "%.4f ", sign*x)
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			all[name] = ranked
		}
	}
	return all
}
