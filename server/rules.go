package server

import (
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/store"
)

// rule says who may call a method, as its proto declares.
type rule struct {
	public  bool
	health  bool // of grpc's own health service
	roles   map[store.Role]bool
	logged  bool
	seats   bool
	fresh   bool
	devices bool
	noted   bool
}

// rulesOf reads the rules of every method that a gRPC server serves, by full method name. A method
// that declares nothing gets a rule that refuses everyone.
func rulesOf(services map[string]grpc.ServiceInfo) (map[string]rule, error) {
	rules := map[string]rule{}
	for name, service := range services {
		if name == grpc_health_v1.Health_ServiceDesc.ServiceName {
			for _, method := range service.Methods {
				rules["/"+name+"/"+method.Name] = rule{public: true, health: true}
			}
			continue
		}
		descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, fmt.Errorf("reading the rules of %s: %w", name, err)
		}
		methods := descriptor.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			rules["/"+name+"/"+string(methods.Get(i).Name())] = ruleOf(methods.Get(i))
		}
	}
	return rules, nil
}

func ruleOf(method protoreflect.MethodDescriptor) rule {
	declared, _ := proto.GetExtension(method.Options(), aankomstv1.E_Access).(*aankomstv1.Access)
	r := rule{
		public: declared.GetPublic(), logged: declared.GetLogged(), roles: map[store.Role]bool{},
		seats: declared.GetSeats() || declared.GetFresh(), fresh: declared.GetFresh(), devices: declared.GetDevices(), noted: declared.GetNoted(),
	}
	for _, role := range declared.GetRoles() {
		// The names of the roles are the same in the proto and in the store.
		r.roles[store.Role(role.String())] = true
	}
	return r
}

// notes reports whether that a caller called the method is noted as the last use of the token.
func (r rule) notes(caller access.Principal) bool {
	quiet := caller.Role == store.RoleCounsellor || caller.Role == store.RoleIntake
	return caller.Kind == access.Machine && (r.noted || !quiet)
}

// allow returns the problem with a caller who may not call the method now; nil when the caller may.
func (r rule) allow(caller access.Principal, now time.Time) *problem {
	switch {
	case !r.roles[caller.Role]:
		return &problem{
			code: codes.PermissionDenied, reason: "ROLE_NOT_ALLOWED",
			message: fmt.Sprintf("the role %s may not do this; sign in as another, or use its token", caller.Role),
		}
	case caller.Kind == access.Device && !r.devices:
		return errDevice
	case caller.Kind != access.Seat && r.seats:
		return errNoSeat
	case r.fresh && !now.Before(caller.FreshUntil()):
		return errNotFresh
	}
	return nil
}
