package store

import (
	"slices"
	"time"
)

// Kind says what an entry does.
type Kind uint8

// The kinds of entry. The first four only count; the others spend a code or give it back.
const (
	// Issue counts one referral code issued.
	Issue Kind = iota + 1
	// IssueReplacement counts one code issued in place of a lost one.
	IssueReplacement
	// ReferWithoutCode counts one person referred who wanted no code.
	ReferWithoutCode
	// ArriveWithoutCode counts one person who arrived and had no code. Pool is not used.
	ArriveWithoutCode
	// Arrive spends a code and counts one arrived.
	Arrive
	// Void spends a code and counts one voided.
	Void
	// VoidReplacement spends a replacement code and counts one replacement voided.
	VoidReplacement
	// Undo gives back a code that was spent by Arrive and counts one arrived less.
	Undo
)

// Repeatable reports whether recording an entry of this kind twice leaves the counts as once does: it is
// so for those that spend a code or give it back.
func (k Kind) Repeatable() bool { return k >= Arrive && k <= Undo }

// NullifierBytes is the length of a nullifier.
const NullifierBytes = 16

// Nullifier stands for a spent code; nobody without the cohort's key can compute it from the code.
type Nullifier [NullifierBytes]byte

// Entry is one thing to record.
type Entry struct {
	Kind Kind
	// Year is the cohort.
	Year int
	// Pool is the pool that counts it, never the practice pool.
	Pool uint32
	// Nullifier is used by Arrive, Void, VoidReplacement and Undo.
	Nullifier Nullifier
	// Elsewhere, with Arrive and Undo, says that the centre is not in the code's pool: one more (or
	// less) arrived elsewhere is counted too.
	Elsewhere bool
	// WaitBand, with Arrive and Undo, is the band to count (or to take back) with it; WaitUnknown
	// counts none.
	WaitBand WaitBand
}

// Outcome is what became of an entry.
type Outcome uint8

const (
	// Done says that it was recorded.
	Done Outcome = iota + 1
	// DoneBefore is given for Arrive of a code that has arrived, Void of one that is voided, or Undo of
	// one that is not spent. Nothing was changed.
	DoneBefore
	// Arrived is given for Void or VoidReplacement of a code that has arrived. Nothing was changed.
	Arrived
	// Voided is given for Arrive or Undo of a code that is voided. Nothing was changed.
	Voided
	// NotOpen says that the cohort is not in StageOpen, or there is no such cohort or pool. Nothing was changed.
	NotOpen
)

// Counts holds a cohort's exact counts.
type Counts struct {
	Year int
	// Pools is ordered by Number.
	Pools []PoolCounts
	// ArrivedWithoutCode is counted for the cohort as a whole.
	ArrivedWithoutCode int
	// Waits holds arrivals by band of waiting time, for the cohort as a whole; indexed by WaitBand,
	// WaitUnknown always zero.
	Waits [WaitBands]int
}

// PoolCounts holds the counts of one pool of a cohort.
type PoolCounts struct {
	Number              uint32
	Issued              int
	Voided              int
	Arrived             int
	Elsewhere           int
	Replaced            int
	ReplacementsVoided  int
	ReferredWithoutCode int
}

// WaitBand is a coarse time from sign-up to the first appointment offered.
type WaitBand uint8

// The waiting-time bands.
const (
	WaitUnknown WaitBand = iota
	WaitUpTo2Weeks
	Wait2To6Weeks
	Wait6WeeksTo3Months
	Wait3To6Months
	WaitOver6Months
	// WaitBands is the number of values, WaitUnknown included.
	WaitBands
)

// Stage is how far a cohort is on its way from open to closed. Maturing is no stage: it is what an
// open cohort is called once its year is over.
type Stage string

// The stages, in their order. A cohort that has left StageOpen never comes back to it.
const (
	// StageOpen: codes can be issued during the year, and confirmed.
	StageOpen Stage = "open"
	// StageClosing: nothing is recorded any more; the counts are final.
	StageClosing Stage = "closing"
	// StageReleased: the final release is frozen, or its withholding was accepted.
	StageReleased Stage = "released"
	// StageAcknowledged: no process holds the key any more.
	StageAcknowledged Stage = "acknowledged"
	// StageKeyDestroyed: the key file is gone.
	StageKeyDestroyed Stage = "key_destroyed"
	// StageEscrowDestroyed: the administrator confirmed that the escrow copy is destroyed.
	StageEscrowDestroyed Stage = "escrow_destroyed"
	// StageClosed: the spent codes are dropped; the counters stay.
	StageClosed Stage = "closed"
)

// Stages lists the stages in their order.
var Stages = []Stage{
	StageOpen, StageClosing, StageReleased, StageAcknowledged,
	StageKeyDestroyed, StageEscrowDestroyed, StageClosed,
}

// Next returns the stage after a stage; empty after the last, and for what is no stage.
func (s Stage) Next() Stage {
	if at := slices.Index(Stages, s); at >= 0 && at+1 < len(Stages) {
		return Stages[at+1]
	}
	return ""
}

// Cohort is all codes issued in one calendar year.
type Cohort struct {
	Year int
	// Layout is a refcode.Layout.
	Layout uint8
	// PublicKey is 32 bytes.
	PublicKey []byte
	Stage     Stage
	// OpenedOn is the day (YYYY-MM-DD, Europe/Brussels) on which it was opened: cut-offs before it are
	// none of this cohort's.
	OpenedOn string
	// Pools is ordered by Number, which starts at 1; the practice pool is not listed.
	Pools []Pool
	// EscrowRecipients are the age recipients to whom the one escrow copy of the key is encrypted.
	EscrowRecipients []string
	// EscrowDigest is the SHA-256 of the escrow copy's bytes, so that the copy can be told.
	EscrowDigest [32]byte
}

// Pool is a group of centres whose codes are counted together.
type Pool struct {
	Number uint32
	// Name is shown to people. It is not part of the directory.
	Name string
	// Centres are the IDs of its centres, ordered.
	Centres []string
}

// Holder is a process that holds a cohort's key.
type Holder struct {
	// Name is random, made when the process starts.
	Name string
	// SilentFor is how long ago its latest Beat was, to the second. The store's own clock measures both,
	// so that those of the processes need not agree: the database's, or the machine's when it is embedded.
	SilentFor time.Duration
}

// CentreType is the kind of a treatment centre.
type CentreType string

// The types of centre.
const (
	// TypeCAW is a centrum algemeen welzijnswerk.
	TypeCAW CentreType = "CAW"
	// TypeCGG is a centrum voor geestelijke gezondheidszorg.
	TypeCGG CentreType = "CGG"
	// TypeUFC is a universitair forensisch centrum.
	TypeUFC CentreType = "UFC"
	// TypeOther is any other treatment centre.
	TypeOther CentreType = "OTHER"
)

// Intake says whether a centre takes people in.
type Intake string

// The states of intake.
const (
	IntakeOpen        Intake = "OPEN"
	IntakeWaitingList Intake = "WAITING_LIST"
	IntakeStop        Intake = "STOP"
)

// Centre is a treatment centre. Everything in it is public.
type Centre struct {
	// ID is 1 to 40 of a-z, 0-9 and hyphen, chosen by the organisation, never changed or reused.
	ID   string
	Name string
	Type CentreType
	// Region and Town say where it is.
	Region, Town string
	// Phone, Email and Website are its public contact.
	Phone, Email, Website string
	// Languages are BCP 47 tags.
	Languages []string
	// Intake and Wait are its capacity, as of CapacityOn (YYYY-MM-DD, empty when never told).
	Intake     Intake
	Wait       WaitBand
	CapacityOn string
	// Archived centres are shown no more and cannot confirm.
	Archived bool
}

// WrongCodes counts the wrong codes of a centre. Times are no finer than a quarter of an hour.
type WrongCodes struct {
	// Day is YYYY-MM-DD in Europe/Brussels.
	Day   string
	InDay int
	// Quarter is when the quarter of an hour began.
	Quarter   time.Time
	InQuarter int
}

// Role is what a seat or token may do.
type Role string

// The roles.
const (
	RoleCounsellor    Role = "COUNSELLOR"
	RoleIntake        Role = "INTAKE"
	RoleCoordinator   Role = "COORDINATOR"
	RoleAdministrator Role = "ADMINISTRATOR"
)

// Token is a token of a machine or a device, without its secret.
type Token struct {
	// ID names the token to people; it is no secret.
	ID string
	// Hash is the SHA-256 of the secret.
	Hash [32]byte
	// Label is what the organisation calls it.
	Label string
	Role  Role
	// Centre is set for RoleIntake alone.
	Centre string
	// ExpiresOn is the first day (YYYY-MM-DD, Europe/Brussels) on which it is refused.
	ExpiresOn string
	Revoked   bool
	Kind      TokenKind
	// UsedOn is the last day on which it was used, as far as Used has told; empty when never.
	UsedOn string
}

// Caller is who calls with a token or in a session, and what a call of theirs asks of the store.
type Caller struct {
	// Token is zero for a session.
	Token Token
	// Session is zero for a token, and so is its Member.
	Session Session
	Member  Member
	// Archived says that the token's or member's centre is. This and what follows is zero without one.
	Archived bool
	// Pools are the pools that the centre is in, of every cohort, ordered by year.
	Pools []PoolOf
	// Wrong are the wrong codes of the centre.
	Wrong WrongCodes
}

// PoolOf names a pool of a cohort.
type PoolOf struct {
	Year int
	Pool uint32
}

// Draft is what was frozen at a cut-off: figures as they may be shown, never exact counts.
type Draft struct {
	Year int
	// CutOff is the last day that is counted (YYYY-MM-DD), or CutOffFinal.
	CutOff string
	// Body is the release document without number, chain and day of publication.
	Body []byte
}

// CutOffFinal is the CutOff of a closed cohort's release.
const CutOffFinal = "final"

// Release is a published release.
type Release struct {
	// Number starts at 1 and has no gaps.
	Number int
	Year   int
	CutOff string
	// Document is canonical JSON.
	Document []byte
	// Digest is the SHA-256 of Document; Previous is that of the release before, zero for the first.
	Digest, Previous [32]byte
}

// NotStated is the ArrivedPercent of a statement that gives none.
const NotStated = -1

// Statement is what somebody else says of arrivals in years before this system. It was not counted here,
// is no part of any release, and is taken to be known to everyone.
type Statement struct {
	// ID is 1 to 40 of a-z, 0-9 and hyphen, chosen by the organisation.
	ID string
	// FromYear and ToYear are the first and the last of the calendar years that it covers as a whole.
	FromYear, ToYear int
	// Definition says what was counted.
	Definition string
	// Referrals is how many were referred; 0 when that is not stated.
	Referrals int
	// ArrivedPercent is how many of a hundred arrived, 0 to 100, or NotStated.
	ArrivedPercent int
	// Denominator says of what ArrivedPercent is taken; empty without it.
	Denominator string
	// Source says who states it, and where.
	Source string
}

// Covers reports whether a year is one of the statement's.
func (s Statement) Covers(year int) bool { return s.FromYear <= year && year <= s.ToYear }
