package train

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/fault"
	"diffuse/internal/kernel"
)

// written is a checkpoint of a small U-Net: weights that a seed draws, and averages
// of them where there are any.
func written(t *testing.T, seed int64, ema float64) *Checkpoint {
	t.Helper()
	tr := smallTrainer(t, kernel.Best(), 1, ema)
	tr.Net.Init(seed)
	for i := range tr.optimizer.average {
		tr.optimizer.average[i] = -tr.Net.Params().Data[i]
	}
	tr.Dir = t.TempDir()
	if err := tr.write(); err != nil {
		t.Fatal(err)
	}
	ck, err := LoadCheckpoint(filepath.Join(tr.Dir, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return ck
}

func weights(t *testing.T, ck *Checkpoint, average bool) []float32 {
	t.Helper()
	net, err := ck.unpacked(average, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	return net.Params().Data
}

// Weights move along the line through both nets: by 0 they stay, by −1 they are the
// other's, by −½ the mean; averages move away from averages.
func TestExportExtrapolates(t *testing.T) {
	for _, ema := range []float64{0, .9} {
		net, other := written(t, 1, ema), written(t, 2, ema)
		average := ema > 0
		a, b := weights(t, net, average), weights(t, other, average)
		for by, want := range map[float64]func(a, b float64) float64{
			0:   func(a, _ float64) float64 { return a },
			-1:  func(_, b float64) float64 { return b },
			-.5: func(a, b float64) float64 { return (a + b) / 2 },
			1.5: func(a, b float64) float64 { return 2.5*a - 1.5*b },
		} {
			path := filepath.Join(t.TempDir(), "away.safetensors")
			if err := net.Export(path, Export{Average: average, Away: other, By: by}); err != nil {
				t.Fatal(err)
			}
			away, err := LoadCheckpoint(path)
			if err != nil {
				t.Fatal(err)
			}
			if show(away.Contract) != show(net.Contract) {
				t.Errorf("it is said to be trained under %+v", away.Contract)
			}
			for i, v := range weights(t, away, false) {
				x, y := float64(a[i]), float64(b[i])
				if d := math.Abs(float64(v) - want(x, y)); d > 1e-6*(math.Abs(x)+math.Abs(y)) {
					t.Fatalf("ema %v, by %v: weight %d is %v, not %v", ema, by, i, v, want(x, y))
				}
			}
		}
	}
}

// Weights of nets that say other things have nothing between them.
func TestExtrapolatesRefuses(t *testing.T) {
	net := written(t, 1, 0)
	for what, change := range map[string]func(c *Contract){
		"net":            func(c *Contract) { c.Net.HeadDim = 4 },
		"input range":    func(c *Contract) { c.Range = [2]float64{0, 1} },
		"noise schedule": func(c *Contract) { c.Schedule.BetaMax = 0.02 },
		"prediction":     func(c *Contract) { c.Prediction = PredictsV },
	} {
		other := written(t, 2, 0)
		change(&other.Contract)
		path := filepath.Join(t.TempDir(), "away.safetensors")
		err := net.Export(path, Export{Away: other, By: 1})
		if fault.Code(err) != int(fault.Checkpoint) || !strings.Contains(err.Error(), "--away-from: its "+what+" is ") {
			t.Errorf("%s: code %d: %v", what, fault.Code(err), err)
		}
		if exists(path) {
			t.Errorf("%s: left a file", what)
		}
	}
}
