package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Acts keeps the record of administration: what was done to members, centres, pools, cohorts, policies,
// releases and statements, and by which seat. It is only appended to, and each act is chained to the one before.
//
// Methods that change any of these append what they did in their own transaction, in the name that As put
// into the context. Nothing of a conversation or an arrival is in it: Tally appends nothing, nor does what
// an intake worker says of the own centre's capacity.
type Acts interface {
	// Note appends an act that changes nothing else. Number, At, By, Previous are the store's.
	Note(ctx context.Context, act Act) error
	// ListActs returns at most so many acts with numbers above after, by number.
	ListActs(ctx context.Context, after, most int) ([]Act, error)
}

// actsAtOnce is how many acts EachAct reads at once.
const actsAtOnce = 1000

// EachAct does something with every act after one, by number. It ends with the first error, of the store or
// of what it does.
func EachAct(ctx context.Context, acts Acts, after int, do func(Act) error) error {
	for {
		page, err := acts.ListActs(ctx, after, actsAtOnce)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, act := range page {
			if err := do(act); err != nil {
				return err
			}
			after = act.Number
		}
	}
}

// Act is one thing that was done. It holds names that the organisation cannot change, IDs, and never a
// label: a label that turns out to be a person's name can be changed, and what is recorded cannot.
type Act struct {
	// Number starts at 1 and has no gaps.
	Number int
	// At is the quarter of an hour in which it was done: nothing finer is kept of anybody.
	At time.Time
	// By is who did it: see As.
	By string
	// Action is what was done, such as centre.create, and Target to what.
	Action, Target string
	// Detail is what else there is to say, as name=value, separated by spaces; often empty.
	Detail string
	// Previous is the SHA-256 of Line of the act before, zero for the first.
	Previous [32]byte
}

// Line returns the act as it is exported and chained: one line of JSON, without its end, with its members
// always in the same order. Previous of the next act is its SHA-256.
func (a Act) Line() []byte {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	// Strings and numbers always encode.
	_ = encoder.Encode(actLine{
		a.Number, a.At.UTC().Format(time.RFC3339), a.By, a.Action, a.Target, a.Detail, hex.EncodeToString(a.Previous[:]),
	})
	return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
}

// actLine is an act in JSON.
type actLine struct {
	Number   int    `json:"number"`
	At       string `json:"at"`
	By       string `json:"by"`
	Action   string `json:"action"`
	Target   string `json:"target"`
	Detail   string `json:"detail"`
	Previous string `json:"previous"`
}

// ParseAct reads a line of Line. It refuses any other spelling of the same act.
func ParseAct(line []byte) (Act, error) {
	var read actLine
	if err := json.Unmarshal(line, &read); err != nil {
		return Act{}, fmt.Errorf("not an act: %w", err)
	}
	at, err := time.Parse(time.RFC3339, read.At)
	if err != nil {
		return Act{}, fmt.Errorf("not an act: %w", err)
	}
	previous, err := hex.DecodeString(read.Previous)
	if err != nil || len(previous) != sha256.Size {
		return Act{}, fmt.Errorf("not an act: the digest of the one before is not 64 hexadecimal digits")
	}
	act := Act{
		Number: read.Number, At: at, By: read.By, Action: read.Action, Target: read.Target, Detail: read.Detail,
		Previous: [32]byte(previous),
	}
	if !bytes.Equal(act.Line(), line) {
		return Act{}, fmt.Errorf("not an act: it is not spelt as it was exported")
	}
	return act, nil
}

// Digest returns the SHA-256 of Line.
func (a Act) Digest() [32]byte { return sha256.Sum256(a.Line()) }

// After returns the act as it is appended after the last one, which is zero when there is none, in the name
// and at the time that As put into the context.
func (a Act) After(ctx context.Context, last Act) Act {
	a.By, a.At = actor(ctx)
	a.Number, a.Previous = last.Number+1, [32]byte{}
	if last.Number > 0 {
		a.Previous = last.Digest()
	}
	return a
}

type actorKey struct{}

type actorOf struct {
	by string
	at time.Time
}

// The names of who acts without a seat.
const (
	// ByServer is the server itself.
	ByServer = "server"
	// ByMachine is whoever can run commands on the machine.
	ByMachine = "machine"
)

// BySeat and ByToken name who acts by a session and by a token.
func BySeat(member string) string { return "seat:" + member }

// ByToken names who acts by a token.
func ByToken(id string) string { return "token:" + id }

// As returns a context in which what is done is recorded in a name: one of BySeat, ByToken, ByMachine,
// ByServer. Without it, it is recorded in the name of the server, at the machine's time.
//
// It comes with the context since every call has one: a handler cannot forget to hand it on.
func As(ctx context.Context, by string, at time.Time) context.Context {
	return context.WithValue(ctx, actorKey{}, actorOf{by, at})
}

// actor returns in whose name something is done, and in which quarter of an hour.
func actor(ctx context.Context) (by string, at time.Time) {
	found, ok := ctx.Value(actorKey{}).(actorOf)
	if !ok {
		found = actorOf{ByServer, time.Now()}
	}
	return found.by, found.at.UTC().Truncate(15 * time.Minute)
}

// IsActing reports whether what is done in a context is recorded in a name.
func IsActing(ctx context.Context, by string) bool {
	name, _ := actor(ctx)
	return name == by
}

// The acts of the methods that change what is recorded about. A backend appends what they return; one
// without an Action is not appended.

// ActCentreCreated is that of CreateCentre.
func ActCentreCreated(c Centre) Act {
	return Act{Action: "centre.create", Target: c.ID, Detail: details("type", string(c.Type))}
}

// ActCentreUpdated is that of UpdateCentre; none when nothing or only capacity changed.
func ActCentreUpdated(was, now Centre) Act {
	var changed []string
	for name, differ := range map[string]bool{
		"name": was.Name != now.Name, "type": was.Type != now.Type, "region": was.Region != now.Region,
		"town": was.Town != now.Town, "phone": was.Phone != now.Phone, "email": was.Email != now.Email,
		"website": was.Website != now.Website, "languages": !slices.Equal(was.Languages, now.Languages),
	} {
		if differ {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	act := Act{Action: "centre.update", Target: now.ID, Detail: details("fields", strings.Join(changed, ","))}
	switch {
	case was.Archived != now.Archived && now.Archived:
		act.Action = "centre.archive"
	case was.Archived != now.Archived:
		act.Action = "centre.restore"
	case len(changed) == 0:
		return Act{}
	}
	return act
}

// ActCohortOpened is that of CreateCohort.
func ActCohortOpened(c Cohort) Act {
	return Act{Action: "cohort.open", Target: fmt.Sprint(c.Year), Detail: details("pools", fmt.Sprint(len(c.Pools)), "recipients", fmt.Sprint(len(c.EscrowRecipients)))}
}

// ActCohortAdvanced is that of AdvanceCohort.
func ActCohortAdvanced(year int, to Stage) Act {
	return Act{Action: "cohort.close", Target: fmt.Sprint(year), Detail: details("stage", string(to))}
}

// ActPoolJoined is that of AddToPool.
func ActPoolJoined(year int, pool uint32, centre string) Act {
	return Act{Action: "pool.add", Target: fmt.Sprintf("%d/%d", year, pool), Detail: details("centre", centre)}
}

// ActReleasePublished is that of AppendRelease.
func ActReleasePublished(r Release) Act {
	return Act{Action: "release.publish", Target: fmt.Sprint(r.Number), Detail: details("cohort", fmt.Sprint(r.Year), "cut_off", r.CutOff)}
}

// ActStatementPut is that of PutStatements, for each.
func ActStatementPut(s Statement) Act { return Act{Action: "statement.put", Target: s.ID} }

// ActStatementRemoved is that of RemoveStatement.
func ActStatementRemoved(id string) Act { return Act{Action: "statement.remove", Target: id} }

// ActTokenCreated is that of CreateToken.
func ActTokenCreated(t Token) Act {
	action := "token.create"
	if t.Kind != KindMachine {
		action = "device.create"
	}
	return Act{Action: action, Target: t.ID, Detail: details("role", string(t.Role), "centre", t.Centre, "until", t.ExpiresOn)}
}

// ActTokenRotated is that of RotateToken.
func ActTokenRotated(id string, replacement Token, until string) Act {
	return Act{Action: "token.rotate", Target: id, Detail: details("replacement", replacement.ID, "until", until)}
}

// ActTokenRevoked is that of RevokeToken.
func ActTokenRevoked(t Token) Act {
	action := "token.revoke"
	if t.Kind != KindMachine {
		action = "device.revoke"
	}
	return Act{Action: action, Target: t.ID}
}

// ActMemberCreated is that of CreateMember.
func ActMemberCreated(m Member) Act {
	return Act{Action: "member.create", Target: m.ID, Detail: details("role", string(m.Role), "centre", m.Centre)}
}

// ActMemberUpdated is that of UpdateMember.
func ActMemberUpdated(was, now Member) Act {
	var changed []string
	if was.Label != now.Label {
		changed = append(changed, "fields", "label")
	}
	if was.Role != now.Role || was.Centre != now.Centre {
		changed = append(changed, "role", string(now.Role), "centre", now.Centre)
	}
	action := "member.update"
	if now.Removed {
		action = "member.remove"
	}
	return Act{Action: action, Target: now.ID, Detail: details(changed...)}
}

// ActInvited is that of PutInvitation.
func ActInvited(i Invitation) Act {
	if i.Device != "" {
		return Act{Action: "device.invite", Target: i.Device}
	}
	return Act{Action: "member.invite", Target: i.Member}
}

// ActDeviceEnrolled is that of EnrolDevice.
func ActDeviceEnrolled(t Token) Act {
	return Act{Action: "device.enrol", Target: t.ID, Detail: details("centre", t.Centre, "until", t.ExpiresOn)}
}

// ActPasskeyAdded is that of Enrol and AddPasskey. A passkey is named by the first 8 bytes of the SHA-256
// of its ID.
func ActPasskeyAdded(p Passkey) Act {
	return Act{Action: "passkey.add", Target: p.Member, Detail: details("passkey", passkeyName(p.ID))}
}

// ActPasskeyRemoved is that of RemovePasskey.
func ActPasskeyRemoved(member string, id []byte) Act {
	return Act{Action: "passkey.remove", Target: member, Detail: details("passkey", passkeyName(id))}
}

// ActPasskeySuspected is that of SuspectPasskey.
func ActPasskeySuspected(member string, id []byte) Act {
	return Act{Action: "passkey.suspect", Target: member, Detail: details("passkey", passkeyName(id))}
}

// ActSignedOut is that of EndSessions; none when the member did it: people come and go, and that is not
// recorded.
func ActSignedOut(ctx context.Context, member string) Act {
	if IsActing(ctx, BySeat(member)) {
		return Act{}
	}
	return Act{Action: "member.sign_out", Target: member}
}

func passkeyName(id []byte) string {
	sum := sha256.Sum256(id)
	return hex.EncodeToString(sum[:8])
}

// details writes names and values, passing over values that are empty.
func details(pairs ...string) string {
	var all []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, pairs[i]+"="+pairs[i+1])
		}
	}
	return strings.Join(all, " ")
}
