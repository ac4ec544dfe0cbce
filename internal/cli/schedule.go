package cli

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/plot"
	"diffuse/internal/schedule"
)

// ScheduleOptions are the options of diffuse schedule.
type ScheduleOptions struct {
	IO     *IO
	Global *Global
	Config string   // empty where none was named
	Specs  []string // KIND[:BETAMAX] or KIND:BETAMIN..BETAMAX
	Out    string
	Strip  string
}

// lessonSpecs are the schedules that the lesson compares (notebooks 19 and 22).
var lessonSpecs = []string{"linear:0.02", "linear:0.01", "cosine"}

// NewSchedule is `diffuse schedule`, which shows noise schedules.
func NewSchedule(stdio *IO, g *Global) *cobra.Command {
	o := &ScheduleOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "schedule [KIND[:[BETAMIN..]BETAMAX] ...]",
		Short: "Plot and print noise schedules",
		Long: help(`Plot alphabar, its slope and the logarithm of the signal-to-noise ratio of
schedules side by side, and print their table: that of a config, those that are
named, or else those that the lesson compares. The kinds are linear,
scaled_linear, cosine, squaredcos_cap_v2 and sigmoid; the first two and the last
take betamax, or betamin..betamax.

--strip also draws real images under the noise of each schedule, from the first
step to the last: those of the config's data set where --data holds it, else of
the Fashion-MNIST extract in the binary.`, fault.Data),
		Example: `  diffuse schedule
  diffuse schedule linear:0.02 linear:0.012 cosine --out schedules.svg
  diffuse schedule --config fashion.yaml squaredcos_cap_v2 --strip strip.png
  diffuse schedule scaled_linear:0.00085..0.012 --json`,
		ValidArgs: []string{"linear", "scaled_linear", "cosine", "squaredcos_cap_v2", "sigmoid"},
		Args:      cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			o.Specs = args
			return scheduleRun(o)
		},
	}
	cmd.Flags().StringVarP(&o.Config, "config", "c", "", "show the schedule of a config `file` first, and vary it")
	must(cmd.RegisterFlagCompletionFunc("config", beside(config.Embedded)))
	g.AddSetFlag(cmd)
	cmd.Flags().StringVarP(&o.Out, "out", "o", "schedules.png", "write the plot to `FILE`.png or .svg; empty draws none")
	cmd.Flags().StringVar(&o.Strip, "strip", "", "write noised images to `FILE`.png")
	return cmd
}

func scheduleRun(o *ScheduleOptions) error {
	if o.Out != "" {
		if err := plot.CheckChartPath(o.Out); err != nil {
			return err
		}
	}
	if o.Strip != "" && !strings.HasSuffix(o.Strip, ".png") {
		return fault.New(fault.Usage, "", "--strip: %s must end in .png", o.Strip)
	}
	shown, base, err := o.schedules()
	if err != nil {
		return err
	}
	if o.Out != "" {
		if err := plot.WriteCharts(o.Out, scheduleCharts(shown)...); err != nil {
			return err
		}
	}
	if o.Strip != "" {
		if err := writeStrip(o, shown, base); err != nil {
			return err
		}
	}
	for _, s := range shown {
		if warning := s.leavesSignal(); warning != "" {
			o.Global.Log.Warn(warning)
		}
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(scheduleAnswer(o, shown))
	}
	return printSchedules(o, shown)
}

// shownSchedule is a schedule and what to call it.
type shownSchedule struct {
	label string
	conf  config.Schedule
	*schedule.Schedule
}

// schedules are those to show, with the config that they vary.
func (o *ScheduleOptions) schedules() ([]shownSchedule, *config.Resolved, error) {
	base, err := o.Global.LoadConfig(o.Config)
	if err != nil {
		return nil, nil, err
	}
	specs := o.Specs
	var confs []config.Schedule
	switch {
	case o.Config != "":
		confs = append(confs, base.Schedule)
	case len(specs) == 0:
		specs = lessonSpecs
	}
	for _, spec := range specs {
		c, err := o.parseSpec(spec)
		if err != nil {
			return nil, nil, err
		}
		confs = append(confs, c)
	}
	shown := make([]shownSchedule, len(confs))
	for i, c := range confs {
		s, err := schedule.New(c)
		if err != nil {
			return nil, nil, err
		}
		shown[i] = shownSchedule{scheduleLabel(c), c, s}
	}
	return shown, base, nil
}

// parseSpec reads KIND, KIND:BETAMAX or KIND:BETAMIN..BETAMAX over the config,
// and leaves it to the config's rules to judge the values.
func (o *ScheduleOptions) parseSpec(spec string) (config.Schedule, error) {
	from := config.Source(fmt.Sprintf("argument %q", spec))
	kind, betas, given := strings.Cut(spec, ":")
	over := []config.Override{
		{Key: "schedule.kind", Value: kind, From: from},
		{Key: "schedule.continuous", Value: "false", From: from},
	}
	if given && hasBetas(kind) {
		betamin, betamax, both := strings.Cut(betas, "..")
		if both {
			over = append(over, config.Override{Key: "schedule.betamin", Value: betamin, From: from})
		} else {
			betamax = betas
		}
		over = append(over, config.Override{Key: "schedule.betamax", Value: betamax, From: from})
	}
	r, err := o.Global.LoadConfig(o.Config, over...)
	switch {
	case err != nil:
		return config.Schedule{}, err
	case given && !hasBetas(kind):
		return config.Schedule{}, fault.New(fault.Usage, "diffuse schedule "+kind, "%s: %s takes no betas", from, kind)
	}
	return r.Schedule, nil
}

// hasBetas says whether a kind is defined by its first and last beta.
func hasBetas(kind string) bool {
	return kind == "linear" || kind == "scaled_linear" || kind == "sigmoid"
}

// scheduleLabel names a schedule as a spec does.
func scheduleLabel(c config.Schedule) string {
	switch {
	case hasBetas(c.Kind):
		return fmt.Sprintf("%s %g..%g", c.Kind, c.BetaMin, c.BetaMax)
	case c.Continuous:
		return c.Kind + " (continuous t)"
	}
	return c.Kind
}

// signalLimit is the alphabar that a schedule may end at. x_T still holds
// sqrt(alphabar_T)·x_0, whose length for a 32×32 image of ±1 is
// sqrt(1024·alphabar_T). Above 1/1024 that is more than a standard deviation of
// the noise along it: the net sees it in training and misses it when sampling.
const signalLimit = 1.0 / 1024

// leavesSignal is a warning where alphabar at T leaves signal, else empty.
func (s shownSchedule) leavesSignal() string {
	end := s.Alphabar[s.T()-1]
	if end <= signalLimit {
		return ""
	}
	return fmt.Sprintf("%s: alphabar ends at %.2g, so %.1f%% of the image's amplitude is left in the last step, but sampling starts from pure noise; raise betamax or the steps",
		s.label, end, 100*math.Sqrt(end))
}

// scheduleCharts are the three panels; the last one, which has the room for it,
// holds the legend of all.
func scheduleCharts(shown []shownSchedule) []plot.Chart {
	charts := []plot.Chart{
		{Title: "alphabar: signal left", XLabel: "t", YLabel: "alphabar(t)"},
		{Title: "slope: signal lost in a step", XLabel: "t", YLabel: "alphabar(t+1) − alphabar(t)"},
		{Title: "log signal-to-noise ratio", XLabel: "t", YLabel: "ln(alphabar / (1 − alphabar))", LegendLeft: true, LegendBottom: true},
	}
	for _, s := range shown {
		last := s.T() - 1
		t := schedule.Linspace(0, float64(last), last+1)
		slope, snr := make([]float64, last), make([]float64, last+1)
		for i, a := range s.Alphabar {
			snr[i] = schedule.LogSNR(a)
			if i < last {
				slope[i] = s.Alphabar[i+1] - a
			}
		}
		for i, y := range [][]float64{s.Alphabar, slope, snr} {
			charts[i].Lines = append(charts[i].Lines, plot.Line{X: t[:len(y)], Y: y})
		}
		charts[2].Lines[len(charts[2].Lines)-1].Label = s.label
	}
	return charts
}

// tableParts are the parts of T that the table shows.
var tableParts = []float64{0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}

func printSchedules(o *ScheduleOptions, shown []shownSchedule) error {
	w := tabwriter.NewWriter(o.IO.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, s := range shown {
		fmt.Fprintf(w, "%s, %d steps\n", s.label, s.T())
		fmt.Fprintf(w, "t\talphabar\tbeta\tSNR\t\n")
		for _, part := range tableParts {
			t := int(math.Round(part * float64(s.T()-1)))
			a := s.Alphabar[t]
			fmt.Fprintf(w, "%d\t%.6f\t%.6f\t%.4g\t\n", t, a, s.Beta[t], a/(1-a))
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, path := range []string{o.Out, o.Strip} {
		if path != "" {
			if _, err := io.WriteString(o.IO.Out, path+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// scheduleJSON is one schedule of the answer of schedule --json: one value for
// each t; log_snr is null where alphabar is 1.
type scheduleJSON struct {
	Name         string     `json:"name"`
	Kind         string     `json:"kind"`
	Steps        int        `json:"steps"`
	BetaMin      float64    `json:"betamin,omitempty"`
	BetaMax      float64    `json:"betamax,omitempty"`
	Continuous   bool       `json:"continuous"`
	LeavesSignal bool       `json:"leaves_signal"`
	Alphabar     []float64  `json:"alphabar"`
	Beta         []float64  `json:"beta"`
	LogSNR       []*float64 `json:"log_snr"`
}

// schedulesJSON is the answer of schedule --json.
type schedulesJSON struct {
	Out       string         `json:"out,omitempty"`
	Strip     string         `json:"strip,omitempty"`
	Schedules []scheduleJSON `json:"schedules"`
}

func scheduleAnswer(o *ScheduleOptions, shown []shownSchedule) schedulesJSON {
	answer := schedulesJSON{Out: o.Out, Strip: o.Strip}
	for _, s := range shown {
		one := scheduleJSON{
			Name: s.label, Kind: s.Kind, Steps: s.T(), Continuous: s.Continuous,
			LeavesSignal: s.leavesSignal() != "",
			Alphabar:     s.Alphabar, Beta: s.Beta, LogSNR: make([]*float64, s.T()),
		}
		if hasBetas(s.Kind) {
			one.BetaMin, one.BetaMax = s.conf.BetaMin, s.conf.BetaMax
		}
		for t, a := range s.Alphabar {
			if v := schedule.LogSNR(a); !math.IsInf(v, 0) {
				one.LogSNR[t] = &v
			}
		}
		answer.Schedules = append(answer.Schedules, one)
	}
	return answer
}
