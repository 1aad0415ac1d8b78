package client_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// A counsellor issues a code and reads it out. Weeks later the help-seeker tells it at a centre's desk, in
// any spelling, where it is typed in and confirmed.
func Example() {
	address, counsellorsToken, desksToken, stop := exampleServer()
	defer stop()
	ctx := context.Background()

	connection, err := client.Dial(address, nil) // give a *tls.Config for a server on another machine
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connection.Close()

	// At the helpline. A real client keeps its pins in a file: FilePins.
	counsellor := client.New(connection, counsellorsToken, new(client.MemoryPins))
	pool, err := counsellor.PoolOf(ctx, servertest.Year, "cgg-a")
	if err != nil {
		fmt.Println(err)
		return
	}
	code, err := counsellor.Issue(ctx, servertest.Year, pool, client.IssueOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("groups to read out:", len(code.Groups()))
	fmt.Println("logged by accident:", code)

	// At the desk.
	desk := client.New(connection, desksToken, new(client.MemoryPins))
	typed, err := refcode.Decode("  " + code.Text() + " ")
	if err != nil {
		fmt.Println(err) // says which places to ask for again
		return
	}
	practice, err := desk.Confirm(ctx, typed, aankomstv1.WaitBand_FROM_2_TO_6_WEEKS)
	fmt.Println("confirmed:", err == nil, "practice:", practice)

	_, err = desk.Confirm(ctx, refcode.Code{}, aankomstv1.WaitBand_VALUE_UNSPECIFIED)
	fmt.Println("without a code:", client.Reason(err))

	// Output:
	// groups to read out: 4
	// logged by accident: [referral code]
	// confirmed: true practice: false
	// without a code: CODE_MALFORMED
}

// exampleServer starts a server for an example, which has no testing.T to end it by.
func exampleServer() (address, counsellorsToken, desksToken string, stop func()) {
	tb := new(exampleTB)
	f := servertest.Start(tb, servertest.Options{})
	return f.GRPC, f.Token(store.RoleCounsellor, ""), f.Token(store.RoleIntake, "cgg-a"), tb.end
}

// exampleTB is as much of a testing.TB as a fixture asks for.
type exampleTB struct {
	testing.TB
	ends []func()
}

func (*exampleTB) Helper()                           {}
func (*exampleTB) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (*exampleTB) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (e *exampleTB) Cleanup(end func())              { e.ends = append(e.ends, end) }

func (e *exampleTB) TempDir() string {
	folder, err := os.MkdirTemp("", "aankomst-example-")
	if err != nil {
		panic(err)
	}
	e.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// end runs what was to be run at the end, the last first.
func (e *exampleTB) end() {
	for len(e.ends) > 0 {
		last := e.ends[len(e.ends)-1]
		e.ends = e.ends[:len(e.ends)-1]
		last()
	}
}
