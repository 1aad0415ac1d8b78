package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"aankomst/server/store"
)

// CreateMember implements store.Members.
func (s *Store) CreateMember(ctx context.Context, m store.Member) error {
	m.Revision = 1
	return s.write(ctx, func(tx tx) error {
		if err := insertMember(tx, m); err != nil {
			return err
		}
		return note(tx, store.ActMemberCreated(m))
	})
}

func insertMember(tx tx, m store.Member) error {
	var subject []byte
	if m.BySSO() {
		subject = m.Subject[:]
	}
	return tx.exec(`INSERT INTO members (id, label, role, centre, subject, removed, revision)
		VALUES ($1, $2, $3, NULLIF($4, ''), $5, $6, $7)`,
		m.ID, m.Label, m.Role, m.Centre, subject, m.Removed, m.Revision)
}

// memberColumns are the columns of a member, as memberFields takes them; some members have no row.
const memberColumns = `m.id, m.label, m.role, m.centre, m.subject, coalesce(m.removed, false), coalesce(m.revision, 0)`

func memberFields(m *store.Member) []any {
	return []any{(*zeronull.Text)(&m.ID), (*zeronull.Text)(&m.Label), (*zeronull.Text)(&m.Role), (*zeronull.Text)(&m.Centre),
		(*bytes32)(&m.Subject), &m.Removed, &m.Revision}
}

const selectMembers = `SELECT ` + memberColumns + ` FROM members AS m`

func scanMember(row pgx.CollectableRow) (m store.Member, err error) {
	return m, row.Scan(memberFields(&m)...)
}

// mustBeMember gives store.ErrNotFound unless there is a member who is not removed.
func mustBeMember(tx tx, id string) error {
	return mustFind(tx, `SELECT FROM members WHERE id = $1 AND NOT removed`, id)
}

// UpdateMember implements store.Members. It keeps others from signing in, and from changing any member, while
// change runs, which may run again when the database is lost.
func (s *Store) UpdateMember(ctx context.Context, id string, change func(*store.Member) error) (updated store.Member, err error) {
	err = s.write(ctx, inTurn(func(tx tx) error {
		was, err := one(tx, scanMember, selectMembers+` WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if was.Removed {
			return store.ErrConflict
		}
		updated = was
		if err := change(&updated); err != nil {
			return failure{err}
		}
		updated.ID, updated.Subject, updated.Revision = was.ID, was.Subject, was.Revision
		if updated == was {
			return nil
		}
		updated.Revision++
		if err := keepingAdministrators(tx, func() error { return alterMember(tx, was, updated) }); err != nil {
			return err
		}
		return note(tx, store.ActMemberUpdated(was, updated))
	}))
	if err != nil {
		return store.Member{}, err
	}
	return updated, nil
}

// alterMember stores what a member is now, and ends what it could do and cannot any more.
func alterMember(tx tx, was, now store.Member) error {
	err := tx.exec(`UPDATE members SET label = $1, role = $2, centre = NULLIF($3, ''), removed = $4, revision = $5 WHERE id = $6`,
		now.Label, now.Role, now.Centre, now.Removed, now.Revision, now.ID)
	if err == nil && (now.Role != was.Role || now.Centre != was.Centre || now.Removed) {
		_, err = endSessions(tx, now.ID, [32]byte{})
	}
	if err != nil || !now.Removed {
		return err
	}
	if err := tx.exec(`DELETE FROM passkeys WHERE member = $1`, now.ID); err != nil {
		return err
	}
	return tx.exec(`DELETE FROM invitations WHERE member = $1`, now.ID)
}

// keepingAdministrators gives store.ErrLastAdministrator when an administrator could sign in with a passkey
// before do and none can after it. The lock of members keeps two from counting on each other.
func keepingAdministrators(tx tx, do func() error) error {
	before, err := administrated(tx)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := administrated(tx)
	if err == nil && before && !after {
		return store.ErrLastAdministrator
	}
	return err
}

// administrated reports whether an administrator can sign in with a passkey.
func administrated(tx tx) (yes bool, err error) {
	return yes, tx.row(`SELECT EXISTS (SELECT FROM members AS m JOIN passkeys AS p ON p.member = m.id
		WHERE m.role = $1 AND NOT m.removed AND NOT p.suspected)`, store.RoleAdministrator).Scan(&yes)
}

// GetMember implements store.Members.
func (s *Store) GetMember(ctx context.Context, id string) (found store.Member, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		found, err = one(tx, scanMember, selectMembers+` WHERE id = $1`, id)
		return err
	})
	return found, err
}

// FindMember implements store.Members.
func (s *Store) FindMember(ctx context.Context, subject [32]byte) (found store.Member, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		found, err = one(tx, scanMember, selectMembers+` WHERE subject = $1`, subject[:])
		return err
	})
	return found, err
}

// ListMembers implements store.Members.
func (s *Store) ListMembers(ctx context.Context) (members []store.Member, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		members, err = listMembers(tx)
		return err
	})
	return members, err
}

func listMembers(tx tx) ([]store.Member, error) {
	return collect(tx, scanMember, selectMembers+` ORDER BY id COLLATE "C"`)
}
