package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"aankomst/server/access"
)

// envPrefix begins the name of every environment variable that is a setting.
const envPrefix = "AANKOMST"

// tokenVariable holds a client's token. It is no flag, since arguments can be seen by others.
const tokenVariable = envPrefix + "_TOKEN"

// Settings are what every command knows. A flag, an environment variable and a key of the configuration
// file of the same name are the same setting.
type Settings struct {
	Config   string `help:"JSON file of settings: flag names as keys. Unknown keys are refused." placeholder:"FILE"`
	Data     string `help:"Folder of the embedded store." default:"${data}" placeholder:"FOLDER"`
	Keys     string `help:"Folder of the keys, mode 0700; put it on an encrypted volume, apart from backups. By default: keys in the data folder." placeholder:"FOLDER"`
	JSON     bool   `name:"json" help:"Print results as JSON."`
	LogLevel string `help:"How much is logged: debug, info, warn, error. No level logs anything of a referral or an arrival." enum:"debug,info,warn,error" default:"info"`
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
		"per_minute": fmt.Sprint(access.DefaultLimits.PerMinute), "per_day": fmt.Sprint(access.DefaultLimits.PerDay),
	}
}

// configFile resolves flags from the file that --config names. Flags and environment variables go
// before it.
type configFile struct {
	path   string
	values map[string]any
}

// Validate refuses keys that are no setting.
func (f *configFile) Validate(application *kong.Application) error {
	known := flagNames(application.Node)
	for key := range f.values {
		if _, ok := known[key]; !ok {
			return fmt.Errorf("%s: there is no setting %q", f.path, key)
		}
	}
	return nil
}

// Resolve returns a flag's value from the file, or nil.
func (f *configFile) Resolve(parsed *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if err := f.load(configPath(parsed)); err != nil {
		return nil, err
	}
	for _, variable := range flag.Envs {
		if _, set := os.LookupEnv(variable); set {
			return nil, nil
		}
	}
	return f.values[flag.Name], nil
}

// load reads the file once.
func (f *configFile) load(path string) error {
	if path == "" || path == f.path {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	if err := json.Unmarshal(content, &f.values); err != nil {
		return fmt.Errorf("%s is not a JSON object of settings: %w", path, err)
	}
	f.path = path
	return nil
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
	known := []string{tokenVariable}
	for _, variables := range flagNames(application.Node) {
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

// flagNames returns the names of all flags of a command and those below it, with their environment
// variables.
func flagNames(node *kong.Node) map[string][]string {
	names := map[string][]string{}
	for _, flag := range node.Flags {
		names[flag.Name] = flag.Envs
	}
	for _, child := range node.Children {
		for name, variables := range flagNames(child) {
			names[name] = variables
		}
	}
	delete(names, "help")
	return names
}

var (
	// errUsage is wrapped by errors of usage and input.
	errUsage = errors.New("wrong usage")
	// errRefused is wrapped when something is refused that was well asked.
	errRefused = errors.New("refused")
)
