package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"aankomst/server/servertest"
)

// conversation sends bytes over one connection, and then a call that ends it, and returns what was answered to
// the bytes: the final statuses and the bodies.
func (a *api) conversation(t *testing.T, sent string) (statuses []int, bodies string) {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(a.HTTP, "http://"))
	must(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, sent+"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	must(t, err)
	for answers := bufio.NewReader(connection); ; {
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return statuses, bodies
		}
		body, _ := io.ReadAll(response.Body) // cut short when the server has closed the connection
		response.Body.Close()
		if response.StatusCode >= 200 && !strings.Contains(string(body), `"alive"`) {
			statuses, bodies = append(statuses, response.StatusCode), bodies+string(body)
		}
	}
}

// Whatever a proxy may take for the end of a call, the server never takes the rest for a call of its own: it would
// be answered to whoever comes next through that proxy.
func TestNoCallHidesInAnother(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	token := a.coordinator()
	hidden := "GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	post := func(headers ...string) string {
		return "POST /v1/signIns:begin HTTP/1.1\r\nHost: x\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
	}
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d", n) }
	const chunked, end = "Transfer-Encoding: chunked", "0\r\n\r\n"
	for name, sent := range map[string]string{
		"a length beside chunks":                post(length(len(end)+len(hidden)), chunked) + end + hidden,
		"chunks beside a length":                post(chunked, length(len(end)+len(hidden))) + end + hidden,
		"a short length beside chunks":          post(length(1), chunked) + end + hidden,
		"chunks in capitals beside a length":    post(length(len(end)+len(hidden)), "TRANSFER-ENCODING: CHUNKED") + end + hidden,
		"chunks on a line that goes on":         post(length(len(end)+len(hidden)), "Transfer-Encoding:\r\n chunked") + end + hidden,
		"chunks after a space":                  post(length(len(end)+len(hidden)), "Transfer-Encoding : chunked") + end + hidden,
		"chunks twice":                          post(chunked, chunked) + end + hidden,
		"chunks of an unknown kind":             post(length(2), "Transfer-Encoding: xchunked") + "{}" + hidden,
		"chunks and as it is":                   post(chunked, "Transfer-Encoding: identity") + end + hidden,
		"chunks in a list":                      post("Transfer-Encoding: identity, chunked") + end + hidden,
		"chunks in quotes":                      post(length(2), `Transfer-Encoding: "chunked"`) + "{}" + hidden,
		"chunks behind a tab":                   post(length(len(end)+len(hidden)), "Transfer-Encoding:\tchunked") + end + hidden,
		"chunks behind a form feed":             post(length(len(end)+len(hidden)), "Transfer-Encoding:\x0cchunked") + end + hidden,
		"two lengths":                           post(length(2), length(2+len(hidden))) + "{}" + hidden,
		"two lengths, the longer first":         post(length(2+len(hidden)), length(2)) + "{}" + hidden,
		"a list of lengths":                     post(fmt.Sprintf("Content-Length: 2, %d", 2+len(hidden))) + "{}" + hidden,
		"a length with a sign":                  post("Content-Length: +2") + "{}" + hidden,
		"a length in hexadecimal":               post("Content-Length: 0x2") + "{}" + hidden,
		"a length after a space":                post("Content-Length : 2") + "{}" + hidden,
		"a length less than nothing":            post("Content-Length: -2") + "{}" + hidden,
		"no length":                             post("X-Nothing: here", "Connection: close") + hidden,
		"chunks of HTTP/1.0":                    strings.Replace(post(chunked, length(2)), "HTTP/1.1", "HTTP/1.0", 1) + "{}" + hidden,
		"an extension with a bare line feed":    post(chunked) + "2;x\nxx\r\n{}\r\n" + end + hidden,
		"a chunk that ends with a line feed":    post(chunked) + "2\n{}\n0\n\n" + hidden,
		"a chunk longer than it says":           post(chunked) + "2\r\n{}xx\r\n" + end + hidden,
		"a chunk with a huge size":              post(chunked) + "ffffffffffffffff2\r\n{}\r\n" + end + hidden,
		"a chunk with a sign":                   post(chunked) + "+2\r\n{}\r\n" + end + hidden,
		"trailers":                              post(chunked, "Trailer: Content-Length") + "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n" + hidden,
		"a carriage return for the end":         "POST /v1/signIns:begin HTTP/1.1\rHost: x\r\r" + hidden,
		"a name with a line feed":               post("X-A\n"+length(2)) + "{}",
		"two hosts":                             post("Host: y", length(2)) + "{}",
		"no host":                               "GET /v1/cohorts HTTP/1.1\r\n\r\n",
		"a line before the headers":             "GET /v1/cohorts HTTP/1.1\r\n Host: x\r\n\r\n",
		"a zero":                                post("X-A: \x00", length(2)) + "{}",
		"a body where there is none":            fmt.Sprintf("GET /v1/cohorts HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(hidden)) + hidden,
		"an upgrade":                            "GET /v1/cohorts HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
		"HTTP/2 as if it had been agreed":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
		"CONNECT":                               "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
		"bare line feeds":                       "GET /v1/cohorts HTTP/1.1\nHost: x\n\n",
		"a line that goes on":                   "GET /v1/cohorts HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\tc\r\n\r\n",
		"an extension of a chunk":               post(chunked) + "2;a=\"b\"\r\n{}\r\n" + end,
		"a length twice, and the same":          post(length(2), length(2)) + "{}",
		"a body that waits for a word to go on": post(length(2), "Expect: 100-continue") + "{}",
	} {
		statuses, bodies := a.conversation(t, sent)
		if len(statuses) > 1 || strings.Contains(bodies, `"COORDINATOR"`) {
			t.Errorf("%s is answered with %v: %s", name, statuses, bodies)
		}
		for _, status := range statuses {
			if status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported {
				t.Errorf("%s: HTTP %d", name, status)
			}
		}
	}
	// The same call is answered where it stands for itself: it is not that which is refused.
	if statuses, bodies := a.conversation(t, post(length(2))+"{}"+hidden); fmt.Sprint(statuses) != "[200 200]" || !strings.Contains(bodies, `"COORDINATOR"`) {
		t.Errorf("two calls, one after the other, are answered with %v: %s", statuses, bodies)
	}
}
