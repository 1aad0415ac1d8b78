package server

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// The methods of a service that is made when the tests run, and what they declare.
var madeMethods = map[string]*aankomstv1.Access{
	"Undeclared":  nil,
	"Empty":       {},
	"LoggedOnly":  {Logged: true},
	"Unspecified": {Roles: []aankomstv1.Access_Role{aankomstv1.Access_ROLE_UNSPECIFIED}},
	"Unheard":     {Roles: []aankomstv1.Access_Role{99}},
	"Counsellor":  {Roles: []aankomstv1.Access_Role{aankomstv1.Access_COUNSELLOR}},
	"Public":      {Public: true},
}

const madeService = "aankomst.internaltest.Made"

// madeRules registers the service as generated code would, and reads its rules.
func madeRules(t *testing.T) map[string]rule {
	t.Helper()
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Made")}
	info := grpc.ServiceInfo{}
	for name, declared := range madeMethods {
		options := new(descriptorpb.MethodOptions)
		if declared != nil {
			proto.SetExtension(options, aankomstv1.E_Access, declared)
		}
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), Options: options,
			InputType: proto.String(".aankomst.internaltest.Nothing"), OutputType: proto.String(".aankomst.internaltest.Nothing"),
		})
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: name})
	}
	if _, err := protoregistry.GlobalFiles.FindDescriptorByName(madeService); err != nil {
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: proto.String("aankomst/internaltest/made.proto"), Package: proto.String("aankomst.internaltest"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Nothing")}},
			Service:     []*descriptorpb.ServiceDescriptorProto{service},
		}, protoregistry.GlobalFiles)
		if err != nil {
			t.Fatal(err)
		}
		if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := rulesOf(map[string]grpc.ServiceInfo{madeService: info})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// emptyServer returns a server on an empty store, which is enough for what comes before a handler.
func emptyServer(t *testing.T) *Server {
	t.Helper()
	path, key := filepath.Join(t.TempDir(), "aankomst.db"), [32]byte{1}
	if _, err := sqlite.Migrate(t.Context(), path, key); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), path, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	clock := func() time.Time { return time.Date(2026, time.May, 4, 12, 0, 0, 0, calendar.Brussels) }
	folder, err := cohort.OpenFolder(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := NewKeeper(s, folder, release.Current, clock)
	if err != nil {
		t.Fatal(err)
	}
	served, err := New(Deps{
		Store: s, Keeper: keeper, Policy: release.Current, Limits: access.DefaultLimits, Clock: clock, Log: slog.New(slog.DiscardHandler),
		Origin: "http://localhost:8080", Pages: fstest.MapFS{},
	})
	if err != nil {
		t.Fatal(err)
	}
	served.door = access.NewDoor(s, clock)
	t.Cleanup(served.door.Close)
	return served
}

// asRole returns the context of a call that brings a token of a role.
func asRole(t *testing.T, s *Server, role store.Role) context.Context {
	t.Helper()
	request := access.Request{Label: "test", Role: role, Validity: time.Hour}
	if role == store.RoleIntake {
		request.Centre = "cgg-a"
		if err := s.deps.Store.CreateCentre(t.Context(), store.Centre{ID: "cgg-a", Name: "A", Type: store.TypeCGG}); err != nil {
			t.Fatal(err)
		}
	}
	secret, _, err := access.CreateToken(t.Context(), s.deps.Store, request, s.deps.Clock())
	if err != nil {
		t.Fatal(err)
	}
	return metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+secret))
}

// Whoever forgets the option, or a role in it, must end with a method that nobody can call.
func TestAPIMethodWithoutAccessIsRefusedToEveryone(t *testing.T) {
	t.Parallel()
	s := emptyServer(t)
	s.rules = madeRules(t)
	methods := []string{"Unregistered"}
	for name := range madeMethods {
		methods = append(methods, name)
	}
	for _, role := range []store.Role{store.RoleCounsellor, store.RoleIntake, store.RoleCoordinator, store.RoleAdministrator} {
		ctx := asRole(t, s, role)
		for _, name := range methods {
			reached := false
			_, err := s.authorize(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/" + madeService + "/" + name},
				func(context.Context, any) (any, error) { reached = true; return nil, nil })
			want := name == "Public" || name == "Counsellor" && role == store.RoleCounsellor
			if reached != want {
				t.Errorf("%s as %s: reached is %t, want %t", name, role, reached, want)
			}
			if translated, _ := toStatus(err); !want && translated.Code() != codes.PermissionDenied {
				t.Errorf("%s as %s: %v", name, role, translated)
			}
		}
	}
	// Without a token nothing but the public method is reached.
	for _, name := range methods {
		_, err := s.authorize(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/" + madeService + "/" + name},
			func(context.Context, any) (any, error) { return nil, nil })
		translated, _ := toStatus(err)
		if want := map[bool]codes.Code{true: codes.OK, false: codes.Unauthenticated}[name == "Public"]; translated.Code() != want {
			t.Errorf("%s without a token: %v", name, translated)
		}
	}
}

func TestAPIRulesSayWhatIsDeclared(t *testing.T) {
	t.Parallel()
	rules := madeRules(t)
	for name, want := range map[string]rule{
		"Undeclared":  {roles: map[store.Role]bool{}},
		"Empty":       {roles: map[store.Role]bool{}},
		"LoggedOnly":  {logged: true, roles: map[store.Role]bool{}},
		"Unspecified": {roles: map[store.Role]bool{"ROLE_UNSPECIFIED": true}},
		"Unheard":     {roles: map[store.Role]bool{"99": true}},
		"Counsellor":  {roles: map[store.Role]bool{store.RoleCounsellor: true}},
		"Public":      {public: true, roles: map[store.Role]bool{}},
	} {
		got := rules["/"+madeService+"/"+name]
		if got.public != want.public || got.logged != want.logged || len(got.roles) != len(want.roles) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		for role := range want.roles {
			if !got.roles[role] {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	}
	if _, err := rulesOf(map[string]grpc.ServiceInfo{"aankomst.internaltest.Unknown": {}}); err == nil {
		t.Error("a service without a descriptor gave no error")
	}
}

// Every service of the contract must be served, and nothing else but the health service.
func TestAPIServesTheContract(t *testing.T) {
	t.Parallel()
	rpc, err := emptyServer(t).grpcServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	served := rpc.GetServiceInfo()
	if _, ok := served[grpc_health_v1.Health_ServiceDesc.ServiceName]; !ok {
		t.Error("the health service is not served")
	}
	delete(served, grpc_health_v1.Health_ServiceDesc.ServiceName)
	var declared []string
	protoregistry.GlobalFiles.RangeFilesByPackage("aankomst.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			declared = append(declared, string(file.Services().Get(i).FullName()))
		}
		return true
	})
	for _, name := range declared {
		if _, ok := served[name]; !ok {
			t.Errorf("%s is declared and not served", name)
		}
	}
	for name := range served {
		if !slices.Contains(declared, name) {
			t.Errorf("%s is served and not declared", name)
		}
	}
}

// A method that nothing implements yet answers so, and not with what grpc would say.
func TestAPIUnimplemented(t *testing.T) {
	t.Parallel()
	_, err := aankomstv1.UnimplementedArrivalServiceServer{}.UndoArrival(t.Context(), nil)
	if s, fault := toStatus(err); fault || s.Code() != codes.Unimplemented || len(s.Details()) == 0 {
		t.Errorf("%v, a fault: %t", s, fault)
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("generated code answers %v", err)
	}
}
