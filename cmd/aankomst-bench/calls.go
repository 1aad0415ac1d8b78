package main

import (
	"context"
	"fmt"
	"runtime"

	"google.golang.org/grpc/metadata"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
)

// issuing is a code on its way: blinded ahead, answered under load, made into a code afterwards.
type issuing struct {
	pool     uint32
	blinding *refcode.Blinding
	answer   *aankomstv1.IssueReferralResponse
}

// kind is one of the two calls that are measured.
type kind struct {
	name string
	// prepare sees to it that so many calls can be made.
	prepare func(ctx context.Context, o *office, calls int) error
	// work returns the calls that were prepared, made says how many of them were made.
	work func(o *office) work
	made func(o *office, calls int)
	// raw returns the server's cryptography of one call.
	raw func(o *office) (work, error)
}

func (b *bench) issue() kind {
	return kind{
		name:    "issue",
		prepare: func(ctx context.Context, o *office, calls int) error { return o.blind(ctx, calls) },
		work:    (*office).issues, made: (*office).issuesMade, raw: (*office).rawIssues,
	}
}

func (b *bench) confirm() kind {
	return kind{
		name:    "confirm",
		prepare: b.stock, work: (*office).confirms, made: (*office).confirmsMade, raw: (*office).rawConfirms,
	}
}

// bearer returns a context in which a call carries a token.
func bearer(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// blind sees to it that so many issues can be made.
func (o *office) blind(ctx context.Context, calls int) error {
	had := len(o.blinded)
	if calls <= had {
		return nil
	}
	o.blinded = append(o.blinded, make([]*issuing, calls-had)...)
	return parallel(ctx, runtime.GOMAXPROCS(0), calls-had, func(number int) error {
		pool := o.directory.Pools[number%len(o.directory.Pools)]
		blinding, err := refcode.Blind(o.directory, pool)
		o.blinded[had+number] = &issuing{pool: pool, blinding: blinding}
		return err
	})
}

// issues are the codes that were blinded, to be issued by one counsellor's desk.
func (o *office) issues() work {
	var services []aankomstv1.ReferralServiceClient
	for _, connection := range o.connections {
		services = append(services, aankomstv1.NewReferralServiceClient(connection))
	}
	return work{len(o.blinded), func(ctx context.Context, worker, number int) (err error) {
		one := o.blinded[number]
		one.answer, err = services[worker%len(services)].IssueReferral(bearer(ctx, o.counsellor), &aankomstv1.IssueReferralRequest{
			Cohort: uint32(o.year), Pool: one.pool, BlindedElement: one.blinding.Element,
		})
		return err
	}}
}

func (o *office) issuesMade(calls int) {
	o.answered = append(o.answered, o.blinded[:calls]...)
	o.blinded = o.blinded[calls:]
	o.issued += calls
}

// finalize checks the proof of every answer and makes the codes.
func (o *office) finalize(ctx context.Context) error {
	codes := make([]refcode.Code, len(o.answered))
	err := parallel(ctx, runtime.GOMAXPROCS(0), len(codes), func(number int) (err error) {
		one := o.answered[number]
		codes[number], err = one.blinding.Finalize(one.answer.GetEvaluatedElement(), one.answer.GetProof())
		return err
	})
	if err != nil {
		return err
	}
	o.answered = nil
	for _, code := range codes {
		// Two that drew the same nonce have one code, which arrives once.
		if !o.known[code] {
			o.known[code] = true
			o.codes = append(o.codes, code)
		}
	}
	return nil
}

// stock sees to it that so many codes can be confirmed: all that were issued, and more if it takes more.
func (b *bench) stock(ctx context.Context, o *office, codes int) error {
	if err := o.finalize(ctx); err != nil {
		return err
	}
	missing := codes - len(o.codes)
	if missing <= 0 {
		return nil
	}
	b.say("issuing %d more codes to the %s store, to be confirmed", missing, o.name)
	if err := o.blind(ctx, missing); err != nil {
		return err
	}
	issue := o.issues()
	issue.calls = missing
	_, made, err := issue.full(ctx, b.Concurrency, stockTime)
	if err != nil {
		return err
	}
	o.issuesMade(made)
	return o.finalize(ctx)
}

// confirms are the codes that were made, each to be confirmed at the desk of a worker's own centre.
func (o *office) confirms() work {
	var services []aankomstv1.ArrivalServiceClient
	for _, connection := range o.connections {
		services = append(services, aankomstv1.NewArrivalServiceClient(connection))
	}
	return work{len(o.codes), func(ctx context.Context, worker, number int) error {
		answer, err := services[worker%len(services)].ConfirmArrival(bearer(ctx, o.intake[worker]), &aankomstv1.ConfirmArrivalRequest{
			Code: o.codes[number].Symbols(), WaitBand: aankomstv1.WaitBand_UP_TO_2_WEEKS,
		})
		if err == nil && answer.GetOutcome() != aankomstv1.ConfirmArrivalResponse_CONFIRMED {
			err = fmt.Errorf("a code was not confirmed: %s", answer.GetOutcome())
		}
		return err
	}}
}

func (o *office) confirmsMade(calls int) {
	o.codes = o.codes[calls:]
	o.confirmed += calls
}
