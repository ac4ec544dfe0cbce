package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/model"
	"diffuse/internal/schedule"
)

// What a conditional net is told of a class: in training all but a share, drawn
// anew at each step, in validation all.
func TestClassesDropOut(t *testing.T) {
	c := toyConfig()
	c.Model.Conditional, c.Model.ClassDropout = true, 0.2
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	set := shaded(40, 1)
	told := func(f feed, step int) []int {
		images := make([]int, set.N)
		for i := range images {
			images[i] = i
		}
		b := f.at(images, step)
		size := toySide * toySide
		class := make([]int, set.N)
		b.Fill(make([]float32, set.N*size), make([]float32, set.N*size), make([]float64, set.N), make([]float64, set.N), class, 0, set.N)
		return class
	}
	const steps = 250
	dropped := 0
	for step := range steps {
		for i, class := range told(training(c, s, set), step) {
			switch class {
			case model.Unknown:
				dropped++
			case int(set.Labels[i]):
			default:
				t.Fatalf("image %d is of class %d, not %d", i, set.Labels[i], class)
			}
		}
	}
	n := float64(steps * set.N)
	if share, deviation := float64(dropped)/n, math.Sqrt(0.2*0.8/n); math.Abs(share-0.2) > 4*deviation {
		t.Errorf("%.4f of the classes dropped out, want 0.2 ± %.4f", share, deviation)
	}
	if slices.Equal(told(training(c, s, set), 1), told(training(c, s, set), 2)) {
		t.Error("the same images drop out at each step")
	}
	if slices.Contains(told(validation(c, s, set), 0), model.Unknown) {
		t.Error("validation hides classes")
	}
}

// conditionalConfig trains a tiny U-Net that is told classes, or is not.
func conditionalConfig(conditional bool) *config.Config {
	c := toyConfig()
	c.Data.Flip, c.Model.Conditional = false, conditional
	c.Model.Channels, c.Model.Attention, c.Model.Layers, c.Model.Groups, c.Model.HeadDim = []int{8, 8}, []bool{false, false}, 1, 2, 4
	c.Train.Epochs, c.Train.EMA, c.Train.LRSchedule = 12, 0, "constant"
	return c
}

// Images of a class are of one shade, so that a net that is told the class knows
// more of the noise than one that is not; and its checkpoint says what it knows.
func TestConditionalNetLearnsClasses(t *testing.T) {
	loss := map[bool]float64{}
	for _, conditional := range []bool{false, true} {
		dir := t.TempDir()
		w := &watcher{}
		s := shadedSetup(t, conditionalConfig(conditional), dir)
		s.Observers = []Observer{w}
		if err := newTrainer(t, s).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		epochs := all[Epoch](w)
		loss[conditional] = epochs[len(epochs)-1].ValidLoss

		ck, err := LoadCheckpoint(weightsPath(dir, Last))
		if err != nil {
			t.Fatal(err)
		}
		want, names := 0, ""
		if conditional {
			want, names = 3, "0 1 2" // no data set is called toy
		}
		if ck.Classes != want || strings.Join(ck.ClassNames(), " ") != names {
			t.Errorf("conditional %v: %d classes called %v", conditional, ck.Classes, ck.ClassNames())
		}
		if _, err := ck.Load(false, s.Kernels); err != nil {
			t.Error(err)
		}
		other := *s.Config
		other.Model.Conditional = !conditional
		if err := ck.Agrees(NewContract(&other, 1, 3)); fault.Code(err) != int(fault.Checkpoint) {
			t.Errorf("conditional %v agrees with a config that is not: %v", conditional, err)
		}
	}
	if !(loss[true] < 0.95*loss[false]) {
		t.Errorf("validation loss %v when told the class, %v when not", loss[true], loss[false])
	}
}
