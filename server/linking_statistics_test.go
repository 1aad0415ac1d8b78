package server_test

import (
	"math"
	"slices"
)

// fixedPoints is the probability that a random permutation has k fixed points or more: that somebody who
// pairs at random gets k right. It has one on average, however many pairs there are, and their number is
// Poisson's to within 2^n/n!. Of five or more it is 0.0037, of ten or more 1.1e-7.
func fixedPoints(k int) float64 {
	p, term := 0.0, math.Exp(-1)
	for i := range k + 40 {
		if i >= k {
			p += term
		}
		term /= float64(i + 1)
	}
	return p
}

// spearman is the probability that the rank correlation of n steps with a random permutation of them is as far
// from zero, by the normal distribution. The tails of the true distribution are shorter, so that what is
// small here is smaller in truth.
func spearman(correlation float64, n int) float64 {
	return math.Erfc(math.Abs(correlation) * math.Sqrt(float64(n-1)/2))
}

// ranks returns the ranks of values, moved and scaled so that the product of two is their correlation; equal
// values share their ranks' mean. It returns nil unless a third of the values or more differ from the
// commonest: of two values that are nearly always the same the distribution is not the normal one.
func ranks(values []magnitude) []float64 {
	n := len(values)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return values[i].compare(values[j]) })
	ranked, square, commonest := make([]float64, n), 0.0, 0
	for from := 0; from < n; {
		to := from + 1
		for to < n && values[order[to]].compare(values[order[from]]) == 0 {
			to++
		}
		rank := float64(from+to-1)/2 - float64(n-1)/2
		for _, i := range order[from:to] {
			ranked[i] = rank
		}
		square += rank * rank * float64(to-from)
		commonest = max(commonest, to-from)
		from = to
	}
	if 3*commonest > 2*n {
		return nil
	}
	for i := range ranked {
		ranked[i] /= math.Sqrt(square)
	}
	return ranked
}

// alikeness is the probability that random pairs are as much alike as those of the answer, by the ranks of all
// pairs that are alike at all, the most alike first; by the normal distribution, so that a third of all
// pairs or more must be alike. That some steps are more like any other than others are does not count:
// Hoeffding's mean and variance of a sum over a random permutation leave it out.
func alikeness(pairs []pair, answer []int) float64 {
	n := len(answer)
	scores, rows, columns, mean := make([]float64, n*n), make([]float64, n), make([]float64, n), 0.0
	for rank, p := range pairs {
		score := 1 - float64(rank)/float64(len(pairs))
		scores[p.issue*n+p.confirm] = score
		rows[p.issue] += score / float64(n)
		columns[p.confirm] += score / float64(n)
		mean += score / float64(n*n)
	}
	sum, square := 0.0, 0.0
	for at, score := range scores {
		issue, confirm := at/n, at%n
		own := score - rows[issue] - columns[confirm] + mean
		square += own * own
		if answer[confirm] == issue {
			sum += own
		}
	}
	if square == 0 {
		return 1
	}
	return math.Erfc(sum/math.Sqrt(2*square/float64(n-1))) / 2
}
