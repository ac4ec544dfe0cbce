package sample

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/schedule"
	"diffuse/internal/tensorfile"

	"github.com/google/go-cmp/cmp"
)

// goldenStep is one case of sampler_steps.json: one step of diffusers 0.30's
// DDPMScheduler or DDIMScheduler over 1,000 linear steps.
type goldenStep struct {
	Name, Kind       string
	BetaMin, BetaMax float64
	Clip             bool // x0_hat clamped to [-1,1]
	T                int
	Variance         string
	Steps            int
	Eta              float64
	PrevT            int `json:"prev_t"`
	Timesteps        []int
}

// The README's tolerances, as shares of the tensor's largest value: the
// references were computed in float32.
const (
	goldenTolerance     = 1e-5 // x0 and DDIM's prev
	goldenToleranceDDPM = 1e-4 // DDPM's prev
)

func TestGoldenSamplerSteps(t *testing.T) {
	folders := []string{"testdata"}
	if dir := os.Getenv("DIFFUSE_GOLDEN"); dir != "" {
		folders = append(folders, dir)
	}
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "sampler_steps.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []goldenStep
		if err := json.Unmarshal(text, &cases); err != nil {
			t.Fatal(err)
		}
		if len(cases) == 0 {
			t.Fatalf("%s: no cases", folder)
		}
		tensors, err := tensorfile.OpenSafetensors(filepath.Join(folder, "sampler_steps.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		defer tensors.Close()
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) { c.check(t, tensors) })
		}
	}
}

func (c goldenStep) check(t *testing.T, tensors *tensorfile.File) {
	s, err := schedule.New(config.Schedule{Kind: "linear", Steps: 1000, BetaMin: c.BetaMin, BetaMax: c.BetaMax})
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []float32 {
		x, err := tensors.Read(c.Name + "." + name)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	step := Step{Alphabar: s.Alphabar[c.T], AlphabarPrev: 1}
	var u Update
	tolerance := goldenTolerance
	switch c.Kind {
	case "ddpm":
		if c.T > 0 {
			step.AlphabarPrev = s.Alphabar[c.T-1]
		}
		u, tolerance = DDPM(step, c.Variance == "fixed_large"), goldenToleranceDDPM
	case "ddim":
		if c.PrevT >= 0 {
			step.AlphabarPrev = s.Alphabar[c.PrevT]
		}
		u = DDIM(step, c.Eta)
	default:
		t.Fatalf("unknown kind %q", c.Kind)
	}
	if c.Timesteps != nil {
		got, err := Timesteps(1000, c.Steps, "leading")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.Timesteps, got); d != "" {
			t.Errorf("timesteps (-want +got):\n%s", d)
		}
	}
	var clip []float64
	if c.Clip {
		clip = []float64{-1, 1}
	}
	x, eps, z := read("x"), read("eps"), read("z")
	x0, prev := make([]float32, len(x)), make([]float32, len(x))
	x0Hat(x0, x, eps, step.Alphabar, clip)
	u.apply(prev, x0, x, eps, z)
	near(t, "x0", x0, read("x0"), goldenTolerance)
	near(t, "prev", prev, read("prev"), tolerance)
}

// near holds got to within share of want's largest value.
func near(t *testing.T, name string, got, want []float32, share float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, want %d", name, len(got), len(want))
	}
	var largest, worst float64
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w)))
		worst = max(worst, math.Abs(float64(got[i])-float64(w)))
	}
	if !(worst <= share*largest) {
		t.Errorf("%s differs by %.1e of its largest value, tolerated is %.0e", name, worst/largest, share)
	}
}
