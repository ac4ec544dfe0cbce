package pretrained

import (
	"math"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/train"
)

// maxBytes is what the binary may grow by.
const maxBytes = 16 << 20

// The nets in the binary are those of its config: same net, schedule and input
// range, all values finite, and small. The config's guide is one of them, and of a net
// that can guide it.
func TestNetsAreThoseOfTheirConfig(t *testing.T) {
	r, err := config.Load(config.LoadOptions{File: Config()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Sample.Guide != guide || r.Train.KeepEvery == 0 {
		t.Errorf("the config is guided by %q and keeps every %d epochs", r.Sample.Guide, r.Train.KeepEvery)
	}
	bytes := 0
	for name, weights := range checkpoints {
		bytes += len(weights)
		c, err := Checkpoint(name)
		if err != nil {
			t.Fatal(err)
		}
		want := train.NewContract(&r.Config, c.Image[2], c.Classes)
		if err := c.Guides(&want); err != nil {
			t.Error(name, err)
		}
		if err := c.Agrees(want); name == train.Last && err != nil {
			t.Error(err)
		}
		net, err := c.Load(false, kernel.Best())
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range net.Params().Data {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("%s: parameter %d is %v", name, i, x)
			}
		}
	}
	if bytes > maxBytes {
		t.Errorf("%d bytes", bytes)
	}
}

// A config of its name in the working folder is another's: it is not asked.
func TestConfigIsTheBinarys(t *testing.T) {
	t.Chdir(t.TempDir())
	r, err := config.Load(config.LoadOptions{File: Config()})
	if err != nil || r.File != "embedded fashion-best.yaml" || r.Name != Name {
		t.Errorf("%+v, %v", r, err)
	}
}
