package train

import (
	"math"
	"testing"

	"diffuse/internal/config"
)

func near(t *testing.T, what string, got, want, rel float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > rel*math.Abs(want) {
		t.Errorf("%s is %v, want %v within %g relative", what, got, want, rel)
	}
}

// Values printed by torch.optim.lr_scheduler.OneCycleLR(max_lr=2e-3,
// total_steps=30); the whole run is checked in TestGoldenTrainRun.
func TestOneCycleIsPyTorchs(t *testing.T) {
	rate := OneCycle(2e-3, 30)
	for _, c := range []struct {
		step      int
		lr, beta1 float64
	}{
		{0, 7.999999999999999e-05, 0.95},
		{1, 0.00015307564878916467, 0.9461939766255643},
		{8, 0.002, 0.85},
		{9, 0.0019888308709018233, 0.8505584586887436},
		{29, 8e-09, 0.95},
	} {
		lr, beta1 := rate(c.step)
		near(t, "lr", lr, c.lr, 1e-12)
		near(t, "beta1", beta1, c.beta1, 1e-12)
	}
}

func TestOneCycleOfFewStepsIsFinite(t *testing.T) {
	for total := 1; total < 8; total++ {
		rate := OneCycle(1, total)
		for step := range total {
			lr, beta1 := rate(step)
			if !(lr > 0 && lr <= 1 && beta1 >= .85-1e-12 && beta1 <= .95+1e-12) {
				t.Errorf("step %d of %d: lr %v, beta1 %v", step, total, lr, beta1)
			}
		}
		last, _ := rate(total - 1)
		near(t, "last lr", last, 1/25e4, 1e-9)
	}
}

func TestWarmUpThenCosineOrConstant(t *testing.T) {
	c := config.Train{LR: 4, Warmup: 4, Betas: [2]float64{.9, .999}, LRSchedule: "cosine"}
	cosine, err := NewRate(c, 12)
	if err != nil {
		t.Fatal(err)
	}
	c.LRSchedule = "constant"
	constant, err := NewRate(c, 12)
	if err != nil {
		t.Fatal(err)
	}
	// Warm-up 1, 2, 3, 4; then 4·(1+cos(π·k/8))/2.
	want := []float64{1, 2, 3, 4, 4, 4 * (1 + math.Cos(math.Pi/8)) / 2}
	for step, w := range want {
		lr, beta1 := cosine(step)
		near(t, "cosine lr", lr, w, 1e-12)
		near(t, "beta1", beta1, .9, 0)
	}
	if lr, _ := cosine(8); math.Abs(lr-2) > 1e-12 {
		t.Errorf("half-way the cosine is %v, not 2", lr)
	}
	for step, w := range []float64{1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4} {
		lr, _ := constant(step)
		near(t, "constant lr", lr, w, 0)
	}
}

func TestEMADecayWarmsUp(t *testing.T) {
	c := config.Train{EMA: .999, EMAWarmup: true}
	near(t, "first decay", emaDecay(c, 0), .1, 1e-15)
	near(t, "decay at 90", emaDecay(c, 90), .91, 1e-15)
	near(t, "late decay", emaDecay(c, 1e6), .999, 0)
	c.EMAWarmup = false
	near(t, "decay without warm-up", emaDecay(c, 0), .999, 0)
}
