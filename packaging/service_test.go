// Package packaging_test holds that what is installed fits the program that is installed with it.
package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The server refuses a variable that is no setting, so one that was renamed would keep it from starting; and a
// setting that is not in the file is not found.
func TestTheSettingsFileNamesEverySettingOfTheServerAndNothingElse(t *testing.T) {
	t.Parallel()
	want := settings(t)
	if len(want) < 5 {
		t.Fatalf("the help of serve names %v", want)
	}
	if got := found(`(?m)^#?(AANKOMST_[A-Z_]+)=.`, read(t, "aankomst.env")); !slices.Equal(got, want) {
		t.Errorf("aankomst.env names %v; the server knows %v", got, want)
	}
}

// Every other line is a comment: a word without # would be taken for a setting by nobody, and passed over.
func TestTheSettingsFileIsReadAsItLooks(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`^(#.*|[A-Z_]+=[^\s"'#\\]+)?$`)
	for i, text := range strings.Split(read(t, "aankomst.env"), "\n") {
		if !line.MatchString(text) {
			t.Errorf("aankomst.env, line %d: %s", i+1, text)
		}
	}
}

func TestTheServiceRunsTheServerThatIsInstalledWithIt(t *testing.T) {
	t.Parallel()
	unit := map[string]string{}
	for _, line := range strings.Split(read(t, "aankomst.service"), "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			unit[key] = value
		}
	}
	path, args, _ := strings.Cut(unit["ExecStart"], " ")
	if path != "/usr/bin/aankomst" || unit["ExecPaths"] != path {
		t.Errorf("ExecStart runs %q and ExecPaths allows %q", path, unit["ExecPaths"])
	}
	help := output(t, command(binary, append(strings.Fields(args), "--help")...))
	if !strings.Contains(help, "Run the server") {
		t.Errorf("aankomst %s does not run the server:\n%s", args, help)
	}
	for key, want := range map[string]string{
		"EnvironmentFile": "/etc/aankomst/aankomst.env",
		"User":            "aankomst", "Group": "aankomst",
		// Data and keys are for the service alone, and the keys in its memory reach no disk.
		"StateDirectory": "aankomst", "StateDirectoryMode": "0700", "UMask": "0077",
		"LimitCORE": "0", "MemorySwapMax": "0", "ProtectSystem": "strict", "CapabilityBoundingSet": "",
	} {
		if got, set := unit[key]; !set || got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// systemd reads the settings for the service, and a few lines of shell read them for the administrator: both
// must open the same store.
func TestTheAdministratorsToolReadsTheSettingsAsSystemdDoes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "aankomst.env")
	write(t, file, strings.Join([]string{
		"# AANKOMST_KEYS=/commented/out",
		"#AANKOMST_GRPC=127.0.0.1:1",
		"; AANKOMST_HTTP=127.0.0.1:1",
		"",
		"AANKOMST_DATA=/a/folder  ",
		"  AANKOMST_CONFIG='/with a space/and # $HOME'",
		`AANKOMST_TLS_CERT="/in/double quotes"`,
		"AANKOMST_TLS_KEY=postgres://a:p$$w`d@[::1]/b?c=d&e=f=g",
		"PGPASSWORD=secret",
		"AANKOMST_JSON=without a line end",
	}, "\n"), 0o600)
	tool := filepath.Join(folder, "aankomst-admin")
	installed := read(t, "aankomst-admin")
	moved := strings.Replace(installed, "settings=/etc/aankomst/aankomst.env", "settings="+file, 1)
	if moved == installed {
		t.Fatal("aankomst-admin does not read /etc/aankomst/aankomst.env")
	}
	write(t, tool, moved, 0o700)
	// Whoever runs the tests is root here, and becomes nobody else: what would be run is said instead.
	write(t, filepath.Join(folder, "id"), "#!/bin/sh\necho 0\n", 0o700)
	write(t, filepath.Join(folder, "setpriv"), "#!/bin/sh\numask\necho \"$@\"\nenv | grep -E '^(AANKOMST_|PG)' | LC_ALL=C sort\n", 0o700)

	run := command(tool, "token", "create", "INTAKE")
	run.Env = append(run.Env, "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	want := strings.Join([]string{
		"0077",
		"--reuid aankomst --regid aankomst --init-groups /usr/bin/aankomst token create INTAKE",
		"AANKOMST_CONFIG=/with a space/and # $HOME",
		"AANKOMST_DATA=/a/folder",
		"AANKOMST_JSON=without a line end",
		"AANKOMST_TLS_CERT=/in/double quotes",
		"AANKOMST_TLS_KEY=postgres://a:p$$w`d@[::1]/b?c=d&e=f=g",
		"PGPASSWORD=secret",
		"",
	}, "\n")
	if got := output(t, run); got != want {
		t.Errorf("aankomst-admin runs\n%s\nwant\n%s", got, want)
	}
}

// Run by anyone else, it would say that files cannot be read, or make ones that the service cannot read.
func TestTheAdministratorsToolIsForRoot(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "id"), "#!/bin/sh\necho 1000\n", 0o700)
	run := command("./aankomst-admin", "token", "list")
	run.Env = append(run.Env, "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := run.CombinedOutput()
	if run.ProcessState.ExitCode() != 5 || !strings.Contains(string(out), "only root") {
		t.Errorf("%v: %s", err, out)
	}
}
