package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
	"diffuse/internal/index"
	"diffuse/internal/run"
	"diffuse/internal/train"
	"diffuse/internal/web"
)

// BenchRecordOptions are the options of diffuse bench record.
type BenchRecordOptions struct {
	IO     *IO
	Global *Global
	Count  int // runs
	Points int // steps of each
}

// BenchRecordResult is what keeping and showing records costs.
type BenchRecordResult struct {
	What     string  `json:"what"` // "record"
	CPU      string  `json:"cpu"`
	Runs     int     `json:"runs"`
	Points   int     `json:"points"`        // of each run
	LogStepS float64 `json:"log_step_s"`    // to log one step
	LogBytes int64   `json:"log_bytes"`     // of one run's log
	IngestS  float64 `json:"ingest_s"`      // to read all logs into a new index
	IngestPS float64 `json:"ingest_per_s"`  // steps a second
	PageS    float64 `json:"page_s"`        // the page's own files
	RunsS    float64 `json:"runs_answer_s"` // /api/runs
	SeriesS  float64 `json:"series_s"`      // /api/series of all runs' loss
	OpenS    float64 `json:"open_s"`        // these three together
}

// newBenchRecord is `diffuse bench record`.
func newBenchRecord(stdio *IO, g *Global) *cobra.Command {
	o := &BenchRecordOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Time the record: logging a step, indexing runs, opening the dashboard",
		Long: help(`Make runs of many steps in a temporary folder (a gigabyte by default) and measure
what the record costs: logging one step, reading all logs into a new index, and
what the dashboard asks for when it opens with the losses of all runs drawn over
each other. Of what is asked the median of five is shown.`, fault.Interrupted),
		Example: `  diffuse bench record
  diffuse bench record --count 10 --points 10000 --json`,
		Args: noArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error { return benchRecord(cmd.Context(), o) },
	}
	cmd.Flags().IntVar(&o.Count, "count", 50, "how many runs")
	cmd.Flags().IntVar(&o.Points, "points", 100_000, "steps of each run")
	return cmd
}

func benchRecord(ctx context.Context, o *BenchRecordOptions) error {
	if o.Count < 1 || o.Count > 1000 || o.Points < 1 || o.Points > 10_000_000 {
		return fault.New(fault.Usage, "", "--count must be from 1 to 1000 and --points from 1 to 10000000")
	}
	dir, err := os.MkdirTemp("", "diffuse-bench-")
	if err != nil {
		return fmt.Errorf("bench record: %w", err)
	}
	defer os.RemoveAll(dir)
	r := BenchRecordResult{What: "record", CPU: thisMachine().CPU, Runs: o.Count, Points: o.Points}
	if err := o.logRuns(ctx, dir, &r); err != nil {
		return err
	}
	x, err := index.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer x.Close()
	o.Global.Log.Info("indexing", "steps", o.Count*o.Points)
	began := time.Now()
	if _, err := x.Refresh(ctx); err != nil {
		return err
	}
	r.IngestS = time.Since(began).Seconds()
	r.IngestPS = float64(o.Count) * float64(o.Points) / r.IngestS
	if err := timeDashboard(ctx, x, &r); err != nil {
		return err
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	_, err = fmt.Fprintf(o.IO.Out, `record of %d runs of %s steps
  log        %.2f µs a step: less than 1 %% of any step that takes more than %.2g ms
  index      %s steps/s, %.1f s for all
  opening    %.0f ms: the page %.0f, its runs %.0f, the losses of all runs %.0f
`, r.Runs, thousands(r.Points), 1e6*r.LogStepS, 1e5*r.LogStepS, thousands(int(r.IngestPS)), r.IngestS,
		1e3*r.OpenS, 1e3*r.PageS, 1e3*r.RunsS, 1e3*r.SeriesS)
	return err
}

// logRuns logs the first run's steps as training does, timed; the other runs have
// copies of its log.
func (o *BenchRecordOptions) logRuns(ctx context.Context, dir string, r *BenchRecordResult) error {
	c, err := o.Global.LoadConfig("quick.yaml")
	if err != nil {
		return err
	}
	var first run.Folder
	for i := range o.Count {
		if ctx.Err() != nil {
			return fault.New(fault.Interrupted, "", "interrupted")
		}
		f, lock, err := run.Create(dir, fmt.Sprintf("run-%03d", i), "", c.YAML())
		if err != nil {
			return err
		}
		lock.Release()
		if i > 0 {
			if err := copyLog(first, f); err != nil {
				return err
			}
			continue
		}
		first = f
		if r.LogStepS, err = logSteps(ctx, f, o.Points); err != nil {
			return err
		}
	}
	info, err := os.Stat(first.LogPath())
	if err != nil {
		return err
	}
	r.LogBytes = info.Size()
	return nil
}

// logSteps logs a run of so many steps and says what one of them took.
func logSteps(ctx context.Context, f run.Folder, n int) (seconds float64, err error) {
	const batch, perEpoch = 16, 1000
	log, err := run.OpenLog(f, run.Origin{Machine: thisMachine()})
	if err != nil {
		return 0, err
	}
	defer log.Close()
	if err := log.Observe(ctx, train.Started{Total: n, StepsPerEpoch: perEpoch, TrainImages: batch * perEpoch, Workers: 1}); err != nil {
		return 0, err
	}
	began := time.Now()
	for i := range n {
		x := float64(i)
		err := log.Observe(ctx, train.Step{
			Step: i + 1, Total: n, Epoch: 1 + i/perEpoch, Images: batch,
			Loss: (1 + .1*math.Sin(17*x)) / (1 + x/100), LR: 1e-3, GradNorm: 1 + math.Cos(x), Seconds: .025,
		})
		if err != nil {
			return 0, err
		}
	}
	seconds = time.Since(began).Seconds() / float64(n)
	return seconds, log.End(n, run.Finished, nil)
}

func copyLog(from, to run.Folder) error {
	text, err := os.Open(from.LogPath())
	if err != nil {
		return err
	}
	defer text.Close()
	file, err := os.Create(to.LogPath())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, text)
	return errors.Join(err, file.Close())
}

// timeDashboard serves the runs on this machine and asks for what the page does.
func timeDashboard(ctx context.Context, x *index.Index, r *BenchRecordResult) error {
	server, err := web.New(web.Config{Index: x, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(serving, listener) }()
	base := "http://" + listener.Addr().String()
	query := url.Values{"metric": {"loss"}, "width": {"600"}, "runs": {""}}
	for i := range r.Runs {
		if i > 0 {
			query["runs"][0] += ","
		}
		query["runs"][0] += fmt.Sprintf("run-%03d", i)
	}
	err = errors.Join(
		timed(&r.PageS, func() error { return fetchPage(ctx, base) }),
		timed(&r.RunsS, func() error { _, err := fetch(ctx, base+"/api/runs"); return err }),
		timed(&r.SeriesS, func() error { _, err := fetch(ctx, base+"/api/series?"+query.Encode()); return err }),
	)
	r.OpenS = r.PageS + r.RunsS + r.SeriesS
	stop()
	return errors.Join(err, <-ended)
}

// timed is the median time of five tries of do.
func timed(seconds *float64, do func() error) error {
	var took []float64
	for range 5 {
		began := time.Now()
		if err := do(); err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
	}
	*seconds = medianOf(took)
	return nil
}

// asset finds what the page loads: the files that it names.
var asset = regexp.MustCompile(`(?:src|href)="(/?assets/[^"]+)"`)

// fetchPage loads the page and the files that it names.
func fetchPage(ctx context.Context, base string) error {
	page, err := fetch(ctx, base+"/")
	if err != nil {
		return err
	}
	for _, m := range asset.FindAllSubmatch(page, -1) {
		if _, err := fetch(ctx, base+"/"+strings.TrimPrefix(string(m[1]), "/")); err != nil {
			return err
		}
	}
	return nil
}

// fetch is what an address answers.
func fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", req.URL.Path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
