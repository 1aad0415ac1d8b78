package sqlite

import (
	"context"

	"aankomst/server/store"
)

// PutInvitation implements store.Members.
func (s *Store) PutInvitation(ctx context.Context, i store.Invitation) error {
	return s.write(ctx, func(tx tx) error {
		err := mustFind(tx, `SELECT 1 FROM members WHERE id = ? AND NOT removed
			UNION ALL SELECT 1 FROM tokens WHERE id = ? AND NOT revoked AND kind <> ?`, i.Member, i.Device, store.KindMachine)
		if err != nil {
			return err
		}
		if err := tx.exec(`DELETE FROM invitations WHERE member = ? OR device = ?`, i.Member, i.Device); err != nil {
			return err
		}
		err = tx.exec(`INSERT INTO invitations (hash, member, device, ends_at) VALUES (?, NULLIF(?, ''), NULLIF(?, ''), ?)`,
			i.Hash[:], i.Member, i.Device, quarterOf(i.EndsAt))
		if err != nil {
			return err
		}
		return note(tx, store.ActInvited(i))
	})
}

// GetInvitation implements store.Members.
func (s *Store) GetInvitation(ctx context.Context, hash [32]byte) (i store.Invitation, err error) {
	err = s.read(ctx, func(tx tx) error {
		return tx.row(`SELECT hash, coalesce(member, ''), coalesce(device, ''), ends_at FROM invitations WHERE hash = ?`, hash[:]).
			Scan((*bytes32)(&i.Hash), &i.Member, &i.Device, seconds{&i.EndsAt})
	})
	return i, err
}

// Enrol implements store.Members.
func (s *Store) Enrol(ctx context.Context, invitation [32]byte, p store.Passkey, session store.Session) error {
	if session.Member != p.Member {
		return store.ErrNotFound
	}
	return s.write(ctx, func(tx tx) error {
		if err := tx.mustChange(`DELETE FROM invitations WHERE hash = ? AND member = ?`, invitation[:], p.Member); err != nil {
			return err
		}
		if err := insertPasskey(tx, p); err != nil {
			return err
		}
		if err := insertSession(tx, session); err != nil {
			return err
		}
		return note(tx, store.ActPasskeyAdded(p))
	})
}

// EnrolDevice implements store.Members.
func (s *Store) EnrolDevice(ctx context.Context, invitation, hash [32]byte, expiresOn string) (t store.Token, err error) {
	err = s.write(ctx, func(tx tx) error {
		var device string
		err := tx.row(`DELETE FROM invitations WHERE hash = ? AND device IS NOT NULL RETURNING device`, invitation[:]).Scan(&device)
		if err != nil {
			return err
		}
		err = tx.mustChange(`UPDATE tokens SET kind = ?, hash = ?, expires_on = ? WHERE id = ?`, store.KindDevice, hash[:], expiresOn, device)
		if err != nil {
			return err
		}
		if t, err = tokenOf(tx, device); err != nil {
			return err
		}
		return note(tx, store.ActDeviceEnrolled(t))
	})
	if err != nil {
		return store.Token{}, err
	}
	return t, nil
}

// AddPasskey implements store.Members.
func (s *Store) AddPasskey(ctx context.Context, p store.Passkey) error {
	return s.write(ctx, func(tx tx) error {
		if err := mustBeMember(tx, p.Member); err != nil {
			return err
		}
		if err := insertPasskey(tx, p); err != nil {
			return err
		}
		return note(tx, store.ActPasskeyAdded(p))
	})
}

func insertPasskey(tx tx, p store.Passkey) error {
	return tx.exec(`INSERT INTO passkeys (id, member, name, public_key, count, backup_eligible, backed_up, transports, added_on, suspected)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.ID, p.Member, p.Name, p.PublicKey, p.Count, p.BackupEligible, p.BackedUp, list(p.Transports), p.AddedOn, p.Suspected)
}

// RemovePasskey implements store.Members.
func (s *Store) RemovePasskey(ctx context.Context, member string, id []byte, keep [32]byte) error {
	return s.write(ctx, func(tx tx) error {
		err := keepingAdministrators(tx, func() error {
			return tx.mustChange(`DELETE FROM passkeys WHERE id = ? AND member = ?`, id, member)
		})
		if err != nil {
			return err
		}
		if _, err := endSessions(tx, member, keep); err != nil {
			return err
		}
		return note(tx, store.ActPasskeyRemoved(member, id))
	})
}

// SuspectPasskey implements store.Members.
func (s *Store) SuspectPasskey(ctx context.Context, member string, id []byte) error {
	return s.write(ctx, func(tx tx) error {
		var before bool
		if err := tx.row(`SELECT suspected FROM passkeys WHERE id = ? AND member = ?`, id, member).Scan(&before); err != nil {
			return err
		}
		if _, err := endSessions(tx, member, [32]byte{}); err != nil || before {
			return err
		}
		if err := tx.exec(`UPDATE passkeys SET suspected = 1 WHERE id = ?`, id); err != nil {
			return err
		}
		return note(tx, store.ActPasskeySuspected(member, id))
	})
}

// usePasskey writes what an authenticator said, or gives store.ErrConflict when that is refused.
func usePasskey(tx tx, member string, use store.PasskeyUse) error {
	if len(use.ID) == 0 {
		return nil
	}
	used, err := tx.changed(`UPDATE passkeys SET count = ?1, backed_up = ?2
		WHERE id = ?3 AND member = ?4 AND NOT suspected AND (count < ?1 OR count = 0 AND ?1 = 0)`,
		use.Count, use.BackedUp, use.ID, member)
	if err == nil && used == 0 {
		return store.ErrConflict
	}
	return err
}

// ListPasskeys implements store.Members.
func (s *Store) ListPasskeys(ctx context.Context, member string) (passkeys []store.Passkey, err error) {
	err = s.read(ctx, func(tx tx) error {
		passkeys, err = listPasskeys(tx, member)
		return err
	})
	return passkeys, err
}

func listPasskeys(tx tx, member string) ([]store.Passkey, error) {
	return collect(tx, scanPasskey, `SELECT id, member, name, public_key, count, backup_eligible, backed_up, transports, added_on, suspected
		FROM passkeys WHERE member = ?1 OR ?1 = '' ORDER BY member, id`, member)
}

func scanPasskey(row scanner) (p store.Passkey, err error) {
	return p, row.Scan(&p.ID, &p.Member, &p.Name, &p.PublicKey, &p.Count, &p.BackupEligible, &p.BackedUp,
		(*list)(&p.Transports), &p.AddedOn, &p.Suspected)
}
