package main

import (
	"fmt"
	"os"
	"strings"

	"aankomst/server/access"
	"aankomst/server/store"
)

// SSOSettings are those of single sign-on. There is none unless a provider is named.
type SSOSettings struct {
	Issuer      string   `help:"Provider of single sign-on, by OpenID Connect; off when empty. Its redirect URI is the origin with /sign-in/callback." env:"AANKOMST_SSO_ISSUER" placeholder:"URL"`
	ClientID    string   `name:"client-id" help:"What the provider knows this server by." env:"AANKOMST_SSO_CLIENT_ID" placeholder:"ID"`
	SecretFile  string   `help:"File that holds the client secret; AANKOMST_SSO_SECRET, the secret itself, goes before it." env:"AANKOMST_SSO_SECRET_FILE" placeholder:"FILE"`
	RoleClaim   string   `help:"Claim that says the role; ${default} by default." env:"AANKOMST_SSO_ROLE_CLAIM" default:"${role_claim}" placeholder:"NAME"`
	Roles       []string `help:"Which values of that claim give which role, such as helpline=COUNSELLOR." env:"AANKOMST_SSO_ROLES" placeholder:"VALUE=ROLE"`
	CentreClaim string   `help:"Claim that says the centre of an intake worker, by its id; ${default} by default." env:"AANKOMST_SSO_CENTRE_CLAIM" default:"${centre_claim}" placeholder:"NAME"`
}

// settings returns what the server is told, which it can work with. Errors wrap errUsage or access.ErrSSO.
func (s SSOSettings) settings() (access.SSOSettings, error) {
	secret, err := s.secret()
	if err != nil {
		return access.SSOSettings{}, err
	}
	settings := access.SSOSettings{
		Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: secret,
		RoleClaim: s.RoleClaim, CentreClaim: s.CentreClaim, Roles: map[string]store.Role{},
	}
	for _, pair := range s.Roles {
		// The last = is the one that counts: a value may be a distinguished name.
		i := strings.LastIndexByte(pair, '=')
		if i < 0 {
			return access.SSOSettings{}, fmt.Errorf("%w: --sso-roles are VALUE=ROLE, with commas between; not %q", errUsage, pair)
		}
		settings.Roles[pair[:i]] = store.Role(strings.ToUpper(pair[i+1:]))
	}
	return settings, settings.Check()
}

func (s SSOSettings) secret() (string, error) {
	if secret := strings.TrimSpace(os.Getenv(secretVariable)); secret != "" || s.SecretFile == "" {
		return secret, nil
	}
	content, err := os.ReadFile(s.SecretFile)
	if err != nil {
		return "", fmt.Errorf("%w: the client secret of single sign-on cannot be read: %w", errUsage, err)
	}
	return strings.TrimSpace(string(content)), nil
}
