package release

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// ErrAudit is wrapped when documents could give a small group away, or are not what their policy shows.
var ErrAudit = errors.New("the release does not pass the audit")

// Finding is what the audit found of one group.
type Finding struct {
	// Cohort and CutOff name the document, as it does.
	Cohort int    `json:"cohort"`
	CutOff string `json:"cutOff"`
	// Group is the group of a figure; an increment is named by its cut-offs.
	Group string `json:"group"`
	// Referrals is how many values stay possible for the group's referrals, for a reader without the helpline's
	// register. Zero when the group's referrals are no target: they are public, or nobody was referred.
	Referrals int `json:"referrals,omitempty"`
	// Values is how many stay possible for its arrivals, and as many for those who did not arrive, for a reader
	// who knows all referrals.
	Values int `json:"values"`
	// Widened says that the figure is shown less sharply than its size alone would allow.
	Widened bool `json:"widened,omitempty"`
}

// Audit checks documents, in any order, for what a reader can work out from all of them: every group must keep as
// many possible values as the policy of its document asks for. It looks at nothing but the documents, so
// anybody can repeat it, and what it finds tells nothing that they do not. progress is called after each document
// with how many are done; it may be nil.
//
// Of documents whose policy is none of policies nothing but the total of a closed cohort may be shown. Errors
// wrap ErrAudit and say which document and group.
func Audit(policies []Policy, documents []Document, progress func(done int)) ([]Finding, error) {
	ordered := slices.SortedStableFunc(slices.Values(documents), func(a, b Document) int {
		return cmp.Or(cmp.Compare(a.Cohort, b.Cohort), cmp.Compare(b.Status, a.Status), cmp.Compare(a.CutOff, b.CutOff))
	})
	var findings []Finding
	var earlier []Document
	for i, document := range ordered {
		if len(earlier) > 0 && earlier[0].Cohort != document.Cohort {
			earlier = nil
		}
		found, err := auditOne(policies, earlier, document)
		if err != nil {
			return findings, fmt.Errorf("%w: cohort %d at %s: %w", ErrAudit, document.Cohort, document.CutOff, err)
		}
		findings = append(findings, found...)
		earlier = append(earlier, document)
		if progress != nil {
			progress(i + 1)
		}
	}
	return findings, nil
}

// auditOne checks a document beside the earlier ones of its cohort.
func auditOne(policies []Policy, earlier []Document, document Document) ([]Finding, error) {
	if len(document.Figures) == 0 || document.Figures[0].Group != GroupTotal {
		return nil, errors.New("it does not begin with the total")
	}
	at := slices.IndexFunc(policies, func(p Policy) bool { return p.Version == document.Policy })
	if at < 0 {
		for i, figure := range document.Figures {
			if figure.Rate != nil && (i > 0 || document.Status == Provisional) {
				return nil, fmt.Errorf("%s is shown by the policy %q, which is not known here", figure.Group, document.Policy)
			}
		}
		return nil, nil
	}
	policy, total := policies[at], document.Figures[0]
	for _, before := range earlier {
		if total, shown := before.running(); shown && !slices.Contains(document.After, total) {
			return nil, fmt.Errorf("it was made without the running total of %s", before.CutOff)
		}
	}
	known := knownAfter(document.After)
	pools := poolsOf(document)
	if !slices.IsSortedFunc(pools.pools, func(a, b Figure) int { return cmp.Compare(poolNumber(a), poolNumber(b)) }) {
		return nil, errors.New("its pools are not in the order of their numbers")
	}
	var found []Finding
	var err error
	switch {
	case document.Status == Provisional && len(document.Figures) > 1:
		return nil, errors.New("a running total stands alone")
	case document.Status == Provisional || len(pools.pools) < 2:
		found, err = auditRunning(policy, known, document.Status == Provisional && endsYear(document.CutOff), total)
	default:
		found, err = auditClosed(policy, known, total)
	}
	if err == nil && document.Status == Final {
		var of []Finding
		of, err = auditFigures(policy, pools, known, document)
		found = append(found, of...)
	}
	for i := range found {
		found[i].Cohort, found[i].CutOff = document.Cohort, document.CutOff
		if found[i].Values < policy.MinValues || found[i].Referrals != 0 && found[i].Referrals < policy.MinValues {
			return nil, fmt.Errorf("%s keeps %d possible values, and %d of its referrals", found[i].Group, found[i].Values, found[i].Referrals)
		}
	}
	return found, err
}

// auditRunning checks a total in a size class and a rate band.
func auditRunning(policy Policy, known running, yearEnd bool, total Figure) ([]Finding, error) {
	if total.Rate == nil {
		return nil, nil
	}
	if total.Shown != Banded || total.Referrals == nil {
		return nil, errors.New("the total must be in a class and a band")
	}
	class, rate := *total.Referrals, *total.Rate
	if class.Low < policy.MinReferrals || class != policy.sizeClass(class.Low) || yearEnd && class.Low < policy.YearEndFrom || class.Low < known.referrals {
		return nil, fmt.Errorf("the total is shown with %d to %d referrals", class.Low, class.High)
	}
	if rate.Low < 0 || rate.High > 100 || rate.High-rate.Low < policy.bandWidth(class.Low) {
		return nil, fmt.Errorf("the total is shown with %d to %d per cent", rate.Low, rate.High)
	}
	again := runningTotal(policy, known, closed{referrals: class.High, arrived: arrivedAt(rate, class.High).Low}, TooEarly)
	if !reflect.DeepEqual(again, total) {
		return nil, errors.New("the total is not what its policy shows")
	}
	finding := Finding{Group: GroupTotal, Referrals: class.values(), Values: class.High, Widened: rate.High-rate.Low > policy.bandWidth(class.Low)}
	for n := class.Low; n <= class.High; n++ {
		arrived := arrivedAt(rate, n)
		finding.Values = min(finding.Values, arrived.values(), arrived.High-known.arrived+1)
	}
	return []Finding{finding}, nil
}

// auditClosed checks the total of a closed cohort of several pools. To the person it is public, and what must
// keep its values is everything that came after a running total.
func auditClosed(policy Policy, known running, total Figure) ([]Finding, error) {
	if total.Rate == nil {
		return nil, nil
	}
	if total.Referrals == nil || total.Arrived == nil || total.Referrals.values() != 1 {
		return nil, errors.New("the total must have its referrals and a range of arrivals")
	}
	n, arrived := total.Referrals.Low, *total.Arrived
	again := closedTotal(policy, known, closed{referrals: n, arrived: arrived.Low}, true)
	if !reflect.DeepEqual(again, total) {
		return nil, errors.New("the total is not what its policy shows")
	}
	var found []Finding
	if total.Shown == Banded {
		found = append(found, Finding{Group: GroupTotal, Values: arrived.values()})
	}
	if known.referrals > 0 || known.arrived > 0 {
		found = append(found, Finding{
			Group: "since the running totals", Values: arrived.High - known.arrived + 1, Referrals: max(0, n-known.referrals+1),
		})
	}
	return found, nil
}

// auditFigures checks everything but the total of a closed cohort's document.
func auditFigures(policy Policy, groups groups, known running, document Document) ([]Finding, error) {
	from := displayed(document.Figures)
	figures, err := finalFigures(policy, groups, known, document.Figures[0], from)
	if err != nil {
		return nil, err
	}
	if len(figures) != len(document.Figures) {
		return nil, fmt.Errorf("it holds %d figures, and its policy shows %d", len(document.Figures), len(figures))
	}
	for i, figure := range figures {
		if !reflect.DeepEqual(figure, document.Figures[i]) {
			return nil, fmt.Errorf("%s is not what its policy shows", document.Figures[i].Group)
		}
	}
	total := document.Figures[0]
	if total.Shown != Exact {
		return nil, nil
	}
	state := newPools(policy, len(groups.pools), closed{referrals: total.Referrals.Low, arrived: total.Arrived.Low}, known)
	if err := state.walk(groups.names(), from); err != nil {
		return nil, err
	}
	var found []Finding
	for i, pool := range groups.pools {
		left, any := state.possible(i)
		if !any {
			return nil, fmt.Errorf("no table of counts shows %s so", pool.Group)
		}
		figure := figures[1+i]
		found = append(found, Finding{
			Group: pool.Group, Referrals: left.referrals, Values: left.side,
			Widened: figure.Rate != nil && figure.Rate.High-figure.Rate.Low >= 2*policy.bandWidth(figure.Referrals.Low),
		})
	}
	for _, figure := range figures {
		if figure.Count != nil {
			found = append(found, Finding{Group: figure.Group, Values: figure.Count.values()})
		}
	}
	return found, nil
}

// poolsOf reads from a document which pools and types it has.
func poolsOf(document Document) groups {
	var g groups
	for _, figure := range document.Figures {
		named := Figure{Group: figure.Group, Name: figure.Name, Pools: figure.Pools}
		switch {
		case strings.HasPrefix(figure.Group, "pool:"):
			g.pools = append(g.pools, named)
		case strings.HasPrefix(figure.Group, "type:"):
			g.types = append(g.types, named)
		}
	}
	return g
}

// poolNumber returns the number of a pool's figure; zero when it has none.
func poolNumber(pool Figure) int {
	number, err := strconv.Atoi(strings.TrimPrefix(pool.Group, "pool:"))
	if err != nil {
		return 0
	}
	return number
}

// displayed reads the figures of a document.
type displayed []Figure

// of returns the range that a figure shows on an axis, nil when it shows none.
func (d displayed) of(on axis) (*Range, error) {
	at := slices.IndexFunc(d, func(f Figure) bool { return f.Group == on.group })
	switch {
	case at < 0:
		return nil, fmt.Errorf("%s is missing", on.group)
	case on.count == countReferrals:
		return d[at].Referrals, nil
	case on.count == countOthers:
		return d[at].Count, nil
	case d[at].Arrived != nil:
		return d[at].Arrived, nil
	default:
		return d[at].NotArrived, nil
	}
}

func (d displayed) part(on axis, parts []Range) (int, error) {
	shown, err := d.of(on)
	if err != nil {
		return 0, err
	}
	if shown == nil {
		// Parts of sizes are first split into too few and enough, and too few is what is not shown.
		if on.count != countReferrals {
			return 0, fmt.Errorf("%s is not shown", on.group)
		}
		return 0, nil
	}
	at := slices.IndexFunc(parts, func(part Range) bool { return shown.values() > 0 && part.holds(*shown) })
	if at < 0 {
		return 0, fmt.Errorf("%s is shown as %d to %d, which is no part that its policy makes", on.group, shown.Low, shown.High)
	}
	return at, nil
}

func (d displayed) step(on axis, width int) (Range, error) {
	shown, err := d.of(on)
	if err != nil {
		return Range{}, err
	}
	if shown == nil || shown.Low < 0 || shown.Low%width != 0 || shown.values() != width {
		return Range{}, fmt.Errorf("%s is not shown in steps of %d", on.group, width)
	}
	return *shown, nil
}
