package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// binary is aankomst as a package holds it, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "packaging-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		binary = filepath.Join(folder, "aankomst")
		build := command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, "./cmd/aankomst")
		build.Dir = ".."
		if out, err := build.CombinedOutput(); err != nil {
			panic("aankomst cannot be built: " + err.Error() + "\n" + string(out))
		}
		return m.Run()
	}())
}

// command returns a command that knows nothing of settings, nor of a git that happens to run the tests.
func command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "AANKOMST_") || strings.HasPrefix(entry, "GIT_") ||
			strings.HasPrefix(entry, "VERSION=") || strings.HasPrefix(entry, "SOURCE_DATE_EPOCH=")
	})
	return c
}

// output runs a command and returns what it prints.
func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var errOut bytes.Buffer
	c.Stderr = &errOut
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(c.Args, " "), err, out, errOut.String())
	}
	return string(out)
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// found returns what the first group of a pattern matches in a text, sorted and each once.
func found(pattern, text string) []string {
	var names []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// settings returns the environment variables that the server knows.
func settings(t *testing.T) []string {
	t.Helper()
	return found(`\$(AANKOMST_[A-Z_]+)`, output(t, command(binary, "serve", "--help")))
}
