package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// authenticator holds one passkey, with an elliptic-curve key, as the device of a member does.
type authenticator struct {
	t      *testing.T
	origin string
	key    *ecdsa.PrivateKey
	id     []byte
	handle string // the member's
	count  uint32
}

func newAuthenticator(t *testing.T, origin string) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return &authenticator{t: t, origin: origin, key: key, id: []byte(rand.Text()), count: 1}
}

// ID is the passkey's, as messages have it.
func (k *authenticator) ID() string { return base64.RawURLEncoding.EncodeToString(k.id) }

// What an authenticator says of itself and of who holds it.
const (
	userPresent, userVerified, attested = 0x01, 0x04, 0x40
)

func (k *authenticator) clientData(kind, challenge string) []byte {
	return k.json(map[string]any{"type": kind, "challenge": challenge, "origin": k.origin, "crossOrigin": false})
}

// data is the authenticator data of Web Authentication Level 3, section 6.1.
func (k *authenticator) data(flags byte, credential []byte) []byte {
	at, err := url.Parse(k.origin)
	must(k.t, err)
	party := sha256.Sum256([]byte(at.Hostname()))
	return slices.Concat(party[:], []byte{flags}, binary.BigEndian.AppendUint32(nil, k.count), credential)
}

// attest makes the passkey known, as options ask.
func (k *authenticator) attest(options string) (credential string) {
	k.t.Helper()
	var asked struct {
		Challenge string
		User      struct{ ID string }
	}
	must(k.t, json.Unmarshal([]byte(options), &asked))
	handle, err := base64.RawURLEncoding.DecodeString(asked.User.ID)
	must(k.t, err)
	k.handle = string(handle)
	point, err := k.key.PublicKey.Bytes() // 4, then x and y
	must(k.t, err)
	// In CBOR: a map of five, of an elliptic curve, ES256, P-256, and byte strings of 32.
	public := slices.Concat([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33], []byte{0x22, 0x58, 32}, point[33:])
	data := k.data(userPresent|userVerified|attested, slices.Concat(make([]byte, 16), binary.BigEndian.AppendUint16(nil, uint16(len(k.id))), k.id, public))
	object := slices.Concat([]byte{0xa3}, word("fmt"), word("none"), word("attStmt"), []byte{0xa0}, word("authData"), []byte{0x58, byte(len(data))}, data)
	return k.credential(map[string]any{
		"clientDataJSON": k.clientData("webauthn.create", asked.Challenge), "attestationObject": object, "transports": []string{"internal"},
	})
}

// word is a short text in CBOR.
func word(text string) []byte { return append([]byte{0x60 | byte(len(text))}, text...) }

// assert proves that the passkey is here, as options ask, and counts.
func (k *authenticator) assert(options string) (credential string) {
	k.t.Helper()
	var asked struct{ Challenge string }
	must(k.t, json.Unmarshal([]byte(options), &asked))
	k.count++
	data, client := k.data(userPresent|userVerified, nil), k.clientData("webauthn.get", asked.Challenge)
	clientSum := sha256.Sum256(client)
	digest := sha256.Sum256(slices.Concat(data, clientSum[:]))
	signature, err := ecdsa.SignASN1(rand.Reader, k.key, digest[:])
	must(k.t, err)
	return k.credential(map[string]any{
		"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": []byte(k.handle),
	})
}

// credential writes a public-key credential as JSON.
func (k *authenticator) credential(response map[string]any) string {
	for name, value := range response {
		if raw, isBytes := value.([]byte); isBytes {
			response[name] = base64.RawURLEncoding.EncodeToString(raw)
		}
	}
	return string(k.json(map[string]any{
		"id": k.ID(), "rawId": k.ID(), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	}))
}

func (k *authenticator) json(value any) []byte {
	content, err := json.Marshal(value)
	must(k.t, err)
	return content
}

// secretIn finds a secret in what came back.
var secretIn = regexp.MustCompile(`aankomst_(session|device)_[a-z2-7]{52}`)

// handed calls with a secret where that must work, over gRPC or else over REST, and returns the secret that is
// handed out.
func (a *api) handed(way, secret string, request proto.Message) string {
	a.t.Helper()
	if way == "rest" {
		got := a.rest(secret, request)
		got.worked(a.t)
		return secretIn.FindString(fmt.Sprint(got.header))
	}
	method := methodOf(a.t, request)
	var header metadata.MD
	must(a.t, a.Connection.Invoke(servertest.With(a.t.Context(), secret), fullMethod(method), request, newMessage(a.t, method.Output()), grpc.Header(&header)))
	return secretIn.FindString(fmt.Sprint(map[string][]string(header))) // as it is, it prints no secrets
}

// enrol uses an invitation from a browser that has a secret, and returns the passkey and the secret of the
// session that begins.
func (a *api) enrol(way, before, invitation string) (*authenticator, string) {
	a.t.Helper()
	key := newAuthenticator(a.t, a.Origin)
	asked := a.ok("", &aankomstv1.BeginEnrolmentRequest{Invitation: invitation}).response.(*aankomstv1.BeginEnrolmentResponse)
	return key, a.handed(way, before, &aankomstv1.FinishEnrolmentRequest{
		Invitation: invitation, Ceremony: asked.GetCeremony(), Credential: key.attest(asked.GetOptions()), Name: "a key",
	})
}

// invited makes a member, and returns its ID and the secret of its invitation.
func (a *api) invited(role store.Role) (member, invitation string) {
	a.t.Helper()
	invitation, made, _, err := access.CreateMember(context.Background(), a.Store, access.SeatRequest{Label: "a desk", Role: role, Centre: roles[role]}, a.Clock.Now())
	must(a.t, err)
	return made.ID, invitation
}

// seat makes a member, and returns its ID, its passkey and the secret of the session in which it was enrolled.
func (a *api) seat(role store.Role) (member string, key *authenticator, session string) {
	a.t.Helper()
	member, invitation := a.invited(role)
	key, session = a.enrol("grpc", "", invitation)
	return member, key, session
}

// finishing asks for a proof and returns the request that gives it.
func (a *api) finishing(key *authenticator) *aankomstv1.FinishSignInRequest {
	a.t.Helper()
	asked := a.ok("", new(aankomstv1.BeginSignInRequest)).response.(*aankomstv1.BeginSignInResponse)
	return &aankomstv1.FinishSignInRequest{Ceremony: asked.GetCeremony(), Credential: key.assert(asked.GetOptions())}
}

// signIn signs in with a passkey, and returns the secret of the session.
func (a *api) signIn(key *authenticator) string {
	a.t.Helper()
	return a.handed("grpc", "", a.finishing(key))
}
