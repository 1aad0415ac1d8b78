package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
)

// playedDemo is a demonstration that runs in this process.
type playedDemo struct {
	out, err servertest.Buffer
	stop     context.CancelFunc
	// ended is closed when it is over; result is what it returned then.
	ended  chan struct{}
	result error
}

func playDemo(t *testing.T, args ...string) *playedDemo {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	d := &playedDemo{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		d.result = run(ctx, append([]string{"demo", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"}, args...), strings.NewReader(""), &d.out, &d.err)
	}()
	t.Cleanup(func() {
		stop()
		<-d.ended
	})
	return d
}

// says waits until the demonstration has printed a text to a buffer.
func (d *playedDemo) says(t *testing.T, buffer *servertest.Buffer, text string) {
	t.Helper()
	for !strings.Contains(buffer.String(), text) {
		select {
		case <-d.ended:
			t.Fatalf("it ended (%v) and said:\n%s%s", d.result, d.out.String(), d.err.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end stops the demonstration, which must end without an error.
func (d *playedDemo) end(t *testing.T) {
	t.Helper()
	d.stop()
	<-d.ended
	if d.result != nil {
		t.Errorf("it ended with %v", d.result)
	}
}

// Whoever runs the demo pastes what it prints.
//
// It is not for running beside other tests: a process that one of them starts has, for a moment, whatever
// this one has open, the lock of its store included.
func TestDemoPrintsLinesThatWork(t *testing.T) {
	d := playDemo(t)
	d.says(t, &d.out, "Ctrl-C ends it.")
	printed := d.out.String()

	folder := regexp.MustCompile(`also as files in (.+)\)`).FindStringSubmatch(printed)[1]
	for _, who := range []string{"counsellor", "cgg-de-oever", "coordinator", "administrator"} {
		path := filepath.Join(folder, who)
		content, err := os.ReadFile(path)
		noError(t, err)
		if token := strings.TrimSpace(string(content)); !strings.Contains(printed, " "+token) {
			t.Errorf("the token in the file of %s is not the one that is printed", who)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v (%v)", who, info.Mode(), err)
		}
	}

	var issues, curls [][]string
	for line := range strings.Lines(printed) {
		switch words := shellWords(line); {
		case strings.Contains(line, " issue "):
			issues = append(issues, words)
		case strings.HasPrefix(line, "  curl "):
			curls = append(curls, words)
		}
	}
	if len(issues) != 1 || len(curls) != 3 {
		t.Fatalf("found %d lines to issue and %d for curl in:\n%s", len(issues), len(curls), printed)
	}
	code, err := refcode.Decode(paste(t, issues[0]))
	if err != nil {
		t.Fatalf("issue printed no code: %v", err)
	}
	confirm := strings.Join(curls[0], "\x00")
	if !strings.Contains(confirm, "THE CODE") {
		t.Fatalf("there is no place for the code in %q", curls[0])
	}
	confirm = strings.ReplaceAll(confirm, "THE CODE", code.Text())
	if answer := curl(t, strings.Split(confirm, "\x00")); !strings.Contains(answer, `"CONFIRMED"`) {
		t.Errorf("the code was answered with %s", answer)
	}
	if answer := curl(t, curls[1]); !strings.Contains(answer, `"cohort":2020`) {
		t.Errorf("the release is %s", answer)
	}
	if answer := curl(t, curls[2]); !strings.HasPrefix(answer, "release,cohort,status,") {
		t.Errorf("the CSV is %s", answer)
	}

	for who, role := range map[string]string{
		"counsellor": "COUNSELLOR", "intake": "INTAKE", "coordinator": "COORDINATOR", "administrator": "ADMINISTRATOR",
	} {
		link := regexp.MustCompile(`(?m)^  ` + who + ` +(http://localhost:\d+)(/enrol)#(\S+)$`).FindStringSubmatch(printed)
		if link == nil {
			t.Errorf("there is no link for the role %s in:\n%s", role, printed)
			continue
		}
		if page := curl(t, []string{"curl", link[1] + link[2]}); !strings.Contains(page, "<html") {
			t.Errorf("%s leads to %s", who, page)
		}
		answer := curl(t, []string{"curl", "-X", "POST", link[1] + "/v1/enrolments:begin", "-d", `{"invitation": "` + link[3] + `"}`})
		if !strings.Contains(answer, `"role":"`+role+`"`) {
			t.Errorf("the link of the role %s is of %s", role, answer)
		}
	}

	d.end(t)
	if _, err := os.Stat(filepath.Dir(folder)); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
	if said := d.err.String(); strings.Contains(said, "{") || strings.Contains(said, code.Symbols()) {
		t.Errorf("it logged:\n%s", said)
	}
}

// Ctrl-C in the middle of a year is no failure, and leaves nothing behind either.
func TestDemoCanBeInterrupted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := playDemo(t)
	d.says(t, &d.err, "2017: referrals are issued")
	d.end(t)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
	if strings.Contains(d.out.String(), "aankomst_") {
		t.Errorf("it printed:\n%s", d.out.String())
	}
}

// A script reads the same from JSON.
func TestDemoInvitesInJSONToo(t *testing.T) {
	t.Parallel()
	listeners, err := demoCmd{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0"}.listen()
	noError(t, err)
	defer listeners.GRPC.Close()
	defer listeners.HTTP.Close()
	var out bytes.Buffer
	d := &demo{
		app: &app{Settings: Settings{JSON: true}, out: &out}, clock: new(demoClock),
		tokens: map[string]string{"counsellor": "aankomst_first", "cgg-de-oever": "aankomst_second"},
		links:  map[string]string{"intake": "http://localhost:1/enrol#aankomst_invitation_third"},
	}
	noError(t, d.invite(listeners, t.TempDir()))
	var invitation struct {
		Cohort     int
		GRPC, HTTP string
		Tokens     map[string]string
		Links      map[string]string
	}
	noError(t, json.Unmarshal(out.Bytes(), &invitation))
	if invitation.Cohort != calendar.Year(time.Now()) || invitation.GRPC != listeners.GRPC.Addr().String() ||
		invitation.HTTP != "http://"+listeners.HTTP.Addr().String() || !maps.Equal(invitation.Tokens, d.tokens) || !maps.Equal(invitation.Links, d.links) {
		t.Errorf("got %s", out.String())
	}
}

// paste runs a printed line of the form VARIABLE=VALUE go run ./cmd/aankomst ARGUMENTS, as this binary, and
// returns what it prints.
func paste(t *testing.T, words []string) string {
	t.Helper()
	if len(words) < 4 || strings.Join(words[1:4], " ") != "go run ./cmd/aankomst" {
		t.Fatalf("not a line of the expected form: %q", words)
	}
	command := exec.Command(os.Args[0], words[4:]...)
	command.Env = append(os.Environ(), words[0], childVariable+"=1")
	var errOut bytes.Buffer
	command.Stderr = &errOut
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	return strings.TrimSpace(string(out))
}

// curl does what curl would, and returns the body of a good answer.
func curl(t *testing.T, words []string) string {
	t.Helper()
	method, url, body, header := http.MethodGet, "", "", http.Header{}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-s":
		case "-X":
			i++
			method = words[i]
		case "-d":
			i++
			body = words[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			header.Set(name, value)
		default:
			url = words[i]
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	noError(t, err)
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	noError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	noError(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s", method, url, response.Status, content)
	}
	return string(content)
}

// shellWords splits a line as a shell would, as far as the demo's lines need it.
func shellWords(line string) []string {
	var words []string
	for _, word := range regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`).FindAllString(line, -1) {
		if quote := word[0]; quote == '\'' || quote == '"' {
			word = word[1 : len(word)-1]
		}
		words = append(words, word)
	}
	return words
}
