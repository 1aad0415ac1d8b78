package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"
)

// signed signs claims as a provider does.
func signed(method jwt.SigningMethod, key any, id string, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, claims)
	if id != "" {
		token.Header["kid"] = id
	}
	text, err := token.SignedString(key)
	if err != nil {
		panic(err)
	}
	return text
}

func TestOnlyASignatureWithThePrivateKeyOfTheProviderCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sign    func(p *idp, id string, claims jwt.MapClaims) string
		accepts bool
	}{
		"RS256": {func(p *idp, id string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodRS256, p.Keypair.PrivateKey, id, claims)
		}, true},
		"PS256": {func(p *idp, id string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodPS256, p.Keypair.PrivateKey, id, claims)
		}, true},
		"an algorithm that was not agreed on": {func(p *idp, id string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodRS512, p.Keypair.PrivateKey, id, claims)
		}, false},
		"none": {func(_ *idp, id string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, id, claims)
		}, false},
		"none, spelt otherwise": {func(_ *idp, _ string, claims jwt.MapClaims) string {
			body, _ := json.Marshal(claims)
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"NONE"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
		}, false},
		"HS256 with the client secret": {func(p *idp, id string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodHS256, []byte(p.ClientSecret), id, claims)
		}, false},
		"HS256 with the public key": {func(p *idp, id string, claims jwt.MapClaims) string {
			public, _ := x509.MarshalPKIXPublicKey(p.Keypair.PublicKey)
			return signed(jwt.SigningMethodHS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), id, claims)
		}, false},
		"another key under the ID of the provider's": {func(_ *idp, id string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodRS256, otherKey(), id, claims)
		}, false},
		"another key under an ID of its own": {func(_ *idp, _ string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodRS256, otherKey(), "mine", claims)
		}, false},
		"another key under no ID": {func(_ *idp, _ string, claims jwt.MapClaims) string {
			return signed(jwt.SigningMethodRS256, otherKey(), "", claims)
		}, false},
		"of other claims": {func(p *idp, id string, claims jwt.MapClaims) string {
			parts := strings.Split(signed(jwt.SigningMethodRS256, p.Keypair.PrivateKey, id, claims), ".")
			claims["sub"] = "somebody else"
			parts[1] = strings.Split(signed(jwt.SigningMethodRS256, p.Keypair.PrivateKey, id, claims), ".")[1]
			return strings.Join(parts, ".")
		}, false},
		"none at all": {func(*idp, string, jwt.MapClaims) string { return "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			id, err := w.idp.Keypair.KeyID()
			if err != nil {
				t.Fatal(err)
			}
			w.idp.sign(func(claims jwt.MapClaims) string { return c.sign(w.idp, id, claims) })
			switch _, err := w.signIn(t, false); {
			case c.accepts && err != nil:
				t.Errorf("it is refused: %v", err)
			case !c.accepts && (err != ErrProof || len(w.members(t)) != 0):
				t.Errorf("%v, and there are %d members", err, len(w.members(t)))
			}
		})
	}
}

func TestKeysOnCurvesAreAcceptedToo(t *testing.T) {
	t.Parallel()
	onP256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, onEdwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := onP256.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	for _, c := range []struct {
		method jwt.SigningMethod
		key    crypto.PrivateKey
		public map[string]any
	}{
		{jwt.SigningMethodES256, onP256, map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}},
		{jwt.SigningMethodEdDSA, onEdwards, map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encode(public)}},
	} {
		w := withProvider(t)
		c.public["kid"] = "curve"
		w.idp.change(mockoidc.JWKSEndpoint, func(answer map[string]any) { answer["keys"] = append(answer["keys"].([]any), c.public) })
		w.idp.sign(func(claims jwt.MapClaims) string { return signed(c.method, c.key, "curve", claims) })
		if _, err := w.signIn(t, false); err != nil {
			t.Errorf("%s: %v", c.method.Alg(), err)
		}
	}
}

func TestAKeyThatTheProviderChangesIsFound(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	first := w.mustSignIn(t)
	old := w.idp.Keypair
	var err error
	if w.idp.Keypair, err = mockoidc.NewKeypair(otherKey()); err != nil {
		t.Fatal(err)
	}
	if second := w.mustSignIn(t); second.Member.ID != first.Member.ID {
		t.Error("it is somebody else now")
	}
	id, err := old.KeyID()
	if err != nil {
		t.Fatal(err)
	}
	w.idp.sign(func(claims jwt.MapClaims) string { return signed(jwt.SigningMethodRS256, old.PrivateKey, id, claims) })
	if _, err := w.signIn(t, false); err != ErrProof {
		t.Errorf("with the key that the provider gave up: %v", err)
	}
}

// otherKey is a key that the provider does not have.
var otherKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})
