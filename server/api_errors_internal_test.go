package server

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/gather"
	"aankomst/server/ledger"
	"aankomst/server/release"
	"aankomst/server/release/export"
	"aankomst/server/store"
)

// mapped is what an error becomes on the wire. told says that the operator learns of it.
type mapped struct {
	err    error
	code   codes.Code
	reason string
	told   bool
}

var internal = func(err error) mapped { return mapped{err, codes.Internal, "INTERNAL", true} }

// mapping holds every error that the packages below the server export, by package and name.
var mapping = map[string]mapped{
	"refcode.ErrElement": {refcode.ErrElement, codes.InvalidArgument, "ELEMENT_INVALID", false},
	// These come from calls that the server does not make, or from a store that was tampered with.
	"refcode.ErrPool":      internal(refcode.ErrPool),
	"refcode.ErrProof":     internal(refcode.ErrProof),
	"refcode.ErrDirectory": internal(refcode.ErrDirectory),

	"access.ErrNobody":       {access.ErrNobody, codes.Unauthenticated, "NOT_SIGNED_IN", false},
	"access.ErrUnknownToken": {access.ErrUnknownToken, codes.Unauthenticated, "TOKEN_UNKNOWN", false},
	"access.ErrRevoked":      {access.ErrRevoked, codes.Unauthenticated, "TOKEN_REVOKED", false},
	"access.ErrExpired":      {access.ErrExpired, codes.Unauthenticated, "TOKEN_EXPIRED", false},
	"access.ErrSignedOut":    {access.ErrSignedOut, codes.Unauthenticated, "SIGNED_OUT", false},
	"access.ErrProof":        {access.ErrProof, codes.Unauthenticated, "PROOF_NOT_ACCEPTED", false},
	"access.ErrSuspected":    {access.ErrSuspected, codes.Unauthenticated, "PASSKEY_SUSPECTED", false},
	"access.ErrInvitation":   {access.ErrInvitation, codes.NotFound, "INVITATION_NOT_ACCEPTED", false},
	"access.ErrRequest":      {access.ErrRequest, codes.InvalidArgument, "REQUEST_REFUSED", false},
	"access.ErrNoSeat":       {access.ErrNoSeat, codes.PermissionDenied, "SSO_NO_SEAT", false},
	"access.ErrProvider":     {access.ErrProvider, codes.Unavailable, "SSO_UNAVAILABLE", true},
	// These are of settings, which no method takes.
	"access.ErrLimits": internal(access.ErrLimits),
	"access.ErrOrigin": internal(access.ErrOrigin),
	"access.ErrSSO":    internal(access.ErrSSO),

	"cohort.ErrNotLoaded":   {cohort.ErrNotLoaded, codes.Unavailable, "KEY_NOT_LOADED", false},
	"cohort.ErrNoPool":      {cohort.ErrNoPool, codes.NotFound, "POOL_NOT_FOUND", false},
	"cohort.ErrPlan":        {cohort.ErrPlan, codes.InvalidArgument, "PLAN_REFUSED", false},
	"cohort.ErrRecipient":   {cohort.ErrRecipient, codes.InvalidArgument, "PLAN_REFUSED", false},
	"cohort.ErrTooSoon":     {cohort.ErrTooSoon, codes.FailedPrecondition, "TOO_SOON", false},
	"cohort.ErrStated":      {cohort.ErrStated, codes.FailedPrecondition, "YEAR_STATED", false},
	"cohort.ErrNoKey":       {cohort.ErrNoKey, codes.Unavailable, "KEY_UNAVAILABLE", true},
	"cohort.ErrKeyMismatch": {cohort.ErrKeyMismatch, codes.Unavailable, "KEY_UNAVAILABLE", true},
	"cohort.ErrKeyFolder":   {cohort.ErrKeyFolder, codes.Unavailable, "KEY_UNAVAILABLE", true},

	"gather.ErrStopped": {gather.ErrStopped, codes.Unavailable, "STORE_UNAVAILABLE", true},
	"gather.ErrBusy":    {gather.ErrBusy, codes.Unavailable, "STORE_UNAVAILABLE", true},
	"ledger.ErrStopped": {ledger.ErrStopped, codes.Unavailable, "STORE_UNAVAILABLE", true},
	"ledger.ErrBusy":    {ledger.ErrBusy, codes.Unavailable, "STORE_UNAVAILABLE", true},

	// A stored document that cannot be read is damage.
	"release.ErrDocument": internal(release.ErrDocument),
	"release.ErrChain":    internal(release.ErrChain),
	"release.ErrPolicy":   internal(release.ErrPolicy),
	"release.ErrSource":   internal(release.ErrSource),
	"export.ErrLanguage":  internal(export.ErrLanguage),
	"release.ErrNoFinal":  {release.ErrNoFinal, codes.FailedPrecondition, "NO_FINAL_RELEASE", false},
	"release.ErrAudit":    {release.ErrAudit, codes.FailedPrecondition, "RELEASE_WITHHELD", false},

	"store.ErrNotFound": {store.ErrNotFound, codes.NotFound, "NOT_FOUND", false},
	"store.ErrExists":   {store.ErrExists, codes.AlreadyExists, "ALREADY_EXISTS", false},
	// No method verifies what was exported.
	"store.ErrActs":              internal(store.ErrActs),
	"store.ErrConflict":          {store.ErrConflict, codes.Aborted, "CHANGED_MEANWHILE", false},
	"store.ErrUncertain":         {store.ErrUncertain, codes.Unavailable, "STORE_UNAVAILABLE", true},
	"store.ErrUnavailable":       {store.ErrUnavailable, codes.Unavailable, "STORE_UNAVAILABLE", true},
	"store.ErrSchema":            internal(store.ErrSchema),
	"store.ErrLastAdministrator": {store.ErrLastAdministrator, codes.FailedPrecondition, "LAST_ADMINISTRATOR", false},
}

// others are errors that are no variables of those packages.
var others = map[string]mapped{
	"a malformed code":    {&refcode.DecodeError{Fault: refcode.FaultCheck, Positions: []int{2, 3}}, codes.InvalidArgument, "CODE_MALFORMED", false},
	"too many attempts":   {&access.LimitError{RetryAfter: time.Second}, codes.ResourceExhausted, "TOO_MANY_WRONG_CODES", false},
	"a caller gone":       {context.Canceled, codes.Canceled, "CANCELLED", false},
	"a call too long":     {context.DeadlineExceeded, codes.DeadlineExceeded, "TIMEOUT", false},
	"a problem":           {errNotAccepted, codes.NotFound, "CODE_NOT_ACCEPTED", false},
	"a fault":             internal(errInternal),
	"a status":            {errTooLarge.status().Err(), codes.ResourceExhausted, "REQUEST_TOO_LARGE", false},
	"a status of grpc":    internal(status.Error(codes.DataLoss, marker)),
	"grpc: unimplemented": {status.Error(codes.Unimplemented, marker), codes.Unimplemented, "NO_SUCH_METHOD", false},
	"grpc: not found":     {status.Error(codes.NotFound, marker), codes.NotFound, "NOT_FOUND", false},
	"of a file":           internal(&fs.PathError{Op: "open", Path: marker, Err: fs.ErrPermission}),
	"of nobody":           internal(errors.New(marker)),
}

// marker stands for a cause, which must not cross.
const marker = "a-cause-that-stays-here"

// The table must have every error that is exported below the server, so that a new one is thought about.
func TestAPIErrorTableIsComplete(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, folder := range []string{"../refcode", "access", "cohort", "gather", "ledger", "release", "release/export", "store", "calendar"} {
		eachFile(t, folder, func(file *ast.File) {
			for _, name := range exportedErrors(file) {
				declared[filepath.Base(folder)+"."+name] = true
			}
		})
	}
	if got, want := slices.Sorted(maps.Keys(mapping)), slices.Sorted(maps.Keys(declared)); !slices.Equal(got, want) {
		t.Errorf("the table has\n%v\nand the packages export\n%v", got, want)
	}
}

func exportedErrors(file *ast.File) []string {
	var names []string
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if strings.HasPrefix(name.Name, "Err") {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// eachFile parses the files of a folder that are no tests.
func eachFile(t *testing.T, folder string, look func(*ast.File)) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			look(file)
		}
	}
}

func TestAPIErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	all := maps.Clone(mapping)
	maps.Copy(all, others)
	for name, want := range all {
		for how, err := range map[string]error{
			"plain":         want.err,
			"wrapped":       fmt.Errorf("%s: %w", marker, want.err),
			"wrapped twice": fmt.Errorf("outer: %w", fmt.Errorf("%s: %w", marker, want.err)),
			"joined":        errors.Join(errors.New(marker), want.err),
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s, told := toStatus(err)
				if s.Code() != want.code || reasonOf(s) != want.reason {
					t.Errorf("%s %s, want %s %s", s.Code(), reasonOf(s), want.code, want.reason)
				}
				if told != want.told {
					t.Errorf("the operator is told: %t, want %t", told, want.told)
				}
				// What an administrator has to read to put a plan right is made for the eye; all else stays.
				speaks := slices.Contains([]string{"PLAN_REFUSED", "TOO_SOON", "YEAR_STATED", "REQUEST_REFUSED", "SSO_NO_SEAT"}, want.reason)
				if !speaks && strings.Contains(s.Proto().String(), marker) {
					t.Errorf("the cause crosses: %v", s)
				}
				if want.code == codes.Internal && s.Message() != errInternal.message {
					t.Errorf("an internal error says %q", s.Message())
				}
				if (want.code == codes.Unavailable || want.code == codes.ResourceExhausted) &&
					want.reason != "KEY_UNAVAILABLE" && want.reason != "REQUEST_TOO_LARGE" && retryAfter(s) == 0 {
					t.Error("it does not say when to try again")
				}
			})
		}
	}
	if s, told := toStatus(nil); s.Code() != codes.OK || told {
		t.Errorf("no error becomes %v", s)
	}
}

func reasonOf(s *status.Status) string {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "aankomst" {
			return info.GetReason()
		}
	}
	return ""
}

// reasons are those that clients may branch on: changing one breaks them.
var reasons = []string{
	"ALREADY_EXISTS", "CANCELLED", "CENTRE_ARCHIVED", "CHANGED_MEANWHILE", "CODE_MALFORMED", "CODE_NOT_ACCEPTED",
	"COHORT_AHEAD", "COHORT_CLOSED", "COHORT_MATURING", "COHORT_NOT_FOUND", "CROSS_ORIGIN", "CUT_OFF_NOT_FROZEN",
	"DEVICE_NOT_ALLOWED", "ELEMENT_INVALID", "FIELD_INVALID", "HEADERS_TOO_LARGE", "INTERNAL",
	"INVITATION_NOT_ACCEPTED", "KEY_NOT_LOADED", "KEY_UNAVAILABLE", "LAST_ADMINISTRATOR", "MALFORMED_REQUEST",
	"NOT_FOUND", "NOT_SIGNED_IN", "NO_FINAL_RELEASE", "NO_SUCH_METHOD", "NO_SUCH_PATH", "OTHER_CENTRE",
	"PASSKEY_SUSPECTED", "PLAN_REFUSED", "POOL_NOT_FOUND", "PROOF_NOT_ACCEPTED", "PROOF_NOT_FRESH", "RELEASE_EXISTS",
	"RELEASE_TOO_SOON", "RELEASE_WITHHELD", "REQUEST_REFUSED", "REQUEST_TOO_LARGE", "ROLE_NOT_ALLOWED",
	"SEAT_NEEDED", "SIGNED_OUT", "SSO_NO_SEAT", "SSO_UNAVAILABLE", "STORE_UNAVAILABLE", "TIMEOUT", "TOKEN_EXPIRED",
	"TOKEN_REVOKED", "TOKEN_UNKNOWN", "TOO_MANY_ATTEMPTS", "TOO_MANY_WRONG_CODES", "TOO_SOON", "YEAR_COUNTED",
	"YEAR_STATED",
}

// Whoever writes a client looks reasons up in the docs.
func TestAPIReasonsAreInTheDocs(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range reasons {
		if !strings.Contains(string(docs), "`"+reason+"`") {
			t.Errorf("docs/api.md does not explain %s", reason)
		}
	}
}

func TestAPIReasonsAreThese(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	add := func(name string, value ast.Expr) {
		literal, ok := value.(*ast.BasicLit)
		if !ok || name != "reason" {
			return
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Error(err)
		}
		found[text] = true
	}
	eachFile(t, ".", func(file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.KeyValueExpr:
				if key, ok := node.Key.(*ast.Ident); ok {
					add(key.Name, node.Value)
				}
			case *ast.AssignStmt:
				for i, left := range node.Lhs {
					if field, ok := left.(*ast.SelectorExpr); ok && len(node.Rhs) == len(node.Lhs) {
						add(field.Sel.Name, node.Rhs[i])
					}
				}
			}
			return true
		})
	})
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, reasons) {
		t.Errorf("the source has the reasons\n%v\nand this test knows\n%v", got, reasons)
	}
	for _, reason := range reasons {
		if !regexp.MustCompile(`^[A-Z][A-Z_]*[A-Z]$`).MatchString(reason) {
			t.Errorf("%q is no reason", reason)
		}
	}
}

// The details say the same as the error, in a form that a client can use.
func TestAPIErrorDetails(t *testing.T) {
	t.Parallel()
	s, _ := toStatus(&refcode.DecodeError{Fault: refcode.FaultAlphabet, Positions: []int{3, 14}, Symbols: 16})
	var info *errdetails.ErrorInfo
	var bad *errdetails.BadRequest
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.BadRequest:
			bad = detail
		}
	}
	if info.GetMetadata()["positions"] != "3,14" || info.GetMetadata()["fault"] != "ALPHABET" {
		t.Errorf("%v", info)
	}
	if violations := bad.GetFieldViolations(); len(violations) != 1 || violations[0].GetField() != "code" {
		t.Errorf("%v", bad)
	}
	s, _ = toStatus(&access.LimitError{RetryAfter: 1500 * time.Millisecond})
	if retryAfter(s) != 1500*time.Millisecond || retryAfter(errNotAccepted.status()) != 0 {
		t.Errorf("%v", s)
	}
}
