package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"aankomst/server/servertest"
)

const confirmPath = "/v1/arrivals:confirm"

// Each body holds a code that could be confirmed, so that a body that is half understood would count.
func TestAPIBadBodies(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1).Symbols()
	good := `{"code":"` + code + `"}`
	before := a.allCounts()
	for name, body := range map[string]string{
		"an unknown field":        `{"code":"` + code + `","centre":"cgg-a"}`,
		"an unknown object":       `{"code":"` + code + `","wait":{"band":1}}`,
		"a misspelt field":        `{"Code":"` + code + `"}`,
		"a field twice":           `{"code":"` + code + `","code":"` + code + `"}`,
		"a field in both cases":   `{"code":"` + code + `","waitBand":1,"wait_band":1}`,
		"a number for the code":   `{"code":1234567890123456}`,
		"a list for the code":     `{"code":["` + code + `"]}`,
		"an object for the code":  `{"code":{"code":"` + code + `"}}`,
		"true for the code":       `{"code":true}`,
		"a band by no name":       `{"code":"` + code + `","waitBand":"SOON"}`,
		"a band of half a number": `{"code":"` + code + `","waitBand":1.5}`,
		"a band too large":        `{"code":"` + code + `","waitBand":99999999999}`,
		"more after it":           good + good,
		"more after it, spaced":   good + "\n " + good,
		"a brace after it":        good + "}",
		"words after it":          good + " and more",
		"a null byte after it":    good + "\x00",
		"cut short":               good[:len(good)-1],
		"cut in the code":         good[:len(good)-8],
		"a list":                  "[" + good + "]",
		"a text":                  `"` + code + `"`,
		"a number":                "12",
		"null":                    "null",
		"the code alone":          code,
		"a form":                  "code=" + code,
		"XML":                     "<code>" + code + "</code>",
		"a comment":               good + "// why",
		"single quotes":           `{'code':'` + code + `'}`,
		"a byte order mark":       "\ufeff" + good,
		"bytes that are no UTF-8": `{"code":"` + code[:8] + "\xff\xfe" + code[8:] + `"}`,
		"half a surrogate pair":   `{"code":"` + code[:8] + `\ud800` + code[8:] + `"}`,
		"very deep":               strings.Repeat(`{"code":`, 5000) + `"` + code + `"` + strings.Repeat("}", 5000),
	} {
		got := a.raw(a.intake(), "POST", confirmPath, body)
		if got.code != codes.InvalidArgument || got.reason != "MALFORMED_REQUEST" {
			t.Errorf("%s: %v", name, got)
		}
		got.keepsQuiet(t, code)
	}
	for name, body := range map[string]string{"no body": "", "blanks": " \n", "an empty object": "{}", "null for the code": `{"code":null}`} {
		if got := a.raw(a.intake(), "POST", confirmPath, body); got.reason != "CODE_MALFORMED" || got.metadata["fault"] != "EMPTY" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, path := range map[string]string{
		"in the query": confirmPath + "?code=" + code, "in the path": "/v1/arrivals/" + code + ":confirm",
		"as a year": "/v1/cohorts/" + code, "as a number": "/v1/releases/" + code, "as a file": "/v1/releases/" + code + ":export?format=csv",
		"as a flag": "/v1/centres?showArchived=" + code, "as a path": "/" + code, "as a format": "/v1/releases/1:export?format=" + code,
	} {
		for _, verb := range []string{"GET", "POST"} {
			got := a.raw(a.intake(), verb, path, "")
			if got.http < 400 || got.http >= 500 {
				t.Errorf("%s %s: %v", verb, name, got)
			}
			got.keepsQuiet(t, code)
		}
	}
	same(t, "counts", a.allCounts(), before)

	// What a body is called makes no difference, since no other kind is understood.
	for i, kind := range []string{"", "application/json", "application/json; charset=utf-8", "text/plain", "application/xml", "application/grpc"} {
		request := a.request(a.intake(), "POST", confirmPath, strings.NewReader(good))
		request.Header.Set("Content-Type", kind)
		a.send(request).worked(t)
		request = a.request(a.intake(), "POST", confirmPath, strings.NewReader("code="+code))
		request.Header.Set("Content-Type", kind)
		a.send(request).refused(t, codes.InvalidArgument, "MALFORMED_REQUEST")
		if got := a.Counts().Pools[0].Arrived; got != 1 {
			t.Fatalf("%d arrived after %d", got, i)
		}
	}
}

// Every path of the rules answers the HTTP methods that it has none for, and paths that are no rules'
// lead nowhere.
func TestAPIUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	verbs := map[string][]string{"/healthz": {"GET"}, "/readyz": {"GET"}, "/v1/releases/1:export": {"GET"}, "/v1/acts:export": {"GET"}}
	for _, rule := range restRules(t) {
		path := pathField.ReplaceAllString(rule.path, "1")
		verbs[path] = append(verbs[path], rule.verb)
	}
	for path, known := range verbs {
		for _, verb := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			// "1:archive" may be the id of a centre to get or to change, "1:close" a year to get, and "1:remove" a
			// member's id.
			mayChange := verb == "PATCH" && (strings.HasPrefix(path, "/v1/centres") || strings.HasPrefix(path, "/v1/members"))
			mayBeName := strings.Contains(path, "1:") && (verb == "GET" || mayChange)
			if slices.Contains(known, verb) || mayBeName {
				continue
			}
			got := a.raw(a.administrator(), verb, path, "")
			if got.code != codes.Unimplemented || got.reason != "NO_SUCH_METHOD" {
				t.Errorf("%s %s: %v", verb, path, got)
			}
		}
	}
	for _, path := range []string{
		"/account/", "/enrol/x", "/assets", "/assets/", "/assets/../sign-in.html", "/assets/%2e%2e/sign-in.html", "/sign-in.html", "/v1", "/v1/", "/v2/centres", "/v1/centre", "/v1/centres/1/2", "/v1/arrivals", "/v1/arrivals:steal",
		"/v1/arrivals:", "/v1/arrivals:confirm/x", "/V1/centres", "/metrics", "/debug/pprof/", "/swagger.json", "/.well-known/x",
		"/v1/centres/%2e%2e/cohorts/1", "/aankomst.v1.DirectoryService/ListCentres",
	} {
		for _, verb := range []string{"GET", "POST"} {
			got := a.raw(a.administrator(), verb, path, "")
			if got.code != codes.NotFound || got.reason != "NO_SUCH_PATH" {
				t.Errorf("%s %s: %v", verb, path, got)
			}
		}
	}
}

func TestAPILargeBodies(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1).Symbols()
	const limit = 64 << 10
	padded := func(n int) string {
		head, tail := `{"code":"`, `"}`
		return head + strings.Repeat("-", n-len(head)-len(tail)) + tail
	}
	for _, chunked := range []bool{false, true} {
		body := func(text string) io.Reader {
			if chunked {
				return struct{ io.Reader }{strings.NewReader(text)}
			}
			return strings.NewReader(text)
		}
		a.send(a.request(a.intake(), "POST", confirmPath, body(padded(limit)))).refused(t, codes.InvalidArgument, "CODE_MALFORMED")
		a.send(a.request(a.intake(), "POST", confirmPath, body(padded(limit+1)))).refused(t, codes.ResourceExhausted, "REQUEST_TOO_LARGE")
		// What is too large is refused whatever stands at its beginning.
		whole := `{"code":"` + code + `"}` + strings.Repeat(" ", limit)
		a.send(a.request(a.intake(), "POST", confirmPath, body(whole))).refused(t, codes.ResourceExhausted, "REQUEST_TOO_LARGE")
	}
	const tenMB = 10 << 20
	head := "POST " + confirmPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + a.intake() + "\r\n"
	for name, parts := range map[string][2]string{
		"announced": {head + fmt.Sprintf("Content-Length: %d\r\n\r\n", tenMB), strings.Repeat("a", 1<<10)},
		"chunked":   {head + "Transfer-Encoding: chunked\r\n\r\n" + "a\r\n{\"code\": \"\r\n", "400\r\n" + strings.Repeat("a", 1<<10) + "\r\n"},
	} {
		got := a.onWire(t, parts[0], parts[1], tenMB>>10)
		if got.http != http.StatusRequestEntityTooLarge || got.reason != "REQUEST_TOO_LARGE" || !strings.Contains(got.wire, "Connection: close") {
			t.Errorf("%s: %v %s", name, got, got.wire)
		}
	}
	if got := a.Counts().Pools[0].Arrived; got != 0 {
		t.Errorf("%d arrived", got)
	}
}

func TestAPILargeHeaders(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for _, path := range []string{"/v1/centres", "/v1/releases/1:export?format=csv"} {
		// A header that HTTP still takes and gRPC does not.
		a.raw(strings.Repeat("a", 17<<10), "GET", path, "").refused(t, codes.ResourceExhausted, "HEADERS_TOO_LARGE")
		request := a.request("", "GET", path, nil)
		request.Header["Authorization"] = slices.Repeat([]string{"a"}, 700)
		a.send(request).refused(t, codes.ResourceExhausted, "HEADERS_TOO_LARGE")
	}
	// One that HTTP does not take is refused before anything of this project sees it.
	response := a.exchange(t, "GET /v1/centres HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("a", 1<<10), strings.Repeat("a", 1<<10), 1<<10)
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("HTTP %d", response.StatusCode)
	}
	// What is below the limits changes nothing.
	request := a.request(a.administrator(), "GET", "/v1/centres", nil)
	request.Header.Set("X-Large", strings.Repeat("a", 8<<10))
	a.send(request).worked(t)
}

// exchange writes a head and then a part, again and again, and reads the response meanwhile, as a caller
// does who is still sending when the server has made up its mind.
func (a *api) exchange(t *testing.T, head, part string, times int) *http.Response {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(a.HTTP, "http://"))
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	go func() {
		// It fails when the server has closed the connection, which is what it should do.
		_, err := io.WriteString(connection, head)
		for i := 0; i < times && err == nil; i++ {
			_, err = io.WriteString(connection, part)
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	must(t, err)
	return response
}

func (a *api) onWire(t *testing.T, head, part string, times int) answer {
	t.Helper()
	response := a.exchange(t, head, part, times)
	got := a.restAnswer(response)
	if response.Close {
		got.wire += "Connection: close"
	}
	return got
}

// A caller may bound the time of a call; what comes of it is an error like any other.
func TestAPITimeoutsOfCallers(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for value, want := range map[string]struct {
		code   codes.Code
		reason string
	}{
		"1n": {codes.DeadlineExceeded, "TIMEOUT"}, "1H": {codes.OK, ""},
		"soon": {codes.InvalidArgument, "MALFORMED_REQUEST"}, "-1S": {codes.InvalidArgument, "MALFORMED_REQUEST"},
	} {
		request := a.request(a.administrator(), "GET", "/v1/centres", nil)
		request.Header.Set("Grpc-Timeout", value)
		a.send(request).refused(t, want.code, want.reason)
	}
}
