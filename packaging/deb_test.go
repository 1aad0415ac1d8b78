package packaging_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// deb builds a package with what is set in the environment and returns its path.
func deb(t *testing.T, program string, environment ...string) string {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Fatal("these tests need dpkg-deb: apt-get install dpkg")
	}
	folder := t.TempDir()
	build := command("../tools/deb.sh", program, folder)
	build.Env = append(build.Env, environment...)
	output(t, build)
	made, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(made) != 1 {
		t.Fatalf("tools/deb.sh made %v: %v", made, err)
	}
	return made[0]
}

// files lists an archive that dpkg-deb prints: mode, owner and path.
func files(t *testing.T, what, path string) []string {
	t.Helper()
	archive := tar.NewReader(strings.NewReader(output(t, command("dpkg-deb", what, path))))
	var list []string
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %s:%s %s", header.FileInfo().Mode(), header.Uname, header.Gname, header.Name))
	}
}

func TestThePackage(t *testing.T) {
	t.Parallel()
	path := deb(t, binary, "VERSION=1.2.3", "SOURCE_DATE_EPOCH=1767225600")
	if got, want := filepath.Base(path), "aankomst_1.2.3_"+runtime.GOARCH+".deb"; got != want {
		t.Errorf("the package is called %s, want %s", got, want)
	}

	// Documents and licences come and go; everything else is listed.
	document := regexp.MustCompile(`^(-rw-r--r--|drwxr-xr-x) root:root \./usr/share/doc/aankomst/(README\.md|(docs|licences)/.*)$`)
	listed := files(t, "--fsys-tarfile", path)
	var documents []string
	installed := slices.DeleteFunc(slices.Clone(listed), func(file string) bool {
		if document.MatchString(file) {
			documents = append(documents, file)
			return true
		}
		return false
	})
	want := []string{
		"drwxr-xr-x root:root ./",
		"drwxr-xr-x root:root ./etc/",
		"drwxr-xr-x root:root ./etc/aankomst/",
		"-rw-r----- root:root ./etc/aankomst/aankomst.env",
		"drwxr-xr-x root:root ./usr/",
		"drwxr-xr-x root:root ./usr/bin/",
		"-rwxr-xr-x root:root ./usr/bin/aankomst",
		"drwxr-xr-x root:root ./usr/lib/",
		"drwxr-xr-x root:root ./usr/lib/systemd/",
		"drwxr-xr-x root:root ./usr/lib/systemd/system/",
		"-rw-r--r-- root:root ./usr/lib/systemd/system/aankomst.service",
		"drwxr-xr-x root:root ./usr/sbin/",
		"-rwxr-xr-x root:root ./usr/sbin/aankomst-admin",
		"drwxr-xr-x root:root ./usr/share/",
		"drwxr-xr-x root:root ./usr/share/doc/",
		"drwxr-xr-x root:root ./usr/share/doc/aankomst/",
		"-rw-r--r-- root:root ./usr/share/doc/aankomst/changelog.gz",
		"-rw-r--r-- root:root ./usr/share/doc/aankomst/copyright",
		"drwxr-xr-x root:root ./usr/share/man/",
		"drwxr-xr-x root:root ./usr/share/man/man1/",
		"-rw-r--r-- root:root ./usr/share/man/man1/aankomst.1.gz",
		"drwxr-xr-x root:root ./usr/share/man/man8/",
		"Lrwxrwxrwx root:root ./usr/share/man/man8/aankomst-admin.8.gz",
	}
	if !slices.Equal(installed, want) {
		t.Errorf("installed:\n%s\nwant:\n%s", strings.Join(installed, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range []string{"README.md", "docs/protocol.md", "licences/go/LICENSE", "licences/github.com/cloudflare/circl/LICENSE"} {
		if !slices.Contains(documents, "-rw-r--r-- root:root ./usr/share/doc/aankomst/"+name) {
			t.Errorf("%s is not in the package", name)
		}
	}

	if got := output(t, command("dpkg-deb", "--field", path, "Version", "Architecture", "Depends")); got !=
		"Version: 1.2.3\nArchitecture: "+runtime.GOARCH+"\nDepends: adduser\n" {
		t.Errorf("the package says of itself:\n%s", got)
	}
	// What an administrator has changed is asked about, never overwritten.
	if got := output(t, command("dpkg-deb", "--info", path, "conffiles")); got != "/etc/aankomst/aankomst.env\n" {
		t.Errorf("the files that belong to the administrator are %q", got)
	}
	control := files(t, "--ctrl-tarfile", path)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if !slices.Contains(control, "-rwxr-xr-x root:root ./"+script) {
			t.Errorf("%s is not a script of the package: %v", script, control)
		}
	}
}

// A package that says when and where it was built cannot be checked by building it again.
func TestTheSameBinaryMakesTheSamePackage(t *testing.T) {
	t.Parallel()
	tagged := release(t, "v1.2.0-rc.1")
	elsewhere := filepath.Join(t.TempDir(), "copied")
	write(t, elsewhere, read(t, tagged), 0o700)
	first, second := deb(t, tagged), deb(t, elsewhere, "TZ=Asia/Tokyo")
	if read(t, first) != read(t, second) {
		t.Error("two packages of one binary differ")
	}
}

// A release candidate is older than the release for Debian too, and the package bears the date of its commit.
func TestThePackageHasTheVersionOfItsBinary(t *testing.T) {
	t.Parallel()
	path := deb(t, release(t, "v1.2.0-rc.1"))
	if got, want := filepath.Base(path), "aankomst_1.2.0~rc.1_"+runtime.GOARCH+".deb"; got != want {
		t.Errorf("the package is called %s, want %s", got, want)
	}
	if listed := output(t, command("dpkg-deb", "--contents", path)); strings.Contains(listed, " 2026-") || !strings.Contains(listed, " 2020-02-02 ") {
		t.Errorf("not everything bears the commit's date:\n%s", listed)
	}
}

func TestABinaryWithoutAVersionMakesNoPackage(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "dist")
	out, err := command("../tools/deb.sh", binary, folder).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "set VERSION and SOURCE_DATE_EPOCH") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Error("something was made all the same")
	}
}

// Keys, counts and the user who owns them outlive the package: only a person decides to destroy them.
func TestNoScriptOfThePackageRemovesAnything(t *testing.T) {
	t.Parallel()
	removes := regexp.MustCompile(`\b(rm|rmdir|unlink|shred|find|deluser|userdel|delgroup|groupdel)\b`)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		for _, line := range strings.Split(read(t, filepath.Join("debian", script)), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") && removes.MatchString(line) {
				t.Errorf("%s: %s", script, line)
			}
		}
	}
}

// release builds a small program that calls itself aankomst, from a repository with one tagged commit.
func release(t *testing.T, tag string) string {
	t.Helper()
	source := t.TempDir()
	write(t, filepath.Join(source, "go.mod"), "module aankomst\n\ngo 1.24\n", 0o600)
	write(t, filepath.Join(source, "main.go"), "package main\n\nfunc main() {}\n", 0o600)
	identity := []string{"-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"commit", "--quiet", "-m", "all"}, {"tag", tag}} {
		git := command("git", append(slices.Clone(identity), args...)...)
		git.Dir = source
		git.Env = append(git.Env, "GIT_COMMITTER_DATE=2020-02-02T12:00:00Z")
		output(t, git)
	}
	program := filepath.Join(t.TempDir(), "aankomst")
	build := command("go", "build", "-buildvcs=true", "-o", program, ".")
	build.Dir = source
	output(t, build)
	return program
}
