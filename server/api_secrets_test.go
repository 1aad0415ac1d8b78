package server_test

import (
	"go/ast"
	"go/parser"
	syntax "go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// secretNames are what the code calls what must not be guessed; comparing with the empty text asks whether there is
// one.
var secretNames = []string{
	"secret", "Secret", "Bearer", "invitation", "ceremony", "Ceremony", "credential", "code", "state", "State", "Nonce", "Verifier",
	"ClientSecret",
}

// comparers tell by the time they take, or by how far they come, how much is the same.
var comparers = []string{"EqualFold", "Compare", "HasPrefix", "HasSuffix", "Contains", "Equal", "Index"}

// comparedSecrets returns where a file compares a secret by something else than its hash or in constant time.
func comparedSecrets(t *testing.T, name string, source any) (places []string) {
	t.Helper()
	files := syntax.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	must(t, err)
	isSecret := func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.Ident:
			return slices.Contains(secretNames, e.Name)
		case *ast.SelectorExpr:
			return slices.Contains(secretNames, e.Sel.Name)
		}
		return false
	}
	isEmpty := func(e ast.Expr) bool {
		literal, is := e.(*ast.BasicLit)
		return is && literal.Value == `""`
	}
	ast.Inspect(file, func(n ast.Node) bool {
		found := false
		switch n := n.(type) {
		case *ast.BinaryExpr:
			compares := slices.Contains([]syntax.Token{syntax.EQL, syntax.NEQ, syntax.LSS, syntax.GTR, syntax.LEQ, syntax.GEQ}, n.Op)
			found = compares && (isSecret(n.X) || isSecret(n.Y)) && !isEmpty(n.X) && !isEmpty(n.Y)
		case *ast.CallExpr:
			called, is := n.Fun.(*ast.SelectorExpr)
			found = is && slices.Contains(comparers, called.Sel.Name) && slices.ContainsFunc(n.Args, isSecret)
		case *ast.IndexExpr:
			found = isSecret(n.Index)
		case *ast.SwitchStmt:
			found = n.Tag != nil && isSecret(n.Tag)
		}
		if found {
			places = append(places, files.Position(n.Pos()).String())
		}
		return true
	})
	return places
}

// Secrets are found by their hash, in the index of the store, or compared in constant time: nowhere else does how
// long it takes depend on how much of one was guessed.
func TestNoSecretIsComparedByItself(t *testing.T) {
	t.Parallel()
	constant := 0
	for _, folder := range []string{"access", "."} {
		must(t, fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != ".":
				return fs.SkipDir
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			case folder == "." && !slices.Contains([]string{"callers.go", "browsers.go", "seats.go", "signins.go", "members.go", "tokens.go", "interceptors.go"}, path):
				return nil
			}
			content, err := os.ReadFile(folder + "/" + path)
			must(t, err)
			constant += strings.Count(string(content), "subtle.ConstantTimeCompare(")
			for _, place := range comparedSecrets(t, path, content) {
				t.Errorf("a secret is compared at %s", place)
			}
			return nil
		}))
	}
	if constant == 0 {
		t.Error("nothing is compared in constant time, where single sign-on must be")
	}
	for body, want := range map[string]int{
		`_ = secret == "x"`: 1, `_ = "x" != c.Bearer`: 1, `_ = strings.EqualFold(state, way)`: 1, `_ = all[secret]`: 1,
		`switch invitation { case "x": }`: 1, `_ = bytes.Equal(x.Nonce, y)`: 1, `_ = secret < other`: 1,
		`_ = secret != ""`: 0, `_ = hash(secret)`: 0, `_ = found.Device == id`: 0,
	} {
		if got := comparedSecrets(t, "made.go", "package made\nfunc f() { "+body+" }"); len(got) != want {
			t.Errorf("%s: found %v, want %d", body, got, want)
		}
	}
}
