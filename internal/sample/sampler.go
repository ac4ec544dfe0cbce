package sample

import (
	"slices"
	"strconv"
	"strings"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
)

// Sampler is a way from noise to images: steps, and what each does.
type Sampler struct {
	Name    string // as the config calls it
	Steps   []Step
	Update  func(steps []Step) Update // what the last of steps does, after those before it
	Correct func(Step) Update         // what a step with Correct does once the net was called again
	Past    int                       // how many predictions before the newest are read
	Clip    []float64                 // x0_hat is clamped to these two values; empty is off
	Slope   bool                      // eps_hat follows a clamped x0_hat

	Velocity  bool // the net says v, from which eps_hat follows
	Guidances []Guidance

	classes int // that the net knows; 0 for none
	class   int // of all images, or anyClass

	clean func(x0 []float32, seeds []uint64) (classes []int) // what images begin as under noise (From); nil for noise alone
	begin float64                                            // then, alphabar there
}

// anyClass is the class of a sampler that draws all classes, as often as each other.
const anyClass = -1

// New is the sampler that c describes over a schedule: ddpm, skip and sample_at
// take every step of it, the others c.Steps. classes are the names of those that a
// conditional net knows, nil for another net. More steps than the schedule has
// are a usage error, and a class that the net does not know.
func New(c config.Sample, s *schedule.Schedule, classes []string) (*Sampler, error) {
	if err := rising("sample.clip", c.Clip); err != nil {
		return nil, err
	}
	out := &Sampler{Name: c.Sampler, Clip: c.Clip, Velocity: s.Velocity, classes: len(classes)}
	var err error
	if out.Guidances, err = guidances(c); err != nil {
		return nil, err
	}
	if out.class, err = chosenClass(c, classes); err != nil {
		return nil, err
	}
	switch c.Sampler {
	case "ddim":
		out.Update = alone(func(s Step) Update { return DDIM(s, c.Eta) })
		out.Steps, err = spaced(c, s, "leading")
	case "ddim_cosine":
		out.Update = alone(func(s Step) Update { return DDIMCosine(s, c.Eta) })
		out.Steps, err = cosine(c, s)
	case "ddpm":
		out.Update = ddpmUpdate(c)
		out.Steps = everyStep(s, func(int) bool { return true })
	case "skip":
		out.Update = ddpmUpdate(c)
		out.Steps = everyStep(s, skipCalls(c.SkipEvery, c.SkipTail))
	case "sample_at":
		out.Update = ddpmUpdate(c)
		out.Steps = everyStep(s, sampleAt)
	default:
		err = inSigma(out, c, s)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rising refuses what is neither an interval nor empty.
func rising(key string, v []float64) error {
	if len(v) != 0 && (len(v) != 2 || v[0] >= v[1]) {
		return fault.New(fault.Usage, "", "%s: must be two rising values or none, not %v", key, v)
	}
	return nil
}

// inSigma makes out one of the samplers that are written in Karras' form.
func inSigma(out *Sampler, c config.Sample, s *schedule.Schedule) error {
	out.Slope = true
	churn := 0.0
	switch c.Sampler {
	case "euler":
		out.Update, churn = alone(Euler), c.Churn
	case "euler_ancestral":
		out.Update = alone(func(s Step) Update { return EulerAncestral(s, c.Eta) })
	case "heun":
		out.Update, churn = alone(Euler), c.Churn
		out.Correct, out.Past = Heun, 1
	case "lms":
		if c.Order < 1 || c.Order > MaxOrder {
			return fault.New(fault.Usage, "", "sample.order: must be from 1 to %d, got %d", MaxOrder, c.Order)
		}
		out.Update = func(steps []Step) Update { return LMS(steps, c.Order) }
		out.Past = c.Order - 1
	case "dpmpp_2m":
		out.Update, out.Past = DPMpp2M, 1
	default:
		return fault.New(fault.Usage, "", "sample.sampler: no sampler is called %q", c.Sampler)
	}
	steps, err := spaced(c, s, "karras")
	if err != nil {
		return err
	}
	if out.Steps, err = noisy(steps); err != nil {
		return err
	}
	churned(out.Steps, churn, s)
	if out.Correct != nil {
		for i := range out.Steps {
			out.Steps[i].Correct = out.Steps[i].AlphabarPrev != 1
		}
	}
	return nil
}

// Respaced is DDPM over c.Steps of the schedule only, spaced as c.Spacing says
// (Nichol and Dhariwal 2021, section 4).
func Respaced(c config.Sample, s *schedule.Schedule, classes []string) (*Sampler, error) {
	c.Sampler = "ddpm"
	out, err := New(c, s, classes)
	if err != nil {
		return nil, err
	}
	out.Steps, err = spaced(c, s, "leading")
	return out, err
}

// alone is the update of a step that asks nothing of those before it.
func alone(update func(Step) Update) func([]Step) Update {
	return func(steps []Step) Update { return update(steps[len(steps)-1]) }
}

func ddpmUpdate(c config.Sample) func([]Step) Update {
	return alone(func(s Step) Update { return DDPM(s, c.Variance == "fixed_large") })
}

// chosenClass is the number of the class that c asks for by its name or number, or
// anyClass.
func chosenClass(c config.Sample, classes []string) (int, error) {
	if c.Class == "" {
		return anyClass, nil
	}
	if len(classes) == 0 {
		return anyClass, fault.New(fault.Usage, "train with --set model.conditional=true", "sample.class: the net was not trained to know classes")
	}
	if i := slices.Index(classes, c.Class); i >= 0 {
		return i, nil
	}
	if i, err := strconv.Atoi(c.Class); err == nil && i >= 0 && i < len(classes) {
		return i, nil
	}
	return anyClass, fault.New(fault.Usage, "the classes are "+strings.Join(classes, ", "), "sample.class: the net knows no class %q", c.Class)
}

// Classes are those of the images of some seeds, from 0 on; nil where the net knows
// none.
func (s *Sampler) Classes(seeds []uint64) []int {
	if s.classes == 0 {
		return nil
	}
	classes := make([]int, len(seeds))
	for i, seed := range seeds {
		classes[i] = s.classOf(seed)
	}
	return classes
}

// classOf is the class of a seed's image. Where none was chosen it is drawn: images
// of classes in turn would be more evenly spread than real ones, so that their FID
// would be compared to a floor that is too high, and KID's estimator would fail.
func (s *Sampler) classOf(seed uint64) int {
	if s.class == anyClass {
		return rng.Intn(s.classes, seed, rng.SampleClass, 0, 0)
	}
	return s.class
}

// calls is how often a net is called at alphabar: once more for each guidance.
func (s *Sampler) calls(alphabar float64) int {
	n := 1
	for _, g := range s.Guidances {
		if g.at(alphabar) {
			n++
		}
	}
	return n
}

// NetCalls is how often the net is called for one image.
func (s *Sampler) NetCalls() int { return s.CallsIn(len(s.Steps)) }

// CallsIn is how often the net is called for one image in the first k steps, from 0
// to all.
func (s *Sampler) CallsIn(k int) int {
	n := 0
	for _, step := range s.Steps[:k] {
		if step.Call {
			n += s.calls(step.Alphabar)
		}
		if step.Correct {
			n += s.calls(step.AlphabarPrev)
		}
	}
	return n
}
