package sample

import (
	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/schedule"
)

// Sampler is a way from noise to images: steps, and what each does.
type Sampler struct {
	Name   string // ddpm, ddim, skip or sample_at
	Steps  []Step
	Update func(Step) Update
	Clip   []float64 // x0_hat is clamped to these two values; empty is off
}

// New is the sampler that c describes over a schedule: ddim takes c.Steps, the
// others every step of the schedule. More steps than the schedule has are a
// usage error.
func New(c config.Sample, s *schedule.Schedule) (*Sampler, error) {
	if len(c.Clip) != 0 && (len(c.Clip) != 2 || c.Clip[0] >= c.Clip[1]) {
		return nil, fault.New(fault.Usage, "", "sample.clip: must be two rising values or none, not %v", c.Clip)
	}
	out := &Sampler{Name: c.Sampler, Clip: c.Clip}
	var err error
	switch c.Sampler {
	case "ddim":
		out.Update = func(s Step) Update { return DDIM(s, c.Eta) }
		out.Steps, err = spaced(c, s)
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
		err = fault.New(fault.Usage, "", "sample.sampler: no sampler is called %q", c.Sampler)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Respaced is DDPM over c.Steps of the schedule only, spaced as c.Spacing says
// (Nichol and Dhariwal 2021, section 4).
func Respaced(c config.Sample, s *schedule.Schedule) (*Sampler, error) {
	c.Sampler = "ddpm"
	out, err := New(c, s)
	if err != nil {
		return nil, err
	}
	out.Steps, err = spaced(c, s)
	return out, err
}

func ddpmUpdate(c config.Sample) func(Step) Update {
	return func(s Step) Update { return DDPM(s, c.Variance == "fixed_large") }
}

// spaced is c.Steps steps, spaced as c.Spacing says.
func spaced(c config.Sample, s *schedule.Schedule) ([]Step, error) {
	ts, err := Timesteps(s.T(), c.Steps, c.Spacing)
	if err != nil {
		return nil, err
	}
	if !s.Continuous {
		return wholeSteps(s, ts), nil
	}
	times, err := continuousTimes(c.Steps, c.Spacing)
	return steps(s, times), err
}

// everyStep is all T steps, of which the net is called at the first and where
// call says.
func everyStep(s *schedule.Schedule, call func(t int) bool) []Step {
	T := s.T()
	ts := make([]int, T)
	for i := range ts {
		ts[i] = T - 1 - i
	}
	out := wholeSteps(s, ts)
	for i, t := range ts {
		out[i].Call = i == 0 || call(t)
	}
	return out
}

// NetCalls is how often the net is called for one image.
func (s *Sampler) NetCalls() int {
	n := 0
	for _, step := range s.Steps {
		if step.Call {
			n++
		}
	}
	return n
}
