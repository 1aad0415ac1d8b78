package sqlite

import (
	"context"

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
	return tx.exec(`INSERT INTO members (id, label, role, centre, subject, removed, revision)
		VALUES (?, ?, ?, NULLIF(?, ''), NULLIF(?, zeroblob(32)), ?, ?)`,
		m.ID, m.Label, m.Role, m.Centre, m.Subject[:], m.Removed, m.Revision)
}

const selectMembers = `SELECT id, label, role, coalesce(centre, ''), subject, removed, revision FROM members`

func scanMember(row scanner) (m store.Member, err error) {
	return m, row.Scan(&m.ID, &m.Label, &m.Role, &m.Centre, (*bytes32)(&m.Subject), &m.Removed, &m.Revision)
}

func memberOf(tx tx, id string) (store.Member, error) {
	return scanMember(tx.row(selectMembers+` WHERE id = ?`, id))
}

// mustBeMember gives store.ErrNotFound unless there is a member who is not removed.
func mustBeMember(tx tx, id string) error {
	return mustFind(tx, `SELECT * FROM members WHERE id = ? AND NOT removed`, id)
}

// UpdateMember implements store.Members. It keeps every other write of this process waiting while
// change runs: change must not call the store.
func (s *Store) UpdateMember(ctx context.Context, id string, change func(*store.Member) error) (store.Member, error) {
	var updated store.Member
	var refused error
	err := s.write(ctx, func(tx tx) error {
		was, err := memberOf(tx, id)
		if err != nil {
			return err
		}
		if was.Removed {
			return store.ErrConflict
		}
		updated = was
		if refused = change(&updated); refused != nil {
			return refused
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
	})
	if refused != nil {
		return store.Member{}, refused
	}
	if err != nil {
		return store.Member{}, err
	}
	return updated, nil
}

// alterMember stores what a member is now, and ends what it could do and cannot any more.
func alterMember(tx tx, was, now store.Member) error {
	err := tx.exec(`UPDATE members SET label = ?, role = ?, centre = NULLIF(?, ''), removed = ?, revision = ? WHERE id = ?`,
		now.Label, now.Role, now.Centre, now.Removed, now.Revision, now.ID)
	if err == nil && (now.Role != was.Role || now.Centre != was.Centre || now.Removed) {
		_, err = endSessions(tx, now.ID, [32]byte{})
	}
	if err != nil || !now.Removed {
		return err
	}
	if err := tx.exec(`DELETE FROM passkeys WHERE member = ?`, now.ID); err != nil {
		return err
	}
	return tx.exec(`DELETE FROM invitations WHERE member = ?`, now.ID)
}

// keepingAdministrators gives store.ErrLastAdministrator when an administrator could sign in with a passkey
// before do and none can after it.
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
	return yes, tx.row(`SELECT EXISTS (SELECT * FROM members AS m JOIN passkeys AS p ON p.member = m.id
		WHERE m.role = ? AND NOT m.removed AND NOT p.suspected)`, store.RoleAdministrator).Scan(&yes)
}

// GetMember implements store.Members.
func (s *Store) GetMember(ctx context.Context, id string) (found store.Member, err error) {
	err = s.read(ctx, func(tx tx) error {
		found, err = memberOf(tx, id)
		return err
	})
	return found, err
}

// FindMember implements store.Members.
func (s *Store) FindMember(ctx context.Context, subject [32]byte) (found store.Member, err error) {
	err = s.read(ctx, func(tx tx) error {
		found, err = scanMember(tx.row(selectMembers+` WHERE subject = ?`, subject[:]))
		return err
	})
	return found, err
}

// ListMembers implements store.Members.
func (s *Store) ListMembers(ctx context.Context) (members []store.Member, err error) {
	err = s.read(ctx, func(tx tx) error {
		members, err = listMembers(tx)
		return err
	})
	return members, err
}

func listMembers(tx tx) ([]store.Member, error) {
	return collect(tx, scanMember, selectMembers+` ORDER BY id`)
}
