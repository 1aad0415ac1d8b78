package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// The flags of authenticator data.
const (
	present  = 1 << 0
	verified = 1 << 2
	eligible = 1 << 3
	backedUp = 1 << 4
	attested = 1 << 6
	extended = 1 << 7
)

// authenticator holds one passkey, with ES256 and no attestation, and proves with it, as Web Authentication
// Level 3 has it. The browser that it is plugged into speaks for it.
type authenticator struct {
	key        *ecdsa.PrivateKey
	id, handle []byte
	// count goes up by step with each use; zero is that of one that does not count.
	count, step uint32
	flags       byte
}

func newAuthenticator(t testing.TB) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &authenticator{key: key, id: id, step: 1, flags: present | verified}
}

// said is what a browser and an authenticator are about to say: tests change it.
type said struct {
	client     map[string]any // the client data
	party      string         // the RP ID
	flags      byte
	count      uint32
	id, handle []byte
	key        *ecdsa.PrivateKey // that signs
	cose       any               // the public key of a passkey that is made
	format     string            // of the attestation
	transports []string
	tail       []byte // that follows the authenticator data

	// sent changes the answer after it was signed: the credential, and its response.
	sent func(credential, response map[string]any)
}

// say begins what is said to what was asked.
func (a *authenticator) say(t testing.TB, asked Asked, kind string, changes []func(*said)) said {
	t.Helper()
	var options struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
	}
	if err := json.Unmarshal(asked.Options, &options); err != nil {
		t.Fatal(err)
	}
	if options.User.ID != "" {
		a.handle = unwritten(t, options.User.ID)
	}
	a.count += a.step
	x, y := a.key.X.FillBytes(make([]byte, 32)), a.key.Y.FillBytes(make([]byte, 32))
	s := said{
		client: map[string]any{"type": kind, "challenge": options.Challenge, "origin": ssoOrigin, "crossOrigin": false},
		party:  "aankomst.example", flags: a.flags, count: a.count, id: a.id, handle: a.handle, key: a.key,
		cose: map[int]any{1: 2, 3: -7, -1: 1, -2: x, -3: y}, format: "none", transports: []string{"internal", "hybrid"},
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

// data is the authenticator data.
func (s said) data(made []byte) []byte {
	party := sha256.Sum256([]byte(s.party))
	data := append(party[:], s.flags)
	data = binary.BigEndian.AppendUint32(data, s.count)
	return append(append(data, made...), s.tail...)
}

// answer is the JSON that goes to the server.
func (s said) answer(t testing.TB, client []byte, response map[string]any) string {
	t.Helper()
	response["clientDataJSON"] = written(client)
	credential := map[string]any{
		"id": written(s.id), "rawId": written(s.id), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{},
	}
	if s.sent != nil {
		s.sent(credential, response)
	}
	return string(marshal(t, credential))
}

// prove answers with a proof.
func (a *authenticator) prove(t testing.TB, asked Asked, changes ...func(*said)) string {
	t.Helper()
	s := a.say(t, asked, "webauthn.get", changes)
	client, data := marshal(t, s.client), s.data(nil)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(data), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return s.answer(t, client, map[string]any{
		"authenticatorData": written(data), "signature": written(signature), "userHandle": written(s.handle),
	})
}

// make answers with a passkey.
func (a *authenticator) make(t testing.TB, asked Asked, changes ...func(*said)) string {
	t.Helper()
	a.flags |= attested
	s := a.say(t, asked, "webauthn.create", changes)
	a.flags &^= attested
	key, err := webauthncbor.Marshal(s.cose)
	if err != nil {
		t.Fatal(err)
	}
	made := binary.BigEndian.AppendUint16(make([]byte, 16), uint16(len(s.id)))
	made = append(append(made, s.id...), key...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": s.format, "attStmt": map[string]any{}, "authData": s.data(made)})
	if err != nil {
		t.Fatal(err)
	}
	return s.answer(t, marshal(t, s.client), map[string]any{"attestationObject": written(object), "transports": s.transports})
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func written(value []byte) string { return base64.RawURLEncoding.EncodeToString(value) }

func unwritten(t testing.TB, value string) []byte {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}
