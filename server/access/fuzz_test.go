package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"aankomst/server/store"
)

// quickStore keeps one member with an invitation and an authenticator's passkey, in memory: a store on a disk
// would leave no time for fuzzing. It keeps whom it would have let in; what else is asked of it panics.
type quickStore struct {
	store.Store
	member   store.Member
	passkeys []store.Passkey

	ceremonies map[[32]byte]store.Ceremony
	in         []string
	enrolled   []store.Passkey
}

const quickInvitation = "invitation"

func (s *quickStore) GetMember(_ context.Context, id string) (store.Member, error) {
	if id != s.member.ID {
		return store.Member{}, store.ErrNotFound
	}
	return s.member, nil
}

func (s *quickStore) ListPasskeys(context.Context, string) ([]store.Passkey, error) {
	return slices.Clone(s.passkeys), nil
}

func (s *quickStore) GetInvitation(_ context.Context, sum [32]byte) (store.Invitation, error) {
	if sum != hash(quickInvitation) {
		return store.Invitation{}, store.ErrNotFound
	}
	return store.Invitation{Hash: sum, Member: s.member.ID, EndsAt: now.AddDate(1000, 0, 0)}, nil
}

func (s *quickStore) BeginCeremony(_ context.Context, c store.Ceremony) error {
	s.ceremonies = map[[32]byte]store.Ceremony{c.Hash: c}
	return nil
}

func (s *quickStore) EndCeremony(_ context.Context, sum [32]byte) (store.Ceremony, error) {
	c, found := s.ceremonies[sum]
	delete(s.ceremonies, sum)
	if !found {
		return store.Ceremony{}, store.ErrNotFound
	}
	return c, nil
}

func (s *quickStore) StartSession(_ context.Context, session store.Session, _ store.PasskeyUse) error {
	s.in = append(s.in, session.Member)
	return nil
}

func (s *quickStore) Enrol(_ context.Context, _ [32]byte, passkey store.Passkey, _ store.Session) error {
	s.enrolled = append(s.enrolled, passkey)
	return nil
}

func (s *quickStore) Attempts(context.Context, store.AttemptKind, string, time.Time) (int, error) {
	return 0, nil
}

func (s *quickStore) CountAttempt(context.Context, store.AttemptKind, string, time.Time) (int, error) {
	return 1, nil
}

// quickWorld is a server over a quickStore.
func quickWorld(t testing.TB) (world, *quickStore, *authenticator) {
	t.Helper()
	kept := &quickStore{member: store.Member{ID: FirstMember, Label: "Desk", Role: store.RoleAdministrator, Revision: 1}}
	c := &clock{now: now}
	w := world{signInsWith(t, kept, SSOSettings{}, c.time), kept, c}
	a := newAuthenticator(t)
	if _, err := w.enrol(t, quickInvitation, a); err != nil {
		t.Fatal(err)
	}
	kept.passkeys, kept.enrolled = kept.enrolled, nil
	return w, kept, a
}

// challengeHere stands in fuzzed client data for the challenge of the ceremony at hand.
const challengeHere = "CHALLENGE"

// clientHere is the client data of a kind, as browsers write it.
func clientHere(kind string) string {
	return `{"type":"` + kind + `","challenge":"` + challengeHere + `","origin":"` + ssoOrigin + `","crossOrigin":false}`
}

// saidHere is fuzzed client data with the challenge that was asked.
func saidHere(t *testing.T, client string, asked Asked) []byte {
	t.Helper()
	var options struct{ Challenge string }
	if err := json.Unmarshal(asked.Options, &options); err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(client, challengeHere, options.Challenge))
}

// Nobody can sign a challenge who has not the key, so that nothing at all may be accepted.
func FuzzFinishSignIn(f *testing.F) {
	w, kept, who := quickWorld(f)
	party := sha256.Sum256([]byte("aankomst.example"))
	data := append(party[:], present|verified, 0, 0, 0, 9)
	client := clientHere("webauthn.get")
	f.Add("", client, data, []byte("signature"), who.id, []byte(FirstMember))
	f.Add("", client, data, []byte{0x30, 6, 2, 1, 1, 2, 1, 1}, who.id, []byte(FirstMember))
	f.Add("", client, append(bytes.Clone(data[:32]), present|verified|extended, 0, 0, 0, 9, 0xa0), []byte{0}, who.id, []byte(FirstMember))
	f.Add("", `{"crossOrigin":true,"tokenBinding":{}}`, data[:36], []byte{}, []byte{}, []byte{0xff})
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, "", []byte{}, []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, whole, client string, data, signature, id, handle []byte) {
		w.clock.move(time.Minute)
		asked, err := w.BeginSignIn(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		credential := whole
		if whole == "" {
			credential = said{id: id}.answer(t, saidHere(t, client, asked), map[string]any{
				"authenticatorData": written(data), "signature": written(signature), "userHandle": written(handle),
			})
		}
		started, err := w.finishSignIn(t, asked.Ceremony, credential)
		if err != ErrProof || len(kept.in) > 0 {
			t.Errorf("%q: %+v (%v)", credential, started, err)
		}
	})
}

// mayBeEnrolled says, without the library, what an answer must be at least that enrols a passkey.
func mayBeEnrolled(client string, data []byte) bool {
	var says struct {
		Type, Challenge, Origin string
		CrossOrigin             bool
	}
	party := sha256.Sum256([]byte("aankomst.example"))
	const flags = present | verified | attested
	return json.Unmarshal([]byte(client), &says) == nil && says.Type == "webauthn.create" && says.Challenge == challengeHere && !says.CrossOrigin &&
		strings.HasPrefix(strings.ToLower(says.Origin), "https://") && strings.Contains(strings.ToLower(says.Origin), "aankomst.example") &&
		len(data) > 55 && bytes.Equal(data[:32], party[:]) && data[32]&flags == flags
}

func FuzzFinishEnrolment(f *testing.F) {
	w, kept, _ := quickWorld(f)
	a := newAuthenticator(f)
	party := sha256.Sum256([]byte("aankomst.example"))
	data := append(party[:], present|verified|attested, 0, 0, 0, 9)
	data = append(append(append(append(data, make([]byte, 16)...), 0, 32), a.id...), kept.passkeys[0].PublicKey...)
	client, nothing := clientHere("webauthn.create"), []byte{0xa0}
	f.Add("", client, data, "none", nothing, a.id, "internal")
	f.Add("", clientHere("webauthn.get"), data, "none", nothing, a.id, "")
	f.Add("", client, data[:60], "none", nothing, a.id, "\x00")
	for _, format := range []string{"packed", "tpm", "android-key", "android-safetynet", "fido-u2f", "apple"} {
		f.Add("", client, data, format, []byte{0xa2, 0x63, 's', 'i', 'g', 0x40, 0x63, 'x', '5', 'c', 0x81, 0x40}, a.id, "usb")
	}
	f.Add("", client, data, "compound", []byte{0x81, 0xa0}, a.id, "usb")
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, "", []byte{}, "", nothing, []byte{}, "")
	f.Fuzz(func(t *testing.T, whole, client string, data []byte, format string, statement, id []byte, transport string) {
		w.clock.move(time.Minute)
		kept.enrolled = nil
		invited, err := w.BeginEnrolment(t.Context(), "", quickInvitation)
		if err != nil {
			t.Fatal(err)
		}
		credential := whole
		if whole == "" {
			object, err := webauthncbor.Marshal(map[string]any{"fmt": format, "attStmt": webauthncbor.RawMessage(statement), "authData": data})
			if err != nil {
				return // the statement is no CBOR
			}
			credential = said{id: id}.answer(t, saidHere(t, client, invited.Asked), map[string]any{
				"attestationObject": written(object), "transports": []string{transport},
			})
		}
		if _, err := w.finishEnrolment(t, "another", invited.Asked.Ceremony, credential); err != ErrInvitation {
			t.Errorf("without invitation: %v", err)
		}
		_, err = w.finishEnrolment(t, quickInvitation, invited.Asked.Ceremony, credential)
		switch {
		case err == nil && whole == "" && mayBeEnrolled(client, data):
			if len(kept.enrolled) != 1 || !bytes.Equal(kept.enrolled[0].ID, id) || len(id) == 0 || len(id) > 1023 {
				t.Errorf("%q enrolled %+v", credential, kept.enrolled)
			}
		case err != ErrProof || len(kept.enrolled) > 0:
			t.Errorf("%q enrolled %+v (%v)", credential, kept.enrolled, err)
		}
	})
}
