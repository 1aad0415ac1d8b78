package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"aankomst/server/access"
)

// envPrefix begins the name of every environment variable that is a setting.
const envPrefix = "AANKOMST"

// tokenVariable holds a client's token. It is no flag, since arguments can be seen by others.
const tokenVariable = envPrefix + "_TOKEN"

// secretVariable holds the secret that the provider of single sign-on has for the server; no flag, likewise.
const secretVariable = envPrefix + "_SSO_SECRET"

// Settings are what every command knows. A setting is a flag with an environment variable; its key in the
// configuration file is the flag's name. Flags without one belong to a single call: nobody closes a cohort
// or voids a replacement because of what an environment holds.
type Settings struct {
	Config         string   `help:"JSON file of settings: flag names as keys. Unknown keys are refused." env:"AANKOMST_CONFIG" placeholder:"FILE"`
	Data           string   `help:"Folder of the embedded store, and of the keys unless --keys is given; ~/.local/share/aankomst by default." env:"AANKOMST_DATA" default:"${data}" placeholder:"FOLDER"`
	Postgres       string   `help:"Address of a PostgreSQL database to use in place of the embedded store: a URL, or key=value words. Put it in the environment: arguments can be seen by others." env:"AANKOMST_POSTGRES" placeholder:"ADDRESS"`
	PostgresAccept []string `help:"Settings of the database that keep traces and are accepted knowingly, by name, such as archive_mode; see docs/operations.md." env:"AANKOMST_POSTGRES_ACCEPT" placeholder:"NAME,..."`
	Keys           string   `help:"Folder of the keys, mode 0700; put it on an encrypted volume, apart from backups. By default: keys in the data folder." env:"AANKOMST_KEYS" placeholder:"FOLDER"`
	JSON           bool     `name:"json" help:"Print results as JSON." env:"AANKOMST_JSON"`
	LogLevel       string   `help:"How much is logged: debug, info, warn, error. No level logs anything of a referral or an arrival." env:"AANKOMST_LOG_LEVEL" enum:"debug,info,warn,error" default:"info"`
}

// keyFolder returns the folder of the keys.
func (s Settings) keyFolder() string {
	if s.Keys != "" {
		return s.Keys
	}
	return filepath.Join(s.Data, "keys")
}

// logger returns the structured log, on standard error.
func (a *app) logger() *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.LogLevel)); err != nil {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(a.err, &slog.HandlerOptions{Level: level}))
}

// defaults returns the defaults that depend on the machine and on other packages.
func defaults() kong.Vars {
	data, pins := "aankomst", "aankomst-pins.json"
	if home, err := os.UserHomeDir(); err == nil {
		data = filepath.Join(home, ".local", "share", "aankomst")
		pins = filepath.Join(home, ".config", "aankomst", "pins.json")
	}
	return kong.Vars{
		"data": data, "pins": pins,
		"role_claim": access.DefaultRoleClaim, "centre_claim": access.DefaultCentreClaim,
		"per_minute": fmt.Sprint(access.DefaultLimits.PerMinute), "per_day": fmt.Sprint(access.DefaultLimits.PerDay),
	}
}

// configFile resolves settings from the file that --config names. Flags and environment variables go
// before it.
type configFile struct {
	path   string
	loaded bool
	err    error
	values map[string]string
}

// Validate refuses a file that cannot be read, and keys that are no setting.
func (f *configFile) Validate(application *kong.Application) error {
	if f.err != nil {
		return f.err
	}
	known := settingNames(application.Node)
	for key := range f.values {
		if _, ok := known[key]; !ok || key == "config" {
			return fmt.Errorf("%s: there is no setting %q", f.path, key)
		}
	}
	return nil
}

// Resolve returns a setting's value from the file, or nil. Its own errors would be blamed on the flag that
// happens to come first, so they wait for Validate.
func (f *configFile) Resolve(parsed *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !f.loaded {
		f.loaded, f.path = true, configPath(parsed)
		f.values, f.err = readConfig(f.path)
	}
	value, found := f.values[flag.Name]
	if !found || len(flag.Envs) == 0 {
		return nil, nil
	}
	for _, variable := range flag.Envs {
		if _, set := os.LookupEnv(variable); set {
			return nil, nil
		}
	}
	return value, nil
}

// readConfig reads a file of settings; the values are as they would be typed.
func readConfig(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(content, &raw); err != nil {
		return nil, fmt.Errorf("%s is not a JSON object of settings: %w", path, err)
	}
	values := map[string]string{}
	for key, value := range raw {
		text := string(value)
		switch text[0] {
		case '{', '[', 'n':
			return nil, fmt.Errorf("%s: the value of %q must be a string, a number, true or false", path, key)
		case '"':
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fmt.Errorf("%s: the value of %q: %w", path, key, err)
			}
		}
		values[key] = text
	}
	return values, nil
}

// configPath returns what --config or its environment variable names.
func configPath(parsed *kong.Context) string {
	for _, element := range parsed.Path {
		if element.Flag != nil && element.Flag.Name == "config" {
			if path, ok := parsed.FlagValue(element.Flag).(string); ok {
				return path
			}
		}
	}
	return os.Getenv(envPrefix + "_CONFIG")
}

// knownEnvironment refuses environment variables that look like settings and are none: a misspelt one
// would otherwise be passed over.
func knownEnvironment(application *kong.Application, environment []string) error {
	known := []string{tokenVariable, secretVariable}
	for _, variables := range settingNames(application.Node) {
		known = append(known, variables...)
	}
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix+"_") && !slices.Contains(known, name) {
			return fmt.Errorf("%w: there is no setting for the environment variable %s", errUsage, name)
		}
	}
	return nil
}

// passwordInAddress finds a password in the address of a database: in a URL before the host or in its query, or
// among key=value words.
var passwordInAddress = regexp.MustCompile(`(?i)^\s*\w+://[^/?#@]*:[^/?#]+@|(^|[\s?&])(ssl)?password\s*=`)

// checkArguments refuses arguments that hold a password: they can be seen by everyone on the machine.
func checkArguments(path []*kong.Path) error {
	for _, element := range path {
		if element.Flag == nil || element.Flag.Name != "postgres" || element.Resolved {
			continue
		}
		if address, ok := element.Flag.Target.Interface().(string); ok && passwordInAddress.MatchString(address) {
			return fmt.Errorf("%w: --postgres holds a password, and arguments can be seen by others: put the address into %s_POSTGRES, or into the file of settings", errUsage, envPrefix)
		}
	}
	return nil
}

// settingNames returns the names of all settings of a command and those below it, with their environment
// variables.
func settingNames(node *kong.Node) map[string][]string {
	names := map[string][]string{}
	for _, flag := range node.Flags {
		if len(flag.Envs) > 0 {
			names[flag.Name] = flag.Envs
		}
	}
	for _, child := range node.Children {
		maps.Copy(names, settingNames(child))
	}
	return names
}

var (
	// errUsage is wrapped by errors of usage and input.
	errUsage = errors.New("wrong usage")
	// errRefused is wrapped when something is refused that was well asked.
	errRefused = errors.New("refused")
	// errNoToken is returned when a client's command has no token to send.
	errNoToken = errors.New("not signed in: put a token in AANKOMST_TOKEN, or in a file named by --token-file")
)
