package op

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"diffuse/internal/kernel"
	"diffuse/internal/rng"
)

// inference builds a graph for three images of 5×6 pixels and 7 channels and
// runs it; whole makes the results of all of its nodes be kept, so that none is
// folded into another.
func inference(t *testing.T, whole bool, build func(in *inferred) G.Nodes) (y []float32, kinds []string) {
	t.Helper()
	back := CPU(kernel.Best())
	in := &inferred{b: NewGraph(3, back.NewDevice()), back: back}
	var nodes G.Nodes
	err := in.b.Build(func() {
		var data []float32
		in.x, data = in.b.Input("x", 3, 5, 6, 7)
		rng.Normal(data, 1, rng.Noise, 0, 0)
		nodes = build(in)
	})
	if err != nil {
		t.Fatal(err)
	}
	last := nodes[len(nodes)-1]
	if !whole {
		nodes = G.Nodes{last}
	}
	if err := in.b.Compile(nodes...); err != nil {
		t.Fatal(err)
	}
	if err := in.b.Run(3); err != nil {
		t.Fatal(err)
	}
	for _, seg := range in.b.program.segments {
		for _, s := range seg.steps {
			kinds = append(kinds, s.op.kind)
		}
	}
	return in.b.Result(last), kinds
}

// inferred is a graph under construction.
type inferred struct {
	b    *Graph
	back Backend
	x    *G.Node
	made uint64
}

// conv is a ReLU convolution of x with random weights.
func (in *inferred) conv(x *G.Node, channels int, window kernel.Window) *G.Node {
	c := kernel.Conv{Cin: x.Shape()[3], Cout: channels, Window: window, Stride: 1}
	w := make([]float32, c.Weights())
	rng.Normal(w, 2, rng.Noise, in.made, 0)
	in.made++
	f := in.back.NewFilter(c, false)
	in.back.Pack(f, w)
	name := fmt.Sprint("bias", in.made) // Gorgonia takes leaves of one name for one
	return in.b.ConvReLU(x, in.b.Param(name, make([]float32, channels), channels), f, c)
}

func checkSameAsWhole(t *testing.T, build func(in *inferred) G.Nodes) (kinds []string) {
	t.Helper()
	want, _ := inference(t, true, build)
	got, kinds := inference(t, false, build)
	if !slices.Equal(got, want) {
		t.Error("folded, the result is another")
	}
	return kinds
}

// What is joined is written where it belongs, and the order of its makers is
// not that of its channels.
func TestBranchesWriteToTheirConcatenation(t *testing.T) {
	kinds := checkSameAsWhole(t, func(in *inferred) G.Nodes {
		a := in.conv(in.x, 5, kernel.Square(3))
		p := in.b.MaxPool(in.x, kernel.Pool{Window: kernel.Square(3), Stride: 1})
		c := in.conv(in.x, 9, kernel.Square(1))
		joined := in.b.Concat(p, c, a)
		return G.Nodes{a, p, c, in.conv(joined, 2, kernel.Square(1))}
	})
	if slices.Contains(kinds, "concat") {
		t.Errorf("there is a copy among %s", strings.Join(kinds, ", "))
	}
}

func TestWhatOthersReadIsCopied(t *testing.T) {
	kinds := checkSameAsWhole(t, func(in *inferred) G.Nodes {
		a := in.conv(in.x, 5, kernel.Square(3))
		c := in.conv(a, 9, kernel.Square(1))
		return G.Nodes{a, c, in.b.Concat(a, c)}
	})
	if !slices.Contains(kinds, "concat") {
		t.Errorf("there is no copy among %s", strings.Join(kinds, ", "))
	}
}

// max(0, conv) + x is not max(0, conv + x).
func TestSumsAreNotFoldedIntoReLU(t *testing.T) {
	checkSameAsWhole(t, func(in *inferred) G.Nodes {
		a := in.conv(in.x, 7, kernel.Square(3))
		return G.Nodes{a, in.b.Add(in.x, a)}
	})
}

func TestOpsForInferenceHaveNoGradients(t *testing.T) {
	for name, build := range map[string]func(in *inferred) *G.Node{
		"conv with ReLU": func(in *inferred) *G.Node {
			return in.conv(in.x, 7, kernel.Square(3))
		},
		"max pool": func(in *inferred) *G.Node {
			return in.b.MaxPool(in.x, kernel.Pool{Window: kernel.Square(3), Stride: 1})
		},
	} {
		back := CPU(kernel.Best())
		in := &inferred{b: NewGraph(3, back.NewDevice()), back: back}
		err := in.b.Build(func() {
			in.x, _ = in.b.Input("x", 3, 5, 6, 7)
			y := build(in)
			target, _ := in.b.Input("target", y.Shape()...)
			loss, _ := in.b.SquaredError(y, target)
			if err := in.b.Differentiate(loss, in.x); err != nil {
				panic(err)
			}
		})
		if err == nil || !strings.Contains(err.Error(), "inference only") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of what is joined, each maker answers for its own channels.
func TestFirstNonFiniteAmongBranches(t *testing.T) {
	back := CPU(kernel.Best())
	in := &inferred{b: NewGraph(3, back.NewDevice()), back: back}
	var joined *G.Node
	weights := make([]float32, 7*5)
	err := in.b.Build(func() {
		in.x, _ = in.b.Input("x", 3, 5, 6, 7)
		c := kernel.Conv{Cin: 7, Cout: 5, Window: kernel.Square(1), Stride: 1}
		var branches G.Nodes
		for i, name := range []string{"first", "second", "third"} {
			bias := make([]float32, 5)
			if i == 1 {
				bias[4] = float32(math.NaN())
			}
			f := back.NewFilter(c, false)
			back.Pack(f, weights)
			in.b.Scope(name, func() {
				branches = append(branches, in.b.ConvReLU(in.x, in.b.Param("bias of "+name, bias, 5), f, c))
			})
		}
		joined = in.b.Concat(branches...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.b.Compile(joined); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, there are NaNs beside what the first branch writes
		if err := in.b.Run(3); err != nil {
			t.Fatal(err)
		}
		if got, err := in.b.FirstNonFinite(); err != nil || got != "second.conv_relu" {
			t.Errorf("%q, %v; want second.conv_relu", got, err)
		}
	}
}
