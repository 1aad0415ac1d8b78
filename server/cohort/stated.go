package cohort

import (
	"context"
	"errors"
	"fmt"
)

// ErrStated is wrapped when a statement from elsewhere covers the year of a cohort to be opened; the message
// names it. An attacker could combine the two.
var ErrStated = errors.New("a statement from elsewhere covers that year")

// unstated returns ErrStated when a statement covers a year.
func (k *Keeper) unstated(ctx context.Context, year int) error {
	statements, err := k.Store.ListStatements(ctx)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if s.Covers(year) {
			return fmt.Errorf("%w: %s, of %d to %d, could be combined with what is counted in %d; open a year that none covers, or remove the statement if it was a mistake",
				ErrStated, s.ID, s.FromYear, s.ToYear, year)
		}
	}
	return nil
}
