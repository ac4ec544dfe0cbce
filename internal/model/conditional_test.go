package model

import (
	"math"
	"slices"
	"testing"

	"diffuse/internal/kernel"
	"diffuse/internal/rng"
)

// newConditional is a small net that knows four classes, and one that knows none
// and shares all other weights.
func newConditional(t *testing.T) (told, untold *UNet) {
	t.Helper()
	cfg := small
	cfg.Conditional = true
	told, err := NewUNet(cfg, Images{Size: 8, Channels: 3, Classes: 4}, true, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	told.Init(1)
	untold = newSmall(t, true)
	for _, p := range untold.params.List {
		i := slices.IndexFunc(told.params.List, func(q *Param) bool { return q.Name == p.Name })
		copy(p.At(untold.params.Data), told.params.List[i].At(told.params.Data))
	}
	return told, untold
}

// shift adds by to the bias that the embedding of a class is added behind.
func shift(u *UNet, by []float32) {
	bias := u.time2.bias.At(u.params.Data)
	for i, v := range by {
		bias[i] += v
	}
	u.Repack(nil)
}

// twoImages are the inputs of a small net, the targets and the timesteps.
func twoImages() (x, target []float32, times []float64) {
	x, target = make([]float32, 2*8*8*3), make([]float32, 2*8*8*3)
	rng.Normal(x, 2, rng.Noise, 0, 0)
	rng.Normal(target, 2, rng.Noise, 1, 0)
	return x, target, []float64{30, 700}
}

// To be told a class is to have its row added to the time embedding, as in
// diffusers' UNet2DModel: a net without classes whose last bias holds the row says
// the same and learns the same.
func TestClassIsARowOfTheTimeEmbedding(t *testing.T) {
	x, target, times := twoImages()
	for _, tc := range []struct {
		name  string
		class []int
		row   int
	}{
		{"first", []int{0, 0}, 0},
		{"last", []int{3, 3}, 3},
		{"unknown", []int{Unknown, Unknown}, 4},
		{"nothing said", nil, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			told, untold := newConditional(t)
			dim := told.class.Shape[1]
			row := told.class.At(told.params.Data)[tc.row*dim:][:dim]
			shift(untold, row)
			said := func(u *UNet, class []int) (y, grad []float32) {
				w, err := u.Worker(len(times), true)
				if err != nil {
					t.Fatal(err)
				}
				y, grad = make([]float32, len(x)), make([]float32, len(u.params.Data))
				if err := w.Predict(y, x, times, class); err != nil {
					t.Fatal(err)
				}
				if err := w.Gradients(grad, make([]float64, len(times)), x, target, times, class, nil, 1); err != nil {
					t.Fatal(err)
				}
				return y, grad
			}
			y, grad := said(told, tc.class)
			want, wantGrad := said(untold, nil)
			if d := largestDifference(y, want); !(d < 1e-5) {
				t.Errorf("the prediction is off by %g", d)
			}
			table, bias := told.class.At(grad), untold.time2.bias.At(wantGrad)
			if d := largestDifference(table[tc.row*dim:][:dim], bias); !(d < 1e-5*norm2(bias)) {
				t.Errorf("the row's gradient is off by %g of %g", d, norm2(bias))
			}
			clear(table[tc.row*dim:][:dim])
			if norm2(table) != 0 {
				t.Error("rows that were not asked for have a gradient")
			}
		})
	}
}

func largestDifference(a, b []float32) (d float64) {
	for i := range a {
		d = max(d, math.Abs(float64(a[i])-float64(b[i])))
	}
	return d
}

// Images of different classes share a batch.
func TestClassesStandAlone(t *testing.T) {
	told, _ := newConditional(t)
	w, err := told.Worker(2, false)
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 * 8 * 3
	x, both, one := make([]float32, 2*size), make([]float32, 2*size), make([]float32, size)
	rng.Normal(x, 2, rng.Noise, 0, 0)
	if err := w.Predict(both, x, []float64{5, 5}, []int{2, 1}); err != nil {
		t.Fatal(err)
	}
	for class, same := range map[int]bool{1: true, 2: false} {
		if err := w.Predict(one, x[size:], []float64{5}, []int{class}); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(one, both[size:]) != same {
			t.Errorf("the second image, of class 1, is drawn as class %d would be: %v, want %v", class, !same, same)
		}
	}
}

// PyTorch's Embedding starts as N(0, 1).
func TestEmbeddingInit(t *testing.T) {
	told, _ := newConditional(t)
	var sum, squares float64
	rows := told.class.At(told.params.Data)
	for _, v := range rows {
		sum, squares = sum+float64(v), squares+float64(v)*float64(v)
	}
	n := float64(len(rows))
	if se := 4 / math.Sqrt(n); math.Abs(sum/n) > se || math.Abs(squares/n-1) > math.Sqrt2*se {
		t.Errorf("mean %g, mean square %g of %v numbers", sum/n, squares/n, n)
	}
}

func TestClassesThatAreNot(t *testing.T) {
	told, _ := newConditional(t)
	w, err := told.Worker(2, false)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 2*8*8*3)
	for name, class := range map[string][]int{"beyond the last": {0, 4}, "negative": {-2, 0}, "too few": {1}} {
		if err := w.Predict(x, x, make([]float64, 2), class); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	cfg := small
	cfg.Conditional = true
	if _, err := NewUNet(cfg, Images{Size: 8, Channels: 3}, false, kernel.Best()); err == nil {
		t.Error("a conditional net without classes was made")
	}
}
