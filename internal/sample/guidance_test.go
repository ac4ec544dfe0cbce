package sample

import (
	"math"
	"slices"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/schedule"
)

var threeClasses = []string{"coat", "bag", "boot"}

// ofClasses is the perfect net for Gaussian images whose mean depends on their
// class; told nothing it speaks of a Gaussian around another mean. It notes which
// classes it was asked for.
type ofClasses struct {
	gaussian
	means []float64
	asked *[]int
}

func (o ofClasses) Predict(y, x []float32, t []float64, class []int) error {
	size := len(x) / len(t)
	for i := range t {
		one := o.gaussian
		if class != nil {
			one.mean = o.means[class[i]]
			*o.asked = append(*o.asked, class[i])
		}
		if err := one.Predict(y[i*size:(i+1)*size], x[i*size:(i+1)*size], t[i:i+1], nil); err != nil {
			return err
		}
	}
	return nil
}

// newPair is the sampler of c, which asks for a class, and the one that knows of
// none and is not guided, over s.
func newPair(t *testing.T, c config.Sample, s *schedule.Schedule) (guided, plain *Sampler) {
	t.Helper()
	guided, err := New(c, s, threeClasses)
	if err != nil {
		t.Fatal(err)
	}
	c.Class, c.Guidance = "", 1
	if plain, err = New(c, s, nil); err != nil {
		t.Fatal(err)
	}
	return guided, plain
}

// sameImages compares what a guided sampler draws with its net to what a plain one
// draws with another, and tells how often the guided one called.
func sameImages(t *testing.T, guided, plain *Sampler, of Pair, other Denoiser, n int) (calls int) {
	t.Helper()
	draw := func(s *Sampler, pair Pair, progress func(done, total int)) []float32 {
		x, err := s.Draw(t.Context(), []Pair{pair}, Shape{4, 4, 1}, seeds(n), Options{Batch: 8, Progress: progress})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	got := draw(guided, of, func(done, _ int) { calls = done })
	want := draw(plain, Pair{Net: other}, nil)
	for i := range got {
		if math.Abs(float64(got[i]-want[i])) > 2e-4 {
			t.Fatalf("%s, %v: pixel %d is %v, want %v", guided.Name, guided.Guidances, i, got[i], want[i])
		}
	}
	return calls
}

// The noise that such a net expects is linear in the mean, so to be guided by w
// from a mean m to the class's is to draw around m + w·(class − m): images must be
// those of a net that expects just that.
func TestGuidanceMovesTheMean(t *testing.T) {
	s := linear(t)
	const unguided, std = 0.1, 0.3
	net := ofClasses{gaussian{unguided, std, s.AlphabarAt, 8}, []float64{-0.5, 0.2, 0.7}, new([]int)}
	for _, w := range []float64{1, 1.5, 3} {
		for _, name := range []string{"ddim", "heun"} {
			c := config.Default().Sample
			c.Sampler, c.Steps, c.Class, c.Guidance = name, 20, "boot", w
			guided, plain := newPair(t, c, s)
			calls := sameImages(t, guided, plain, Pair{Net: net}, gaussian{unguided + w*(0.7-unguided), std, s.AlphabarAt, 8}, 5)
			times := 1
			if w > 1 {
				times = 2
			}
			if guided.NetCalls() != times*plain.NetCalls() || calls != 5*guided.NetCalls() {
				t.Errorf("%s, w %v: says %d calls, makes %d for 5 images, %d without guidance", name, w, guided.NetCalls(), calls, plain.NetCalls())
			}
		}
	}
}

// A guide is told what the net is told, and the images are those of a net as far
// beyond the net as that is beyond the guide, if w is 2.
func TestGuidedByAnotherNet(t *testing.T) {
	s := linear(t)
	const std, w = 0.3, 2
	of := func(means ...float64) ofClasses {
		return ofClasses{gaussian{-9, std, s.AlphabarAt, 8}, means, new([]int)}
	}
	net, worse := of(0, 0, 0.6), of(0, 0, 0.4)
	c := config.Default().Sample
	c.Sampler, c.Steps, c.Class, c.Guidance, c.Guide = "ddim", 20, "boot", w, "epoch-0004"
	guided, plain := newPair(t, c, s)
	calls := sameImages(t, guided, plain, Pair{net, worse}, gaussian{0.4 + w*(0.6-0.4), std, s.AlphabarAt, 8}, 3)
	if guided.NetCalls() != 40 || calls != 3*40 || len(*net.asked) != 3*20 || !slices.Equal(*net.asked, *worse.asked) {
		t.Errorf("says %d calls, makes %d for 3 images; the net was asked %d times, the guide %d", guided.NetCalls(), calls, len(*net.asked), len(*worse.asked))
	}
	// Nets that know no classes are guided as well, and told none.
	c.Class = ""
	unclassed, err := New(c, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameImages(t, unclassed, plain, Pair{gaussian{0.6, std, s.AlphabarAt, 8}, gaussian{0.4, std, s.AlphabarAt, 8}}, gaussian{0.8, std, s.AlphabarAt, 8}, 2)
}

// Beside a guide the net told no class guides as well: images lie as far beyond the
// class's as both say, by three calls a step. Where nothing is guided neither is.
func TestGuidedByAnotherNetAndByClass(t *testing.T) {
	s := linear(t)
	const unguided, class, worse, std, w, extra = 0.1, 0.6, 0.5, 0.3, 2, 0.25
	of := func(mean float64) ofClasses {
		return ofClasses{gaussian{unguided, std, s.AlphabarAt, 8}, []float64{0, 0, mean}, new([]int)}
	}
	c := config.Default().Sample
	c.Sampler, c.Steps, c.Class, c.Guidance, c.Guide, c.ClassGuidance = "dpmpp_2m", 20, "boot", w, "epoch-0004", extra
	guided, plain := newPair(t, c, s)
	mean := class + (w-1)*(class-worse) + extra*(class-unguided)
	calls := sameImages(t, guided, plain, Pair{of(class), of(worse)}, gaussian{mean, std, s.AlphabarAt, 8}, 3)
	if guided.NetCalls() != 60 || calls != 3*60 {
		t.Errorf("says %d calls, makes %d for 3 images", guided.NetCalls(), calls)
	}
	c.Guidance = 1
	if guided, plain = newPair(t, c, s); guided.NetCalls() != 20 {
		t.Errorf("takes %d calls unguided", guided.NetCalls())
	}
	sameImages(t, guided, plain, Pair{of(class), of(worse)}, gaussian{class, std, s.AlphabarAt, 8}, 3)
	c.Guidance, c.ClassSigma = w, []float64{3, 0.5}
	if _, err := New(c, s, threeClasses); fault.Code(err) != int(fault.Usage) {
		t.Errorf("falling levels: %v", err)
	}
}

// Each guidance keeps to its own levels.
func TestClassGuidanceInAnInterval(t *testing.T) {
	s := linear(t)
	const unguided, class, worse, std, extra = 0.1, 0.6, 0.5, 0.3, 0.25
	of := func(mean float64) gaussian { return gaussian{mean, std, s.AlphabarAt, 8} }
	told := func(mean float64) ofClasses { return ofClasses{of(unguided), []float64{0, 0, mean}, new([]int)} }
	c := config.Default().Sample
	c.Sampler, c.Steps, c.Class, c.Guidance, c.Guide, c.ClassGuidance = "ddim", 40, "boot", 2, "epoch-0004", extra
	c.GuidanceSigma, c.ClassSigma = []float64{3, 1000}, []float64{0.5, 2}
	guided, plain := newPair(t, c, s)
	byGuide, byClass := of(class+(class-worse)), of(class+extra*(class-unguided))
	between := onlyBetween{3, 1000, byGuide, of(class)}
	sameImages(t, guided, plain, Pair{told(class), told(worse)}, levelwise{onlyBetween{0.5, 2, byClass, of(class)}, between}, 3)
}

// levelwise is low below sigma = 2.5 and high above.
type levelwise struct{ low, high onlyBetween }

func (l levelwise) Predict(y, x []float32, t []float64, class []int) error {
	if alphabar := l.low.within.alphabar(t[0]); math.Sqrt((1-alphabar)/alphabar) < 2.5 {
		return l.low.Predict(y, x, t, class)
	}
	return l.high.Predict(y, x, t, class)
}

// onlyBetween is a net that expects one mean at some levels of noise and another at
// the rest.
type onlyBetween struct {
	lo, hi        float64 // of sigma
	within, other gaussian
}

func (o onlyBetween) Predict(y, x []float32, t []float64, _ []int) error {
	alphabar := o.within.alphabar(t[0])
	if sigma := math.Sqrt((1 - alphabar) / alphabar); o.lo <= sigma && sigma <= o.hi {
		return o.within.Predict(y, x, t, nil)
	}
	return o.other.Predict(y, x, t, nil)
}

// Outside of its levels guidance leaves the net's word for the class as it is, and
// takes one call.
func TestGuidanceInAnInterval(t *testing.T) {
	s := linear(t)
	const unguided, class, std, w = 0.1, 0.7, 0.3, 2
	c := config.Default().Sample
	c.Sampler, c.Steps, c.Class, c.Guidance, c.GuidanceSigma = "ddim", 40, "boot", w, []float64{0.5, 3}
	guided, plain := newPair(t, c, s)
	of := func(mean float64) gaussian { return gaussian{mean, std, s.AlphabarAt, 8} }
	calls := sameImages(t, guided, plain, Pair{Net: ofClasses{of(unguided), []float64{0, 0, class}, new([]int)}},
		onlyBetween{0.5, 3, of(unguided + w*(class-unguided)), of(class)}, 3)
	within := 0
	for k, step := range plain.Steps {
		if sigma := math.Sqrt(1/step.Alphabar - 1); 0.5 <= sigma && sigma <= 3 {
			within++
		}
		if calls := guided.CallsIn(k + 1); calls != k+1+within {
			t.Errorf("says %d calls in %d steps, of which %d are guided", calls, k+1, within)
		}
	}
	if within == 0 || within == 40 || guided.NetCalls() != 40+within || calls != 3*guided.NetCalls() {
		t.Errorf("%d of 40 steps are guided; says %d calls, makes %d for 3 images", within, guided.NetCalls(), calls)
	}
	c.Class, c.Guidance, c.GuidanceSigma = "", 1, []float64{3, 0.5}
	if _, err := New(c, s, nil); fault.Code(err) != int(fault.Usage) {
		t.Errorf("falling levels: %v", err)
	}
}

// An image's class is its seed's, whatever the batch and the images beside it; all
// classes are as likely, and independent from seed to seed. A class that was chosen
// is that of all.
func TestClassOfASeed(t *testing.T) {
	s := linear(t)
	c := config.Default().Sample
	c.Sampler, c.Steps = "ddim", 1
	classes := func(class string, batch int, seeds []uint64) []int {
		c.Class = class
		sampler, err := New(c, s, threeClasses)
		if err != nil {
			t.Fatal(err)
		}
		net := ofClasses{gaussian{0, 1, s.AlphabarAt, 2}, make([]float64, 3), new([]int)}
		if _, err := sampler.Draw(t.Context(), nets(net, 1), Shape{2, 2, 1}, seeds, Options{Batch: batch}); err != nil {
			t.Fatal(err)
		}
		return *net.asked
	}
	const n = 9000
	all := classes("", 64, seeds(n))
	if other := classes("", 2, []uint64{7, 5, 8999}); !slices.Equal(other, []int{all[7], all[5], all[8999]}) {
		t.Errorf("other batches: %v", other)
	}
	// Counts of the nine pairs of neighbours, against a ninth of them each: chi-square
	// of eight degrees of freedom is above 26.1 once in a thousand times.
	var pairs [9]float64
	for i := 0; i < n; i += 2 {
		pairs[3*all[i]+all[i+1]]++
	}
	chi := 0.0
	for _, count := range pairs {
		chi += (count - n/18) * (count - n/18) / (n / 18)
	}
	if chi > 26.1 {
		t.Errorf("pairs of classes %v: chi-square %.1f", pairs, chi)
	}
	for _, chosen := range []string{"bag", "1"} {
		if got := classes(chosen, 2, seeds(5)); !slices.Equal(got, []int{1, 1, 1, 1, 1}) {
			t.Errorf("class %q: drew %v", chosen, got)
		}
	}
}

func TestClassesNotKnown(t *testing.T) {
	s := linear(t)
	for _, tc := range []struct {
		class string
		names []string
	}{{"hat", threeClasses}, {"3", threeClasses}, {"-1", threeClasses}, {"bag", nil}} {
		c := config.Default().Sample
		c.Class = tc.class
		if _, err := New(c, s, tc.names); fault.Code(err) != int(fault.Usage) {
			t.Errorf("class %q of %v: %v", tc.class, tc.names, err)
		}
	}
}
