package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// PutInvitation implements store.Members.
func (s *Store) PutInvitation(ctx context.Context, i store.Invitation) error {
	return s.write(ctx, inTurn(func(tx tx) error {
		err := mustFind(tx, `SELECT 1 FROM members WHERE id = $1 AND NOT removed
			UNION ALL SELECT 1 FROM tokens WHERE id = $2 AND NOT revoked AND kind <> $3`, i.Member, i.Device, store.KindMachine)
		if err != nil {
			return err
		}
		if err := tx.exec(`DELETE FROM invitations WHERE member = $1 OR device = $2`, i.Member, i.Device); err != nil {
			return err
		}
		err = tx.exec(`INSERT INTO invitations (hash, member, device, ends_at) VALUES ($1, NULLIF($2, ''), NULLIF($3, ''), $4)`,
			i.Hash[:], i.Member, i.Device, quarterOf(i.EndsAt))
		if err != nil {
			return err
		}
		return note(tx, store.ActInvited(i))
	}))
}

// GetInvitation implements store.Members.
func (s *Store) GetInvitation(ctx context.Context, hash [32]byte) (found store.Invitation, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		found, err = one(tx, scanInvitation, `SELECT hash, coalesce(member, ''), coalesce(device, ''), ends_at
			FROM invitations WHERE hash = $1`, hash[:])
		return err
	})
	return found, err
}

func scanInvitation(row pgx.CollectableRow) (i store.Invitation, err error) {
	return i, row.Scan((*bytes32)(&i.Hash), &i.Member, &i.Device, seconds{&i.EndsAt})
}

// Enrol implements store.Members.
func (s *Store) Enrol(ctx context.Context, invitation [32]byte, p store.Passkey, session store.Session) error {
	if session.Member != p.Member {
		return store.ErrNotFound
	}
	return s.write(ctx, inTurn(func(tx tx) error {
		if err := tx.mustChange(`DELETE FROM invitations WHERE hash = $1 AND member = $2`, invitation[:], p.Member); err != nil {
			return err
		}
		if err := insertPasskey(tx, p); err != nil {
			return err
		}
		if err := insertSession(tx, session); err != nil {
			return err
		}
		return note(tx, store.ActPasskeyAdded(p))
	}))
}

// EnrolDevice implements store.Members.
func (s *Store) EnrolDevice(ctx context.Context, invitation, hash [32]byte, expiresOn string) (enrolled store.Token, err error) {
	err = s.write(ctx, inTurn(func(tx tx) error {
		var device string
		err := tx.row(`DELETE FROM invitations WHERE hash = $1 AND device IS NOT NULL RETURNING device`, invitation[:]).Scan(&device)
		if err != nil {
			return err
		}
		// A program of the version before leaves the invitation of what it revokes.
		enrolled, err = one(tx, scanToken, `UPDATE tokens AS t SET kind = $1, hash = $2, expires_on = $3 WHERE id = $4 AND NOT revoked
			RETURNING `+tokenColumns, store.KindDevice, hash[:], expiresOn, device)
		if err != nil {
			return err
		}
		return note(tx, store.ActDeviceEnrolled(enrolled))
	}))
	if err != nil {
		return store.Token{}, err
	}
	return enrolled, nil
}

// AddPasskey implements store.Members.
func (s *Store) AddPasskey(ctx context.Context, p store.Passkey) error {
	return s.write(ctx, inTurn(func(tx tx) error {
		if err := mustBeMember(tx, p.Member); err != nil {
			return err
		}
		if err := insertPasskey(tx, p); err != nil {
			return err
		}
		return note(tx, store.ActPasskeyAdded(p))
	}))
}

func insertPasskey(tx tx, p store.Passkey) error {
	return tx.exec(`INSERT INTO passkeys (id, member, name, public_key, count, backup_eligible, backed_up, transports, added_on, suspected)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		p.ID, p.Member, p.Name, list(p.PublicKey), p.Count, p.BackupEligible, p.BackedUp, list(p.Transports), p.AddedOn, p.Suspected)
}

// RemovePasskey implements store.Members.
func (s *Store) RemovePasskey(ctx context.Context, member string, id []byte, keep [32]byte) error {
	return s.write(ctx, inTurn(func(tx tx) error {
		err := keepingAdministrators(tx, func() error {
			return tx.mustChange(`DELETE FROM passkeys WHERE id = $1 AND member = $2`, id, member)
		})
		if err != nil {
			return err
		}
		if _, err := endSessions(tx, member, keep); err != nil {
			return err
		}
		return note(tx, store.ActPasskeyRemoved(member, id))
	}))
}

// SuspectPasskey implements store.Members.
func (s *Store) SuspectPasskey(ctx context.Context, member string, id []byte) error {
	return s.repeat(ctx, inTurn(func(tx tx) error {
		var before bool
		if err := tx.row(`SELECT suspected FROM passkeys WHERE id = $1 AND member = $2`, id, member).Scan(&before); err != nil {
			return err
		}
		if _, err := endSessions(tx, member, [32]byte{}); err != nil || before {
			return err
		}
		if err := tx.exec(`UPDATE passkeys SET suspected = true WHERE id = $1`, id); err != nil {
			return err
		}
		return note(tx, store.ActPasskeySuspected(member, id))
	}))
}

// usePasskey writes what an authenticator said, or gives store.ErrConflict when that is refused.
func usePasskey(tx tx, member string, use store.PasskeyUse) error {
	if len(use.ID) == 0 {
		return nil
	}
	used, err := tx.changed(`UPDATE passkeys SET count = $1, backed_up = $2
		WHERE id = $3 AND member = $4 AND NOT suspected AND (count < $1 OR count = 0 AND $1 = 0)`,
		use.Count, use.BackedUp, use.ID, member)
	if err == nil && used == 0 {
		return store.ErrConflict
	}
	return err
}

// ListPasskeys implements store.Members.
func (s *Store) ListPasskeys(ctx context.Context, member string) (passkeys []store.Passkey, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		passkeys, err = listPasskeys(tx, member)
		return err
	})
	return passkeys, err
}

func listPasskeys(tx tx, member string) ([]store.Passkey, error) {
	return collect(tx, scanPasskey, `SELECT id, member, name, public_key, count, backup_eligible, backed_up, transports, added_on, suspected
		FROM passkeys WHERE member = $1 OR $1 = '' ORDER BY member COLLATE "C", id`, member)
}

func scanPasskey(row pgx.CollectableRow) (p store.Passkey, err error) {
	return p, row.Scan(&p.ID, &p.Member, &p.Name, &p.PublicKey, &p.Count, &p.BackupEligible, &p.BackedUp,
		&p.Transports, &p.AddedOn, &p.Suspected)
}
