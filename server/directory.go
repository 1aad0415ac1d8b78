package server

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
)

// directory keeps centres, pools and cohorts.
type directory struct {
	aankomstv1.UnimplementedDirectoryServiceServer
	store  store.Store
	keeper *cohort.Keeper
	policy release.Policy
	clock  func() time.Time
}

func (d *directory) ListCentres(ctx context.Context, request *aankomstv1.ListCentresRequest) (*aankomstv1.ListCentresResponse, error) {
	centres, err := d.store.ListCentres(ctx)
	if err != nil {
		return nil, err
	}
	response := new(aankomstv1.ListCentresResponse)
	for _, centre := range centres {
		if !centre.Archived || request.GetShowArchived() {
			response.Centres = append(response.Centres, centreMessage(centre))
		}
	}
	return response, nil
}

func (d *directory) GetCentre(ctx context.Context, request *aankomstv1.GetCentreRequest) (*aankomstv1.Centre, error) {
	centre, err := d.store.GetCentre(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return centreMessage(centre), nil
}

func (d *directory) CreateCentre(ctx context.Context, request *aankomstv1.CreateCentreRequest) (*aankomstv1.Centre, error) {
	message := request.GetCentre()
	centre := store.Centre{ID: message.GetId()}
	for _, field := range centreFields {
		field.set(&centre, message)
	}
	if err := CheckCentre(centre); err != nil {
		return nil, err
	}
	if err := d.store.CreateCentre(ctx, centre); err != nil {
		return nil, err
	}
	return centreMessage(centre), nil
}

func (d *directory) UpdateCentre(ctx context.Context, request *aankomstv1.UpdateCentreRequest) (*aankomstv1.Centre, error) {
	var fields []centreField
	for _, path := range request.GetUpdateMask().GetPaths() {
		at := slices.IndexFunc(centreFields, func(f centreField) bool { return f.path == path })
		switch {
		case path == "id":
			// The gateway names every field of the body, and the body may repeat the id of the path.
		case at < 0:
			return nil, invalid("update_mask", "%q cannot be changed here", clip(path))
		default:
			fields = append(fields, centreFields[at])
		}
	}
	if len(fields) == 0 {
		return nil, invalid("update_mask", "name the fields to change")
	}
	centre, err := d.store.UpdateCentre(ctx, request.GetCentre().GetId(), func(centre *store.Centre) error {
		for _, field := range fields {
			field.set(centre, request.GetCentre())
		}
		return CheckCentre(*centre)
	})
	if err != nil {
		return nil, err
	}
	return centreMessage(centre), nil
}

func (d *directory) ArchiveCentre(ctx context.Context, request *aankomstv1.ArchiveCentreRequest) (*aankomstv1.Centre, error) {
	centre, err := d.store.UpdateCentre(ctx, request.GetId(), func(centre *store.Centre) error {
		centre.Archived = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return centreMessage(centre), nil
}

func (d *directory) SetCapacity(ctx context.Context, request *aankomstv1.SetCapacityRequest) (*aankomstv1.Centre, error) {
	capacity := request.GetCapacity()
	wait, err := waitBand("capacity.wait_band", capacity.GetWaitBand())
	if err != nil {
		return nil, err
	}
	intake, known := intakes[capacity.GetIntake()]
	if !known {
		return nil, invalid("capacity.intake", "say OPEN, WAITING_LIST or STOP")
	}
	caller := principal(ctx)
	centre, err := d.store.UpdateCentre(ctx, request.GetId(), func(centre *store.Centre) error {
		if caller.Role == store.RoleIntake && caller.Centre != centre.ID {
			return errOtherCentre
		}
		centre.Intake, centre.Wait, centre.CapacityOn = intake, wait, calendar.Day(d.clock())
		return nil
	})
	if errors.Is(err, store.ErrNotFound) && caller.Role == store.RoleIntake {
		return nil, errOtherCentre
	}
	if err != nil {
		return nil, err
	}
	return centreMessage(centre), nil
}

func (d *directory) ListCohorts(ctx context.Context, _ *aankomstv1.ListCohortsRequest) (*aankomstv1.ListCohortsResponse, error) {
	cohorts, err := d.store.ListCohorts(ctx)
	if err != nil {
		return nil, err
	}
	response := new(aankomstv1.ListCohortsResponse)
	for _, cohort := range cohorts {
		response.Cohorts = append(response.Cohorts, d.cohortMessage(cohort))
	}
	return response, nil
}

func (d *directory) GetCohort(ctx context.Context, request *aankomstv1.GetCohortRequest) (*aankomstv1.Cohort, error) {
	found, err := findCohort(ctx, d.store, "year", int(request.GetYear()))
	if err != nil {
		return nil, err
	}
	return d.cohortMessage(found), nil
}

func (d *directory) OpenCohort(ctx context.Context, request *aankomstv1.OpenCohortRequest) (*aankomstv1.OpenCohortResponse, error) {
	layout, known := layouts[request.GetLayout()]
	if !known {
		return nil, invalid("layout", "choose SHORT or LONG, or leave it out")
	}
	plan := cohort.Plan{
		Year: int(request.GetYear()), Layout: layout,
		Expected: int(request.GetExpectedReferrals()), Recipients: request.GetEscrowRecipients(),
	}
	for _, pool := range request.GetPools() {
		plan.Pools = append(plan.Pools, cohort.PoolPlan{
			Name: pool.GetDisplayName(), Centres: pool.GetCentres(), Expected: int(pool.GetExpectedReferrals()),
		})
	}
	opened, err := d.keeper.Open(ctx, plan)
	if err != nil {
		return nil, err
	}
	return &aankomstv1.OpenCohortResponse{Cohort: d.cohortMessage(opened), EscrowFile: cohort.EscrowFile(opened.Year, opened.EscrowDigest)}, nil
}

func (d *directory) AddCentreToPool(ctx context.Context, request *aankomstv1.AddCentreToPoolRequest) (*aankomstv1.Cohort, error) {
	year := int(request.GetYear())
	err := d.keeper.AddCentre(ctx, year, request.GetPool(), request.GetCentre())
	if errors.Is(err, store.ErrConflict) {
		return nil, notInState(year, cohort.Closing)
	}
	if err != nil {
		return nil, err
	}
	found, err := d.store.GetCohort(ctx, year)
	if err != nil {
		return nil, err
	}
	return d.cohortMessage(found), nil
}

func (d *directory) CloseCohort(ctx context.Context, request *aankomstv1.CloseCohortRequest) (*aankomstv1.CloseCohortResponse, error) {
	found, err := findCohort(ctx, d.store, "year", int(request.GetYear()))
	if err != nil {
		return nil, err
	}
	response := &aankomstv1.CloseCohortResponse{Destroys: cohort.Destroys(found)}
	if !request.GetDryRun() {
		found, response.WaitsFor, err = d.keeper.Close(ctx, found.Year, cohort.CloseOptions{
			Early: request.GetEarly(), AcceptWithheld: request.GetAcceptWithheld(), EscrowDestroyed: request.GetEscrowDestroyed(),
		})
		if err != nil {
			return nil, err
		}
	}
	response.Cohort = d.cohortMessage(found)
	return response, nil
}

// states, layouts and intakes translate between the contract and the domain.
var (
	states = map[cohort.State]aankomstv1.Cohort_State{
		cohort.Ahead: aankomstv1.Cohort_AHEAD, cohort.Open: aankomstv1.Cohort_OPEN,
		cohort.Maturing: aankomstv1.Cohort_MATURING, cohort.Closing: aankomstv1.Cohort_CLOSING,
		cohort.Closed: aankomstv1.Cohort_CLOSED,
	}
	layouts = map[aankomstv1.Cohort_Layout]refcode.Layout{
		aankomstv1.Cohort_LAYOUT_UNSPECIFIED: refcode.Short,
		aankomstv1.Cohort_SHORT:              refcode.Short, aankomstv1.Cohort_LONG: refcode.Long,
	}
	intakes = map[aankomstv1.Capacity_Intake]store.Intake{
		aankomstv1.Capacity_OPEN: store.IntakeOpen, aankomstv1.Capacity_WAITING_LIST: store.IntakeWaitingList,
		aankomstv1.Capacity_STOP: store.IntakeStop,
	}
)

func (d *directory) cohortMessage(c store.Cohort) *aankomstv1.Cohort {
	fingerprint := cohort.DirectoryOf(c).Fingerprint()
	message := &aankomstv1.Cohort{
		Year: uint32(c.Year), State: states[cohort.StateAt(c, d.clock())], Layout: aankomstv1.Cohort_Layout(c.Layout),
		PublicKey: c.PublicKey, Fingerprint: fingerprint[:], FingerprintText: fingerprint.Text(),
	}
	for _, pool := range c.Pools {
		message.Pools = append(message.Pools, &aankomstv1.Pool{
			Number: pool.Number, DisplayName: pool.Name, Centres: pool.Centres,
		})
	}
	return message
}

func centreMessage(c store.Centre) *aankomstv1.Centre {
	message := &aankomstv1.Centre{
		Id: c.ID, DisplayName: c.Name, Type: aankomstv1.Centre_Type(aankomstv1.Centre_Type_value[string(c.Type)]),
		Region: c.Region, Town: c.Town, Phone: c.Phone, Email: c.Email, Website: c.Website,
		Languages: c.Languages, Archived: c.Archived,
	}
	if c.CapacityOn != "" {
		message.Capacity = &aankomstv1.Capacity{
			Intake:   aankomstv1.Capacity_Intake(aankomstv1.Capacity_Intake_value[string(c.Intake)]),
			WaitBand: aankomstv1.WaitBand_Value(c.Wait), AsOf: c.CapacityOn,
		}
	}
	return message
}

// centreField is a field of a centre that can be changed, by its name in the proto.
type centreField struct {
	path string
	set  func(*store.Centre, *aankomstv1.Centre)
}

var centreFields = []centreField{
	{"display_name", func(c *store.Centre, m *aankomstv1.Centre) { c.Name = m.GetDisplayName() }},
	{"type", func(c *store.Centre, m *aankomstv1.Centre) { c.Type = store.CentreType(m.GetType().String()) }},
	{"region", func(c *store.Centre, m *aankomstv1.Centre) { c.Region = m.GetRegion() }},
	{"town", func(c *store.Centre, m *aankomstv1.Centre) { c.Town = m.GetTown() }},
	{"phone", func(c *store.Centre, m *aankomstv1.Centre) { c.Phone = m.GetPhone() }},
	{"email", func(c *store.Centre, m *aankomstv1.Centre) { c.Email = m.GetEmail() }},
	{"website", func(c *store.Centre, m *aankomstv1.Centre) { c.Website = m.GetWebsite() }},
	{"languages", func(c *store.Centre, m *aankomstv1.Centre) { c.Languages = m.GetLanguages() }},
}

var (
	chosenID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	language = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	phone    = regexp.MustCompile(`^\+?[0-9][0-9 /.()-]{3,28}$`)
)

// maxCentreText is the longest text in a centre, in characters.
const maxCentreText = 120

// CheckCentre refuses a centre that people could not read or reach. Its errors name the field and may
// be shown.
func CheckCentre(c store.Centre) error {
	types := []store.CentreType{store.TypeCAW, store.TypeCGG, store.TypeUFC, store.TypeOther}
	switch {
	case !chosenID.MatchString(c.ID):
		return invalid("centre.id", "the id of a centre is 1 to 40 of a-z, 0-9 and hyphen, such as cgg-gent; not %q", clip(c.ID))
	case strings.TrimSpace(c.Name) == "":
		return invalid("centre.display_name", "give the centre %s a name", c.ID)
	case !slices.Contains(types, c.Type):
		return invalid("centre.type", "the type of the centre %s is one of CAW, CGG, UFC, OTHER", c.ID)
	case c.Phone != "" && !phone.MatchString(c.Phone):
		return invalid("centre.phone", "the telephone number of the centre %s is not one", c.ID)
	case c.Email != "" && !validEmail(c.Email):
		return invalid("centre.email", "the e-mail address of the centre %s is not one", c.ID)
	case c.Website != "" && !validWebsite(c.Website):
		return invalid("centre.website", "the website of the centre %s must begin with https://", c.ID)
	}
	for field, text := range map[string]string{
		"display_name": c.Name, "region": c.Region, "town": c.Town, "email": c.Email, "website": c.Website,
	} {
		if !printable(text, maxCentreText) {
			return invalid("centre."+field, "the %s of the centre %s takes at most %d printable characters", field, c.ID, maxCentreText)
		}
	}
	for _, tag := range c.Languages {
		if !language.MatchString(tag) || len(c.Languages) > 30 {
			return invalid("centre.languages", "the languages of the centre %s are tags such as nl, fr or ar", c.ID)
		}
	}
	return nil
}

// printable reports whether a text can be shown to people and has no more characters than most.
func printable(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func validEmail(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text
}

func validWebsite(text string) bool {
	address, err := url.Parse(text)
	return err == nil && address.Scheme == "https" && address.Host != ""
}

// clip shortens what somebody sent before it is said back.
func clip(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return fmt.Sprintf("%s…", string([]rune(text)[:most]))
}
