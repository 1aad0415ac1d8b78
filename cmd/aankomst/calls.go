package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
)

// ClientSettings are what every command that calls a server knows.
type ClientSettings struct {
	Server    string        `help:"The server's gRPC address; ${default} by default." env:"AANKOMST_SERVER" default:"127.0.0.1:9090" placeholder:"HOST:PORT"`
	CA        string        `name:"ca" help:"Certificate authority of the server (PEM), or 'system'. Needed for any address but loopback." env:"AANKOMST_CA" placeholder:"FILE"`
	TokenFile string        `help:"File that holds the token; AANKOMST_TOKEN goes before it." env:"AANKOMST_TOKEN_FILE" placeholder:"FILE"`
	Pins      string        `help:"File of pinned fingerprints; ~/.config/aankomst/pins.json by default." env:"AANKOMST_PINS" default:"${pins}" placeholder:"FILE"`
	Timeout   time.Duration `help:"How long to try while the server cannot be reached; ${default} by default." env:"AANKOMST_TIMEOUT" default:"10s" placeholder:"TIME"`
}

// withClient runs a command with a client, and a context that ends when it has been tried for long enough:
// somebody may be waiting on the telephone.
func (s ClientSettings) withClient(ctx context.Context, command func(context.Context, *client.Client) error) error {
	token, err := s.token()
	if err != nil {
		return err
	}
	config, err := s.tls()
	if err != nil {
		return err
	}
	if s.Timeout <= 0 {
		return fmt.Errorf("%w: --timeout must be longer than nothing, such as 10s", errUsage)
	}
	connection, err := client.Dial(s.Server, config)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	return command(ctx, client.New(connection, token, &client.FilePins{Path: s.Pins}))
}

func (s ClientSettings) token() (string, error) {
	token := strings.TrimSpace(os.Getenv(tokenVariable))
	if token == "" && s.TokenFile != "" {
		content, err := os.ReadFile(s.TokenFile)
		if err != nil {
			return "", fmt.Errorf("%w: the token cannot be read: %w", errUsage, err)
		}
		token = strings.TrimSpace(string(content))
	}
	switch {
	case token == "":
		return "", errNoToken
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%w: the token has a space, a line end or another character that no token has", errUsage)
	}
	return token, nil
}

func (s ClientSettings) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	switch s.CA {
	case "":
		return nil, nil
	case "system":
		return config, nil
	}
	content, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, fmt.Errorf("%w: the certificate authority cannot be read: %w", errUsage, err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%w: %s holds no certificate", errUsage, s.CA)
	}
	return config, nil
}

type issueCmd struct {
	ClientSettings
	Centre      string  `help:"The centre that the person is referred to; it stays on this machine, which looks up its pool." placeholder:"ID" xor:"where"`
	Pool        *uint32 `help:"The pool's number; 0 issues a practice code, which never counts." placeholder:"N" xor:"where"`
	Cohort      int     `help:"The cohort's year; this year by default." placeholder:"YEAR"`
	Replacement bool    `help:"In place of a code that was lost: counted apart." xor:"kind"`
	WithoutCode bool    `help:"The person wants no code: only counted, apart." xor:"kind"`
}

// Help is shown below the command's usage.
func (issueCmd) Help() string {
	return "The code is printed in groups of four, to be read out. It is kept nowhere: when it is gone, void is no longer\npossible. The first time, the cohort's fingerprint is pinned: compare it with the administrator."
}

// Run issues a code.
func (c issueCmd) Run(ctx context.Context, a *app) error {
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		year := yearOrThis(c.Cohort)
		pool, err := c.pool(ctx, api, year)
		if err != nil {
			return err
		}
		if c.WithoutCode {
			if err := api.ReferWithoutCode(ctx, year, pool); err != nil {
				return err
			}
			return a.print(map[string]bool{"recorded": true}, "Recorded: referred without code.")
		}
		code, err := api.Issue(ctx, year, pool, client.IssueOptions{Replacement: c.Replacement})
		if err != nil {
			return err
		}
		directory, err := api.Cohort(ctx, year)
		if err != nil {
			return err
		}
		a.progress("Fingerprint of the cohort: %s", directory.Fingerprint().Text())
		return a.print(map[string]string{"code": code.Text()}, "%s", code.Text())
	})
}

// yearOrThis returns a year that was given, or this one.
func yearOrThis(year int) int {
	if year == 0 {
		return calendar.Year(time.Now())
	}
	return year
}

func (c issueCmd) pool(ctx context.Context, api *client.Client, year int) (uint32, error) {
	switch {
	case c.Centre != "":
		if err := c.inUse(ctx, api); err != nil {
			return 0, err
		}
		return api.PoolOf(ctx, year, c.Centre)
	case c.Pool != nil:
		return *c.Pool, nil
	default:
		return 0, fmt.Errorf("%w: say --centre or --pool", errUsage)
	}
}

// inUse refuses a centre that is archived: it stays in its pool, but its desk can confirm nothing. The whole
// list is loaded, so that the server does not learn which centre was meant.
func (c issueCmd) inUse(ctx context.Context, api *client.Client) error {
	list, err := api.Directory.ListCentres(api.Authorized(ctx), &aankomstv1.ListCentresRequest{ShowArchived: true})
	if err != nil {
		return err
	}
	for _, centre := range list.GetCentres() {
		if centre.GetId() == c.Centre && centre.GetArchived() {
			return fmt.Errorf("%w: the centre %s is archived; refer to another", errRefused, c.Centre)
		}
	}
	return nil
}

// readCode reads a code from standard input. What may have been meant is said here, on the client's
// side; the server only ever names places.
func (a *app) readCode() (refcode.Code, error) {
	text, err := a.readLine("Type or paste the code, then Enter:")
	if err != nil {
		return refcode.Code{}, err
	}
	code, err := refcode.Decode(text)
	var malformed *refcode.DecodeError
	if errors.As(err, &malformed) {
		for _, maybe := range malformed.Corrections() {
			a.progress("Maybe %s was meant, not %s, in %s: %s", maybe.Meant, maybe.Heard, group(maybe.Positions[0]), maybe.Code.Text())
		}
	}
	return code, err
}

// group says in which spoken group a place is, the way people hear a code.
func group(position int) string {
	return fmt.Sprintf("group %d, place %d", (position-1)/refcode.GroupSize+1, (position-1)%refcode.GroupSize+1)
}

type voidCmd struct {
	ClientSettings
	Replacement bool `help:"The code was issued as a replacement."`
}

// Help is shown below the command's usage.
func (voidCmd) Help() string {
	return "The code is read from standard input. The answer is the same whatever became of the code before."
}

// Run voids a code.
func (c voidCmd) Run(ctx context.Context, a *app) error {
	code, err := a.readCode()
	if err != nil {
		return err
	}
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		if err := api.Void(ctx, code, c.Replacement); err != nil {
			return err
		}
		return a.print(map[string]bool{"voided": true}, "Voided. Nobody can arrive with this code any more.")
	})
}

// waitBands are the words for the bands of waiting time.
var waitBands = map[string]aankomstv1.WaitBand_Value{
	"": aankomstv1.WaitBand_VALUE_UNSPECIFIED, "2w": aankomstv1.WaitBand_UP_TO_2_WEEKS,
	"6w": aankomstv1.WaitBand_FROM_2_TO_6_WEEKS, "3m": aankomstv1.WaitBand_FROM_6_WEEKS_TO_3_MONTHS,
	"6m": aankomstv1.WaitBand_FROM_3_TO_6_MONTHS, "over6m": aankomstv1.WaitBand_OVER_6_MONTHS,
}

type confirmCmd struct {
	ClientSettings
	Wait        string `help:"Time until the first appointment, when known: up to 2w, 6w, 3m, 6m, or over6m." enum:",2w,6w,3m,6m,over6m" default:"" placeholder:"BAND"`
	WithoutCode bool   `help:"The person was sent by the helpline and has no code: counted apart, never in the rate."`
	Cohort      int    `help:"With --without-code, the year of the referral; this year by default." placeholder:"YEAR"`
}

// Help is shown below the command's usage.
func (confirmCmd) Help() string {
	return "The code is read from standard input, in any spelling. Confirming twice is safe: it counts once."
}

// Run confirms an arrival.
func (c confirmCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.WithoutCode && c.Wait != "":
		return fmt.Errorf("%w: --wait is counted for an arrival with a code only", errUsage)
	case !c.WithoutCode && c.Cohort != 0:
		return fmt.Errorf("%w: --cohort goes with --without-code; a code knows its own year", errUsage)
	case c.WithoutCode:
		return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
			if err := api.ArriveWithoutCode(ctx, yearOrThis(c.Cohort)); err != nil {
				return err
			}
			return a.print(map[string]bool{"recorded": true}, "Recorded: arrived without code.")
		})
	}
	code, err := a.readCode()
	if err != nil {
		return err
	}
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		practice, err := api.Confirm(ctx, code, waitBands[c.Wait])
		switch {
		case err != nil:
			return err
		case practice:
			return a.print(map[string]string{"outcome": "PRACTICE"}, "A practice code: it works, and nothing was counted.")
		default:
			return a.print(map[string]string{"outcome": "CONFIRMED"}, "Confirmed. Nothing more to do.")
		}
	})
}

type undoCmd struct {
	ClientSettings
	Wait string `help:"The band that was given with the confirmation." enum:",2w,6w,3m,6m,over6m" default:"" placeholder:"BAND"`
}

// Help is shown below the command's usage.
func (undoCmd) Help() string {
	return "The code is read from standard input. The answer is the same whether or not it was confirmed."
}

// Run takes a confirmation back.
func (c undoCmd) Run(ctx context.Context, a *app) error {
	code, err := a.readCode()
	if err != nil {
		return err
	}
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		if err := api.Undo(ctx, code, waitBands[c.Wait]); err != nil {
			return err
		}
		return a.print(map[string]bool{"undone": true}, "Taken back. The code can be confirmed again.")
	})
}
