package train

import (
	"testing"

	"diffuse/internal/config"
)

// A run that an earlier version began goes on: new keys must not change what
// stands for its config. The digest is what commit e54b9ed made.
func TestDigestOfEarlierRuns(t *testing.T) {
	r, err := config.Load(config.LoadOptions{File: "fashion.yaml", Dir: t.TempDir(), Set: []string{"train.precision=bf16"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "04ad67a700a251f4c2d6085c9eb1af2da3f0bbdad71e3d99521ed783d5d694ab"
	if got := digest(r.Config, 2950); got != want {
		t.Errorf("digest %s, want %s: give new keys json:\",omitempty\"", got, want)
	}
}
