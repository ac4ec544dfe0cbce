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

// The net in the binary is the one of its config: same net, schedule and input
// range, all its values finite, and small.
func TestNetIsThatOfItsConfig(t *testing.T) {
	c, err := Checkpoint(train.Last)
	if err != nil {
		t.Fatal(err)
	}
	r, err := config.Load(config.LoadOptions{File: Config()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Agrees(train.NewContract(&r.Config, c.Image[2], c.Classes)); err != nil {
		t.Error(err)
	}
	if len(last) > maxBytes {
		t.Errorf("%d bytes", len(last))
	}
	net, err := c.Load(false, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range net.Params().Data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Fatalf("parameter %d is %v", i, x)
		}
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
