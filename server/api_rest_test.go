package server_test

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"aankomst/server/servertest"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// restRule is how a method is reached over HTTP.
type restRule struct {
	selector string
	// verb is the HTTP method, path has the fields of the request in braces, body names the field that
	// the body is: "*" for the whole request, empty for none.
	verb, path, body string
}

// restRules reads the rules that REST is generated from.
func restRules(t testing.TB) []restRule {
	t.Helper()
	file, err := os.Open("../proto/gateway.yaml")
	must(t, err)
	defer file.Close()
	var rules []restRule
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, _ := strings.Cut(strings.TrimLeft(lines.Text(), " -"), ": ")
		value = strings.Trim(value, `"`)
		if key == "selector" {
			rules = append(rules, restRule{selector: value})
			continue
		}
		if len(rules) == 0 {
			continue
		}
		switch rule := &rules[len(rules)-1]; key {
		case "body":
			rule.body = value
		case "get", "post", "put", "patch", "delete":
			rule.verb, rule.path = strings.ToUpper(key), value
		default:
			t.Fatalf("a line of the rules that this test does not know: %q", lines.Text())
		}
	}
	return rules
}

func ruleOf(t testing.TB, method protoreflect.MethodDescriptor) restRule {
	t.Helper()
	for _, rule := range restRules(t) {
		if rule.selector == string(method.FullName()) {
			return rule
		}
	}
	t.Fatalf("%s has no rule", method.FullName())
	return restRule{}
}

var pathField = regexp.MustCompile(`\{([a-z_.]+)\}`)

// rest calls the path of the method that takes the request.
func (a *api) rest(token string, request proto.Message) answer {
	a.t.Helper()
	method := methodOf(a.t, request)
	rule := ruleOf(a.t, method)
	inPath := map[string]bool{rule.body: true}
	path := pathField.ReplaceAllStringFunc(rule.path, func(field string) string {
		names := strings.Split(strings.Trim(field, "{}"), ".")
		inPath[names[0]] = true
		message := request.ProtoReflect()
		for _, name := range names[:len(names)-1] {
			message = message.Get(fieldOf(message, name)).Message()
		}
		return url.PathEscape(message.Get(fieldOf(message, names[len(names)-1])).String())
	})
	body := ""
	switch rule.body {
	case "":
	case "*":
		body = asJSON(a.t, request)
	default:
		body = asJSON(a.t, request.ProtoReflect().Get(fieldOf(request.ProtoReflect(), rule.body)).Message().Interface())
	}
	query := url.Values{}
	request.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case rule.body == "*" || inPath[string(field.Name())]:
		case field.Message() != nil:
			query.Set(field.JSONName(), strings.Join(value.Message().Interface().(*fieldmaskpb.FieldMask).GetPaths(), ","))
		default:
			query.Set(field.JSONName(), value.String())
		}
		return true
	})
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	got := a.raw(token, rule.verb, path, body)
	if got.http < 300 {
		got.response = newMessage(a.t, method.Output())
		must(a.t, protojson.Unmarshal([]byte(got.body), got.response))
	}
	return got
}

func fieldOf(message protoreflect.Message, name string) protoreflect.FieldDescriptor {
	return message.Descriptor().Fields().ByName(protoreflect.Name(name))
}

func asJSON(t testing.TB, message proto.Message) string {
	t.Helper()
	content, err := protojson.Marshal(message)
	must(t, err)
	return string(content)
}

// raw makes a request of HTTP as it is told.
func (a *api) raw(token, verb, path, body string) answer {
	a.t.Helper()
	return a.send(a.request(token, verb, path, strings.NewReader(body)))
}

func (a *api) request(token, verb, path string, body io.Reader) *http.Request {
	a.t.Helper()
	request, err := http.NewRequest(verb, a.HTTP+path, body)
	must(a.t, err)
	servertest.Sign(request, token)
	return request
}

func (a *api) send(request *http.Request) answer {
	a.t.Helper()
	response, err := a.web.Do(request)
	must(a.t, err)
	return a.restAnswer(response)
}
