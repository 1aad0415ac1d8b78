package cohort

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"aankomst/refcode"
)

// secretsOf returns how the secrets of a key could look in a text.
func secretsOf(t *testing.T, key *Key) []string {
	t.Helper()
	private, err := key.secret().private.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	reversed := slices.Clone(private) // the way circl prints scalars
	slices.Reverse(reversed)
	var texts []string
	for _, secret := range [][]byte{private, reversed, key.secret().spent} {
		// A part is bad enough.
		for _, part := range [][]byte{secret[:12], secret[12:24]} {
			texts = append(texts,
				string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)),
				base64.StdEncoding.EncodeToString(part), base64.URLEncoding.EncodeToString(part),
				strings.Trim(fmt.Sprintf("%v", part), "[]"), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}"),
				strings.Trim(fmt.Sprintf("%q", part), `"`), strings.Trim(fmt.Sprintf("% x", part), "[]"))
		}
	}
	return texts
}

// tellsNothing fails when a text holds a secret of a key, whole or in part.
func tellsNothing(t *testing.T, key *Key, what, text string) {
	t.Helper()
	for _, secret := range secretsOf(t, key) {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows a secret: %s", what, text)
			return
		}
	}
}

func TestPrintingAKeyShowsNoSecret(t *testing.T) {
	t.Parallel()
	key := keyNamed(t, "key", 2026)
	ring := &Keyring{}
	load(t, ring, opened(key, refcode.Short, 1), key)
	for name, value := range map[string]any{
		"a pointer":         key,
		"a value":           *key,
		"a list":            []*Key{key},
		"values":            []Key{*key},
		"a map":             map[int]*Key{2026: key},
		"a field":           struct{ Key *Key }{key},
		"its value":         struct{ Key Key }{*key},
		"hidden":            struct{ key *Key }{key},
		"its value, hidden": struct{ key Key }{*key},
		"a key ring":        ring,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%t", "%p", "%10.3v", "%!"} {
			tellsNothing(t, key, name+" with "+verb, fmt.Sprintf(verb, value))
		}
		tellsNothing(t, key, name+" with Sprint", fmt.Sprint(value))
		tellsNothing(t, key, name+" in an error", fmt.Errorf("loading %v failed", value).Error())
		if encoded, err := json.Marshal(value); err == nil {
			tellsNothing(t, key, name+" as JSON", string(encoded))
		}
		var log bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(handler).Info("key", "key", value, slog.Group("group", "key", value))
		}
		if log.Len() == 0 {
			t.Error("nothing was logged")
		}
		tellsNothing(t, key, name+" in a log", log.String())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if got := fmt.Sprintf(verb, key); got != "[cohort key]" {
			t.Errorf("%s: %q", verb, got)
		}
	}
}

func TestKeysAreFresh(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 20 {
		key, err := GenerateKey(2026)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(key.secret().spent)], seen[string(key.public)] = true, true
		public := key.PublicKey()
		public[0] ^= 1
		if bytes.Equal(public, key.PublicKey()) {
			t.Error("the public key can be altered")
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d of 40 are different", len(seen))
	}
}
