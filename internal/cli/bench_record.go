package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/index"
	"diffuse/internal/machine"
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
	Width  int // points of a curve
	Reps   int // openings
}

// RecordResult is what bench record measured.
type RecordResult struct {
	What   string `json:"what"` // "record"
	CPU    string `json:"cpu"`
	Runs   int    `json:"runs"`
	Points int    `json:"points"` // steps of each run
	Width  int    `json:"width"`

	LogNS      float64 `json:"log_ns"`    // what a training pays for a step's line
	LogShare   float64 `json:"log_share"` // of a step of 10 ms
	LogBytes   int64   `json:"log_bytes"` // of all runs
	IndexS     float64 `json:"index_s"`   // reading all of them for the first time
	RowsPerS   float64 `json:"rows_per_s"`
	IndexBytes int64   `json:"index_bytes"`

	// Medians of the openings.
	OpenS    float64   `json:"open_s"`   // the index, with a look at the folders
	PageS    float64   `json:"page_s"`   // the page and all its files
	RunsS    float64   `json:"runs_s"`   // /api/runs
	SeriesS  float64   `json:"series_s"` // /api/series of all runs
	OpeningS float64   `json:"opening_s"`
	AllS     []float64 `json:"openings_s"`
	Drawn    int64     `json:"series_bytes"`
}

// newBenchRecord is `diffuse bench record`.
func newBenchRecord(stdio *IO, g *Global) *cobra.Command {
	o := &BenchRecordOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Time the record: logging a step, indexing runs, opening the dashboard",
		Long: help(`Time what the record of experiments costs: logging a training step, reading many
runs into the index for the first time, and opening the dashboard on them, the
curves of all runs at once. Runs are made up in a temporary folder; with
--points 100000 they take some 2 GB of it, and a minute or two.`, fault.Interrupted),
		Example: `  diffuse bench record
  diffuse bench record --points 100000
  diffuse bench record --count 4 --points 1000 --json`,
		Args: noArguments("--points"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if min(o.Count, o.Points, o.Reps) < 1 || o.Count > 1000 || o.Points > 10_000_000 {
				return fault.New(fault.Usage, "", "--count must be from 1 to 1000, --points from 1 to 10000000, --reps at least 1, got %d, %d and %d", o.Count, o.Points, o.Reps)
			}
			return benchRecord(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Count, "count", 50, "runs")
	f.IntVar(&o.Points, "points", 10_000, "steps of each run")
	f.IntVar(&o.Width, "width", 600, "points of a curve")
	f.IntVar(&o.Reps, "reps", 5, "openings of the dashboard")
	return cmd
}

func benchRecord(ctx context.Context, o *BenchRecordOptions) error {
	runs, err := os.MkdirTemp("", "diffuse-bench-")
	if err != nil {
		return fault.New(fault.Failure, "", "make a temporary folder: %w", err)
	}
	defer os.RemoveAll(runs)
	r := &RecordResult{What: "record", CPU: machine.CPU(), Runs: o.Count, Points: o.Points, Width: o.Width}
	if err := r.makeRuns(ctx, runs); err != nil {
		return err
	}
	if err := r.index(ctx, runs); err != nil {
		return err
	}
	var parts [4][]float64
	for range o.Reps {
		took, err := r.openPage(ctx, runs)
		if err != nil {
			return err
		}
		for i := range parts {
			parts[i] = append(parts[i], took[i])
		}
		r.AllS = append(r.AllS, round(took[0]+took[1]+took[2]+took[3], 4))
	}
	for i, to := range []*float64{&r.OpenS, &r.PageS, &r.RunsS, &r.SeriesS} {
		*to = round(medianOf(parts[i]), 4)
	}
	r.OpeningS = medianOf(r.AllS)
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	return r.print(o.IO.Out)
}

// makeRuns logs one run as a training does, and copies it.
func (r *RecordResult) makeRuns(ctx context.Context, runs string) error {
	resolved, err := config.Load(config.LoadOptions{File: "quick.yaml", Dir: runs})
	if err != nil {
		return err
	}
	var first run.Folder
	for i := range r.Runs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f, lock, err := run.Create(runs, fmt.Sprintf("run-%03d", i), "", resolved.YAML())
		if err != nil {
			return err
		}
		if i == 0 {
			first = f
			err = r.log(ctx, f)
		} else {
			err = copyFile(f.LogPath(), first.LogPath())
		}
		lock.Release()
		if err != nil {
			return err
		}
	}
	info, err := os.Stat(first.LogPath())
	if err != nil {
		return err
	}
	r.LogBytes = int64(r.Runs) * info.Size()
	return nil
}

// log writes a run's log and measures what a step costs.
func (r *RecordResult) log(ctx context.Context, f run.Folder) error {
	l, err := run.OpenLog(f, run.Origin{})
	if err != nil {
		return err
	}
	defer l.Close()
	const batch = 16
	if err := l.Observe(ctx, train.Started{Total: r.Points, StepsPerEpoch: r.Points, TrainImages: batch * r.Points}); err != nil {
		return err
	}
	began := time.Now()
	for step := 1; step <= r.Points; step++ {
		if step%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s := train.Step{Step: step, Total: r.Points, Epoch: 1, Images: batch, Loss: 1/float64(step) + rand.Float64(), LR: rand.Float64(), GradNorm: rand.Float64(), Seconds: 0.01}
		if err := l.Observe(ctx, s); err != nil {
			return err
		}
	}
	ns := float64(time.Since(began).Nanoseconds()) / float64(r.Points)
	r.LogNS, r.LogShare = round(ns, 0), round(ns/float64(10*time.Millisecond), 6)
	return l.End(r.Points, run.Finished, nil)
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close() // the error tells more
		return err
	}
	return out.Close()
}

// index reads all runs for the first time.
func (r *RecordResult) index(ctx context.Context, runs string) error {
	x, err := index.Open(ctx, runs)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := x.Refresh(ctx); err != nil {
		_ = x.Close() // the error tells more
		return err
	}
	s := time.Since(began).Seconds()
	r.IndexS, r.RowsPerS = round(s, 3), round(float64(r.Runs*r.Points)/s, 0)
	if err := x.Close(); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(runs, index.File))
	if err != nil {
		return err
	}
	r.IndexBytes = info.Size()
	return nil
}

// openPage starts a server and asks for what a page shows, as a browser would:
// the seconds for the index, the page's files, the runs, and all their curves.
func (r *RecordResult) openPage(ctx context.Context, runs string) (took [4]float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	began := time.Now()
	lap := func(i int) {
		took[i] = time.Since(began).Seconds()
		began = time.Now()
	}
	x, err := index.Open(ctx, runs)
	if err != nil {
		return took, err
	}
	group.Go(func() {
		<-ctx.Done()
		_ = x.Close() // it was only read
	})
	if _, err := x.Refresh(ctx); err != nil {
		return took, err
	}
	server, err := web.New(web.Config{Index: x, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return took, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return took, err
	}
	group.Go(func() { _ = server.Serve(ctx, listener) })
	lap(0)

	at := "http://" + listener.Addr().String()
	for _, path := range server.Paths() {
		if _, err := fetch(ctx, at+path); err != nil {
			return took, err
		}
	}
	lap(1)
	if _, err := fetch(ctx, at+"/api/runs"); err != nil {
		return took, err
	}
	lap(2)
	names := make([]string, r.Runs)
	for i := range names {
		names[i] = fmt.Sprintf("run-%03d", i)
	}
	query := url.Values{"runs": {strings.Join(names, ",")}, "metric": {"loss"}, "width": {fmt.Sprint(r.Width)}}
	r.Drawn, err = fetch(ctx, at+"/api/series?"+query.Encode())
	lap(3)
	return took, err
}

// fetch reads an answer to its end, and says how long it is without compression.
func fetch(ctx context.Context, address string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, response.Status)
	}
	return n, err
}

func (r *RecordResult) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, `record, %d runs of %s steps
  logging a step        %.1f us, %.3f %% of a step of 10 ms
  indexing all of them  %.1f s, %s rows a second; %s of logs, an index of %s
  opening the dashboard %.3f s at the median, %.3f to %.3f in %d openings
    the index %.3f s, the page %.3f s, the table %.3f s, %d curves of at most %d points %.3f s
  %s
`,
		r.Runs, thousands(r.Points), r.LogNS/1000, 100*r.LogShare,
		r.IndexS, thousands(int(r.RowsPerS)), machine.Bytes(r.LogBytes), machine.Bytes(r.IndexBytes),
		r.OpeningS, slices.Min(r.AllS), slices.Max(r.AllS), len(r.AllS),
		r.OpenS, r.PageS, r.RunsS, r.Runs, r.Width, r.SeriesS, r.CPU)
	return err
}
