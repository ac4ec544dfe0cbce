package cli

import (
	"cmp"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
)

// Global are the options that every command has. They are complete when a
// command's RunE begins.
type Global struct {
	JSON    bool   // results as JSON on stdout, errors as JSON on stderr
	Runs    string // the folder of runs
	Data    string // the folder of data sets; empty where none was named
	Device  string // "auto" or "cpu"
	Kernels string // "auto" or the name of a kernel set
	Workers int    // goroutines that compute; at least 1
	Verbose bool
	Quiet   bool

	Log *slog.Logger // to stderr, at the level that -v and -q ask for

	set []string // --set
	env []string
}

// addFlags registers the options on the root command, with the variables'
// values as defaults, so that a flag wins over its variable.
func (g *Global) addFlags(root *cobra.Command, stdio *IO) {
	g.env = stdio.Env
	f := root.PersistentFlags()
	f.BoolVar(&g.JSON, "json", false, "print results as JSON on stdout, errors as JSON on stderr")
	f.StringVar(&g.Runs, "runs", cmp.Or(g.lookup("DIFFUSE_RUNS"), "runs"), "folder of runs (variable DIFFUSE_RUNS)")
	f.StringVar(&g.Data, "data", g.lookup("DIFFUSE_DATA"), "folder that holds fashion-mnist/ and cifar-10/ (variable DIFFUSE_DATA)")
	f.StringVar(&g.Device, "device", cmp.Or(g.lookup("DIFFUSE_DEVICE"), "auto"), "where to compute: auto or cpu (variable DIFFUSE_DEVICE)")
	f.StringVar(&g.Kernels, "kernels", cmp.Or(g.lookup("DIFFUSE_KERNELS"), "auto"), "which instructions to compute with: auto, portable, avx2, avx512, amx (variable DIFFUSE_KERNELS)")
	f.IntVar(&g.Workers, "workers", 0, "goroutines that compute, 0 is one for each core (variable DIFFUSE_WORKERS)")
	f.BoolVarP(&g.Verbose, "verbose", "v", false, "log more")
	f.BoolVarP(&g.Quiet, "quiet", "q", false, "log errors only, show no progress")
	root.MarkFlagsMutuallyExclusive("verbose", "quiet")
	complete(root, "device", "auto\twhatever is fastest", "cpu\tthe CPU")
	complete(root, "kernels", "auto\tthe fastest", "portable\tplain Go", "avx2\tAVX2 and FMA", "avx512\tAVX-512 F, DQ, BW and VL", "amx\tthese and AMX-BF16")
	completeFolders(root, "runs")
	completeFolders(root, "data")
}

// finish checks the options and opens the log, before any command runs.
func (g *Global) finish(flags *pflag.FlagSet, stdio *IO) error {
	if err := config.CheckEnv(g.env); err != nil {
		return err
	}
	if g.Device != "auto" && g.Device != "cpu" {
		return fault.New(fault.Usage, "", "%s: must be auto or cpu, got %q", g.origin(flags, "device"), g.Device)
	}
	if err := kernel.Choose(g.Kernels); err != nil {
		return fault.New(fault.Usage, "", "%s: %w", g.origin(flags, "kernels"), err)
	}
	if text := g.lookup("DIFFUSE_WORKERS"); text != "" && !flags.Changed("workers") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fault.New(fault.Usage, "", "DIFFUSE_WORKERS: must be a whole number, got %q", text)
		}
		g.Workers = n
	}
	if g.Workers < 0 || g.Workers > 1024 {
		return fault.New(fault.Usage, "", "%s: must be from 0 to 1024, got %d", g.origin(flags, "workers"), g.Workers)
	}
	g.Workers = cmp.Or(g.Workers, runtime.GOMAXPROCS(0))
	g.Log = logger(stdio.Err, g.Verbose, g.Quiet)
	return nil
}

// origin says whether an option's value comes from its flag or its variable.
func (g *Global) origin(flags *pflag.FlagSet, name string) string {
	variable := config.EnvPrefix + strings.ToUpper(name)
	if !flags.Changed(name) && g.lookup(variable) != "" {
		return variable
	}
	return "--" + name
}

// lookup is a variable's value, empty where it is not set.
func (g *Global) lookup(name string) string {
	for _, e := range g.env {
		if key, value, _ := strings.Cut(e, "="); key == name {
			return value
		}
	}
	return ""
}

// runsFlag repeats --runs in a command to type, where it is needed.
func (g *Global) runsFlag() string {
	if g.Runs == cmp.Or(g.lookup("DIFFUSE_RUNS"), "runs") {
		return ""
	}
	return " --runs " + shellWord(g.Runs)
}

// dataFlag repeats --data in a command to type, where it is needed.
func (g *Global) dataFlag() string {
	if g.Data == g.lookup("DIFFUSE_DATA") {
		return ""
	}
	return " --data " + shellWord(g.Data)
}

// LoadConfig resolves the config called name (a path or a bare name) under the
// variables, --set and a command's own flags (see FlagOverrides).
func (g *Global) LoadConfig(name string, flags ...config.Override) (*config.Resolved, error) {
	return config.Load(config.LoadOptions{File: name, Env: g.env, Set: g.set, Flags: flags})
}

// AddSetFlag gives cmd --set key=value, which LoadConfig reads.
func (g *Global) AddSetFlag(cmd *cobra.Command) {
	// Not a slice flag, which would cut model.channels=16,32 at the comma.
	cmd.Flags().StringArrayVar(&g.set, "set", nil, "set a config `key=value`, such as train.lr=3e-4 (repeatable)")
	must(cmd.RegisterFlagCompletionFunc("set", completeKeys))
}

// AddConfigFlag gives cmd --config NAME; its default is the quick config.
func AddConfigFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVarP(name, "config", "c", "quick.yaml", "config `file`, or the name of one in ./configs or in the binary")
	must(cmd.RegisterFlagCompletionFunc("config", beside(config.Embedded)))
}

// FlagOverrides are the config values that a command's flags were given: keys
// maps a flag's name to the key it sets. A flag left alone overrides nothing.
func FlagOverrides(flags *pflag.FlagSet, keys map[string]string) []config.Override {
	var all []config.Override
	flags.Visit(func(f *pflag.Flag) { // in the names' order
		if key, ok := keys[f.Name]; ok {
			all = append(all, config.Override{Key: key, Value: f.Value.String(), From: config.Source("--" + f.Name)})
		}
	})
	return all
}

// logger writes lines such as `level=INFO msg="epoch 3" loss=0.04`. There are
// no times in them, so that equal runs log equal lines; -v adds times.
func logger(w io.Writer, verbose, quiet bool) *slog.Logger {
	level := slog.LevelInfo
	switch {
	case verbose:
		level = slog.LevelDebug
	case quiet:
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey && !verbose {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// must panics on an error that only a wrong program makes.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// kernelsIn is the kernel set that was chosen, in a config's precision.
func kernelsIn(precision string) *kernel.Set { return kernel.Best().In(kernel.Precision(precision)) }

// checkPrecision refuses what a flag calls a precision and is none.
func checkPrecision(flag, precision string) error {
	if p := kernel.Precision(precision); p != kernel.FP32 && p != kernel.BF16 {
		return fault.New(fault.Usage, "", "%s: must be fp32 or bf16, got %q", flag, precision)
	}
	return nil
}
