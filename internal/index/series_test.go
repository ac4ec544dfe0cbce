package index

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"diffuse/internal/fault"
)

// longRun is a run of n steps of noisy loss; its losses are returned.
func longRun(t testing.TB, runs, name string, n int) []float64 {
	f := makeRun(t, runs, name)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	losses := make([]float64, n)
	var b strings.Builder
	b.WriteString(start)
	for i := range n {
		losses[i] = rng.Float64()
		memory := ""
		if i%2 == 1 {
			memory = fmt.Sprintf(`,"memory":%d`, i+1)
		}
		fmt.Fprintf(&b, `{"event":"step","step":%d,"epoch":1,"loss":%v,"lr":0.1,"grad_norm":2,"img_per_s":16,"images":%d,"unix_ms":%d%s}`+"\n",
			i+1, losses[i], 16*(i+1), 1_000_000+500*i, memory)
	}
	add(t, f, b.String())
	return losses
}

// A curve covers exactly the steps that were asked for, each once, with their
// mean, least and greatest value, in at most as many points as fit.
func TestCurve(t *testing.T) {
	runs := t.TempDir()
	const n = 5000
	losses := longRun(t, runs, "a", n)
	x := open(t, runs)
	refresh(t, x)
	scale := map[string]func(step int) float64{
		"step":   func(step int) float64 { return float64(step) },
		"images": func(step int) float64 { return float64(16 * step) },
		"time":   func(step int) float64 { return 1 + 0.5*float64(step-1) }, // 16 images at 16 a second, then 0.5 s each
	}
	rapid.Check(t, func(t *rapid.T) {
		q := SeriesQuery{Runs: []string{"a"}, Metric: "loss", X: rapid.SampledFrom(XAxes).Draw(t, "x"), Width: rapid.IntRange(2, 700).Draw(t, "width")}
		at := scale[q.X]
		first, last := 1, n
		for _, bound := range []**float64{&q.From, &q.To, &q.After} {
			if rapid.Bool().Draw(t, "bound") {
				v := at(rapid.IntRange(-5, n+5).Draw(t, "at"))
				*bound = &v
			}
		}
		if q.From != nil {
			for first <= n && at(first) < *q.From {
				first++
			}
		}
		if q.After != nil {
			for first <= n && at(first) <= *q.After {
				first++
			}
		}
		if q.To != nil {
			for last >= 1 && at(last) > *q.To {
				last--
			}
		}
		curves, err := x.Series(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		c := curves[0]
		if len(c.X) > q.Width || c.Points != max(0, last-first+1) {
			t.Fatalf("%d points of %d steps for width %d, wanted %d steps", len(c.X), c.Points, q.Width, last-first+1)
		}
		step := first
		for i := range c.X {
			begin := step
			for step <= last && at(step) <= c.X[i] {
				step++
			}
			part := losses[begin-1 : step-1]
			if len(part) == 0 || at(step-1) != c.X[i] {
				t.Fatalf("point %d at %v holds the steps from %d to %d", i, c.X[i], begin, step-1)
			}
			var sum float64
			for _, v := range part {
				sum += v
			}
			if slices.Min(part) != c.Min[i] || slices.Max(part) != c.Max[i] || math.Abs(sum/float64(len(part))-c.Mean[i]) > 1e-12 {
				t.Fatalf("point %d: %v %v %v", i, c.Mean[i], c.Min[i], c.Max[i])
			}
		}
		if c.Points > 0 && step != last+1 {
			t.Fatalf("ends at step %d, wanted %d", step-1, last)
		}
	})
}

// What is unknown is no point: every other step has no memory.
func TestCurveOfMemory(t *testing.T) {
	runs := t.TempDir()
	longRun(t, runs, "a", 1000)
	x := open(t, runs)
	refresh(t, x)
	for _, width := range []int{10, 600, 4000} {
		curves, err := x.Series(context.Background(), SeriesQuery{Runs: []string{"a"}, Metric: "memory", Width: width})
		if err != nil || curves[0].Points != 500 || curves[0].Min[0] != 2 || slices.Max(curves[0].Max) != 1000 {
			t.Errorf("width %d: %+v, %v", width, curves, err)
		}
	}
}

func TestCurvesOfEpochs(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a")
	add(t, f, start+steps(1, 9))
	for i, loss := range []string{"0.5", "null", "0.3"} {
		add(t, f, fmt.Sprintf(`{"event":"epoch","epoch":%d,"step":%d,"valid_loss":%s}`+"\n", i+1, 3*(i+1), loss))
	}
	x := open(t, runs)
	refresh(t, x)
	for axis, want := range map[string][]float64{"step": {3, 9}, "images": {48, 144}, "time": {22, 82}} {
		curves, err := x.Series(context.Background(), SeriesQuery{Runs: []string{"a"}, Metric: "valid_loss", X: axis, Width: 10})
		if err != nil || !slices.Equal(curves[0].X, want) || !slices.Equal(curves[0].Mean, []float64{0.5, 0.3}) {
			t.Errorf("over %s: %+v, %v", axis, curves, err)
		}
	}
	after := 3.0
	curves, err := x.Series(context.Background(), SeriesQuery{Runs: []string{"a"}, Metric: "valid_loss", After: &after, Width: 10})
	if err != nil || !slices.Equal(curves[0].X, []float64{9}) {
		t.Errorf("after 3: %+v, %v", curves, err)
	}
}

func TestNoSuchCurve(t *testing.T) {
	runs := t.TempDir()
	makeRun(t, runs, "a")
	x := open(t, runs)
	refresh(t, x)
	for _, c := range []struct {
		q    SeriesQuery
		want fault.Kind
	}{
		{SeriesQuery{Runs: []string{"a"}, Metric: "loss); drop table raw_run", Width: 9}, fault.Usage},
		{SeriesQuery{Runs: []string{"a"}, Metric: "loss", X: "line", Width: 9}, fault.Usage},
		{SeriesQuery{Runs: []string{"a"}, Metric: "loss", Width: 1}, fault.Usage},
		{SeriesQuery{Runs: []string{"a", "b"}, Metric: "loss", Width: 9}, fault.Checkpoint},
	} {
		if _, err := x.Series(context.Background(), c.q); fault.Code(err) != int(c.want) {
			t.Errorf("%+v: %v", c.q, err)
		}
	}
}
