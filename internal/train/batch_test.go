package train

import (
	"math"
	"testing"

	"diffuse/internal/schedule"
)

// With train.sigma_lognormal ln sigma of the images trained on has its mean and
// deviation; those of validation stay as they are without it.
func TestNoiseLevelsFollowTheLognormal(t *testing.T) {
	const mean, deviation, steps = -0.8, 0.7, 200 // well within the schedule's ends
	c := toyConfig()
	c.Schedule.Kind, c.Schedule.Steps = "cosine", 1000
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	set := shaded(40, 1)
	uniform := validation(c, s, set)
	c.Train.SigmaLognormal = []float64{mean, deviation}
	lognormal := training(c, s, set)

	var sum, squares float64
	for i := range set.N * steps {
		at, alphabar := lognormal.timestep(uint64(i%set.N), uint64(i/set.N))
		if alphabar != s.AlphabarAt(at) {
			t.Fatalf("alphabar %v at %v", alphabar, at)
		}
		x := math.Log(schedule.Sigma(alphabar))
		sum, squares = sum+x, squares+x*x
	}
	n := float64(set.N * steps)
	m := sum / n
	d := math.Sqrt(squares/n - m*m)
	if slack := 4 * deviation / math.Sqrt(n); math.Abs(m-mean) > slack || math.Abs(d-deviation) > slack {
		t.Errorf("ln sigma is %.3f ± %.3f, want %v ± %v, each to %.3f", m, d, mean, deviation, slack)
	}
	valid := validation(c, s, set)
	for i := range set.N {
		want, _ := uniform.timestep(uint64(i), 0)
		if got, _ := valid.timestep(uint64(i), 0); got != want {
			t.Errorf("validation's image %d is at t %v, was at %v", i, got, want)
		}
	}
}
