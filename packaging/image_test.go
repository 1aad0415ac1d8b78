package packaging_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// What the image sets is a setting, or no container would start; and it starts the server.
func TestTheImageRunsTheServerWithSettingsThatExist(t *testing.T) {
	t.Parallel()
	file := read(t, "Containerfile")
	known := settings(t)
	set := found(`(AANKOMST_[A-Z_]+)=`, file)
	if len(set) == 0 {
		t.Error("the image sets nothing")
	}
	for _, name := range found(`(AANKOMST_[A-Z_]+)`, file) {
		if !slices.Contains(known, name) {
			t.Errorf("the image names %s, which is no setting", name)
		}
	}
	for _, line := range []string{`ENTRYPOINT ["/usr/bin/aankomst"]`, `CMD ["serve"]`, "USER 65532:65532"} {
		if !strings.Contains(file, line+"\n") {
			t.Errorf("the image does not say %s", line)
		}
	}
}

// An engine that only writes down what it is asked stands in for the real one.
func TestTheImageIsMadeOfTheBinaryAndAnEmptyFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	context := filepath.Join(folder, "context")
	write(t, filepath.Join(folder, "podman"), strings.Join([]string{
		"#!/bin/sh",
		`[ "$1" = build ] || exit 0`,
		`echo "$@"`,
		`for last; do :; done`,
		`cp -a "$last" ` + context,
	}, "\n"), 0o700)
	build := command("../tools/image.sh", binary)
	build.Env = append(build.Env, "VERSION=1.2.3+later", "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	asked := output(t, build)
	for _, want := range []string{
		"build --build-context build=/", " --platform linux/" + runtime.GOARCH + " ",
		" --file packaging/Containerfile ", " --tag aankomst:1.2.3-later ",
	} {
		if !strings.Contains(asked, want) {
			t.Errorf("asked of the engine is %q, without %q", asked, want)
		}
	}

	for name, mode := range map[string]fs.FileMode{
		"image/usr/bin/aankomst":                           0o755,
		"image/usr/share/doc/aankomst/licences/go/LICENSE": 0o644,
		"image/var/lib/aankomst":                           fs.ModeDir | 0o700,
	} {
		info, err := os.Stat(filepath.Join(context, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s is not there with mode %v: %v", name, mode, err)
		}
	}
	for _, copied := range found(`COPY --from=build (?:--chown=\S+ )?/(\S+) `, read(t, "Containerfile")) {
		if _, err := os.Stat(filepath.Join(context, copied)); err != nil {
			t.Errorf("the image copies what is not there: %v", err)
		}
	}
}
