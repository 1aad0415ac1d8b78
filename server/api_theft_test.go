package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// dumpOf reads every value of every table of the store, whichever it is.
func dumpOf(t *testing.T, options servertest.Options) (values []value) {
	t.Helper()
	if options.Postgres == "" {
		return dump(t, options.Folder)
	}
	conn, err := pgx.Connect(t.Context(), options.Postgres)
	must(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`)
	must(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	for _, table := range tables {
		rows, err := conn.Query(t.Context(), `SELECT * FROM `+pgx.Identifier{table}.Sanitize())
		must(t, err)
		for row := 0; rows.Next(); row++ {
			cells, err := rows.Values()
			must(t, err)
			for i, cell := range cells {
				values = append(values, value{table, rows.FieldDescriptions()[i].Name, row, cell})
			}
		}
		must(t, rows.Err())
	}
	return values
}

// spellings are all ways in which somebody could take a stored value for a secret, or for part of one.
func spellings(stored any) []string {
	raw, isBytes := stored.([]byte)
	if !isBytes {
		raw = []byte(fmt.Sprint(stored))
	}
	lower := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
	sum := sha256.Sum256(raw)
	all := []string{
		hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), lower,
		hex.EncodeToString(sum[:]),
	}
	if printable := !slices.ContainsFunc(raw, func(b byte) bool { return b > unicode.MaxASCII || !unicode.IsPrint(rune(b)) }); printable {
		all = append(all, string(raw))
		lower = string(raw)
	}
	for _, prefix := range []string{"", "session_", "device_", "invitation_", "ceremony_"} {
		all = append(all, "aankomst_"+prefix+lower)
	}
	return all
}

// places are where a secret lets somebody in, and what that must be answered by one who is let in nowhere.
var places = map[string]func(a *api, secret string) answer{
	"a session": func(a *api, secret string) answer { return a.withMetadata(whoCalls, "aankomst-session", secret) },
	"a device":  func(a *api, secret string) answer { return a.withMetadata(whoCalls, "aankomst-device", secret) },
	"a token":   func(a *api, secret string) answer { return a.withMetadata(whoCalls, "authorization", "Bearer "+secret) },
	"an invitation": func(a *api, secret string) answer {
		return a.grpc("", &aankomstv1.BeginEnrolmentRequest{Invitation: secret})
	},
	"an invitation of a device": func(a *api, secret string) answer {
		return a.grpc("", &aankomstv1.EnrolDeviceRequest{Invitation: secret})
	},
}

func (a *api) withMetadata(request proto.Message, pairs ...string) answer {
	return a.invoke(metadata.AppendToOutgoingContext(context.Background(), pairs...), request)
}

// letsNobodyIn tries a value in every place.
func (a *api) letsNobodyIn(t *testing.T, what, secret string) {
	t.Helper()
	for place, come := range places {
		if got := come(a, secret); got.code != codes.Unauthenticated && got.code != codes.ResourceExhausted && got.reason != "INVITATION_NOT_ACCEPTED" {
			t.Errorf("%s, as %s: %v", what, place, got)
		}
	}
}

// everybody makes one of everything that lets somebody in, and returns the secrets by what they are. They
// have been used, but for the invitations, which are not used up.
func (a *api) everybody() map[string]string {
	a.t.Helper()
	ctx := context.Background()
	member, key, session := a.seat(store.RoleAdministrator)
	a.signIn(key)
	_, forMember := a.invited(store.RoleAdministrator)
	forDevice, _, _, err := access.InviteDevice(ctx, a.Store, "a desk", servertest.PoolOne[0], a.Clock.Now())
	must(a.t, err)
	all := map[string]string{
		"a session": session, "a device": a.Device(servertest.PoolOne[0]), "a token": a.Token(store.RoleAdministrator, ""),
		"an invitation": forMember, "an invitation of a device": forDevice,
	}
	a.ok(session, new(aankomstv1.BeginProofRequest))
	a.ok("", new(aankomstv1.BeginSignInRequest))
	a.ok("", &aankomstv1.BeginEnrolmentRequest{Invitation: forMember})
	a.grpc(session, &aankomstv1.GetMemberRequest{Id: member}).worked(a.t)
	return all
}

// Whoever has a copy of the store, with every key of it, comes in with nothing that is there.
func TestNothingThatIsStoredLetsAnybodyIn(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		secrets := a.everybody()
		tried := map[string]bool{}
		for _, v := range dumpOf(t, options) {
			for _, spelling := range spellings(v.value) {
				if tried[spelling] || spelling == "" {
					continue
				}
				tried[spelling] = true
				a.letsNobodyIn(t, v.table+"."+v.column+" as "+spelling, spelling)
				for what, secret := range secrets {
					if strings.Contains(spelling, strings.TrimPrefix(secret, "aankomst_")) {
						t.Errorf("%s.%s holds %s", v.table, v.column, what)
					}
				}
			}
		}
		for _, table := range []string{"sessions.hash", "tokens.hash", "invitations.hash", "ceremonies.hash", "passkeys.public_key"} {
			name, column, _ := strings.Cut(table, ".")
			if !slices.ContainsFunc(dumpOf(t, options), func(v value) bool { return v.table == name && v.column == column }) {
				t.Errorf("nothing was in %s to be tried", table)
			}
		}
		// What was looked for in each place is there: the secrets themselves.
		a.Clock.Advance(time.Minute)
		for _, place := range slices.Sorted(maps.Keys(places)) {
			if got := places[place](a, secrets[place]); got.code != codes.OK {
				t.Errorf("%s itself: %v", place, got)
			}
		}
	})
}

// Nothing is accepted that the server did not draw, nor what it drew for one place in another.
func TestASecretIsGoodInItsOwnPlaceOnly(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		secrets := a.everybody()
		ceremony := a.ok("", new(aankomstv1.BeginSignInRequest)).response.(*aankomstv1.BeginSignInResponse).GetCeremony()
		a.letsNobodyIn(t, "a ceremony", ceremony)
		for what, secret := range secrets {
			sum := sha256.Sum256([]byte(secret))
			for how, changed := range map[string]string{
				"cut short": secret[:len(secret)-1], "longer": secret + "a", "in capitals": strings.ToUpper(secret),
				"without its beginning": secret[strings.LastIndex(secret, "_")+1:], "hashed": hex.EncodeToString(sum[:]),
				"hashed, as a session": "aankomst_session_" + hex.EncodeToString(sum[:]), "in quotes": `"` + secret + `"`,
				"with another after it": secret + "," + secret, "with a zero of text": secret + "%00",
			} {
				a.letsNobodyIn(t, what+" "+how, changed)
			}
			for place, come := range places {
				ofOneKind := strings.HasPrefix(what, "an invitation") && place == "an invitation"
				if got := come(a, secret); place != what && !ofOneKind && got.code == codes.OK {
					t.Errorf("%s is accepted as %s", what, place)
				}
			}
		}
	})
}
