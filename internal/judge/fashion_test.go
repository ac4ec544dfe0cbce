package judge

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"diffuse/internal/dataset"
	"diffuse/internal/kernel"
	"diffuse/internal/train"
)

// dataDir is the folder of the real data sets; the test skips without it.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DIFFUSE_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, dataset.FashionMNIST)); err != nil {
		t.Skip("needs Fashion-MNIST: DIFFUSE_DATA names its folder")
	}
	return dir
}

// The classifier in the binary says what it was trained to: at least 94.1 % of
// the 10,000 test images, the lesson's figure.
func TestFashionClassifierAccuracy(t *testing.T) {
	set, err := dataset.Open(dataset.FashionMNIST, dataDir(t), dataset.Test)
	if err != nil {
		t.Fatal(err)
	}
	c, err := train.EmbeddedCheckpoint("the binary's", fashionWeights)
	if err != nil {
		t.Fatal(err)
	}
	net, err := c.Load(false, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	const batch = 250
	w, err := net.Worker(batch, false)
	if err != nil {
		t.Fatal(err)
	}
	x, y, right := make([]float32, batch*net.Sizes().Input), make([]float32, batch*c.Classes), 0
	for lo := 0; lo < set.N; lo += batch {
		index := count(batch)
		for i := range index {
			index[i] += lo
		}
		set.Fill(x, index, c.Image[0], c.Range[0], c.Range[1], nil)
		if err := w.Predict(y, x, nil, nil); err != nil {
			t.Fatal(err)
		}
		for i := range batch {
			row := y[i*c.Classes:][:c.Classes]
			if slices.Index(row, slices.Max(row)) == int(set.Labels[lo+i]) {
				right++
			}
		}
	}
	t.Logf("%d of %d right", right, set.N)
	if right < 9410 {
		t.Errorf("%d of %d right, the lesson's classifier has 9,410", right, set.N)
	}
}
