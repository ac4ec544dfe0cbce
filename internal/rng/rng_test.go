package rng

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// The known answers that Random123 publishes (kat_vectors, "philox4x32 10").
func TestPhiloxKnownAnswers(t *testing.T) {
	const f = 0xffffffff
	for _, k := range []struct {
		counter block
		key     [2]uint32
		want    block
	}{
		{block{}, [2]uint32{}, block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{block{f, f, f, f}, [2]uint32{f, f}, block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{
			block{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			[2]uint32{0xa4093822, 0x299f31d0},
			block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := philox(k.counter, k.key[0], k.key[1]); got != k.want {
			t.Errorf("philox(%08x, %08x) = %08x, want %08x", k.counter, k.key, got, k.want)
		}
	}
}

// Every argument has its own bits of the counter: none shadows another.
func TestSourcesAreDistinct(t *testing.T) {
	seen := map[block]string{}
	for _, seed := range []uint64{0, 1, 1 << 40} {
		for _, s := range []Stream{0, 1, 255} {
			for _, image := range []uint64{0, 1, 1 << 16, 1 << 32, 1<<48 - 1} {
				for _, step := range []uint64{0, 1, 1 << 16, 1 << 32, 1<<48 - 1} {
					for _, i := range []int{0, 1, 1<<24 - 1} {
						src := newSource(seed, s, image, step)
						name := fmt.Sprint(seed, s, image, step, i)
						b := src.at(i)
						if other, ok := seen[b]; ok {
							t.Fatalf("%s repeats %s", name, other)
						}
						seen[b] = name
					}
				}
			}
		}
	}
}

func TestOutOfRangePanics(t *testing.T) {
	for name, f := range map[string]func(){
		"stream": func() { Uniform(0, 256, 0, 0) },
		"image":  func() { Uniform(0, 0, 1<<48, 0) },
		"step":   func() { Uniform(0, 0, 0, 1<<48) },
		"n":      func() { Intn(0, 0, 0, 0, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestLnAndSincosAgainstMath(t *testing.T) {
	for i := range 100_000 {
		v := uint32(word(1, 0, uint64(i), 0))
		if i < 64 {
			v = uint32(1<<32-1) >> i // the ends, too
		}
		u := (float64(v) + 0.5) * 0x1p-32
		if got, want := ln(u), math.Log(u); math.Abs(got-want) > 2e-10*math.Abs(want) {
			t.Fatalf("ln(%v) = %v, want %v", u, got, want)
		}
		s, c := sincosTurn(v)
		ws, wc := math.Sincos(2 * math.Pi * u)
		if math.Abs(s-ws) > 2e-10 || math.Abs(c-wc) > 2e-10 {
			t.Fatalf("sincosTurn(%d) = %v, %v, want %v, %v", v, s, c, ws, wc)
		}
	}
}

func TestNormalMomentsAndKolmogorovSmirnov(t *testing.T) {
	const n = 1 << 20
	x := make([]float32, n)
	Normal(x, 7, Noise, 3, 5)
	y := make([]float64, n)
	for i, v := range x {
		y[i] = float64(v)
	}
	// Each moment's standard error at n: 1, sqrt 2, sqrt 6, sqrt 24 over sqrt n.
	se := 1 / math.Sqrt(n)
	mean, std := stat.MeanStdDev(y, nil)
	for _, m := range []struct {
		name             string
		got, want, width float64
	}{
		{"mean", mean, 0, 1},
		{"variance", std * std, 1, math.Sqrt(2)},
		{"skewness", stat.Skew(y, nil), 0, math.Sqrt(6)},
		{"excess kurtosis", stat.ExKurtosis(y, nil), 0, math.Sqrt(24)},
		{"correlation of neighbours", stat.Correlation(y[1:], y[:n-1], nil), 0, 1},
		{"correlation of halves", stat.Correlation(y[n/2:], y[:n/2], nil), 0, math.Sqrt2},
	} {
		if math.Abs(m.got-m.want) > 4*m.width*se {
			t.Errorf("%s = %v, want %v", m.name, m.got, m.want)
		}
	}
	// sup |F_n - Φ| · sqrt n exceeds 1.95 with probability 0.001.
	slices.Sort(y)
	var sup float64
	for i, v := range y {
		f := distuv.UnitNormal.CDF(v)
		sup = max(sup, f-float64(i)/n, float64(i+1)/n-f)
	}
	if k := sup * math.Sqrt(n); k > 1.95 {
		t.Errorf("Kolmogorov–Smirnov statistic %.3f", k)
	}
}

// An image's noise does not depend on how much of it is asked for.
func TestNormalPrefix(t *testing.T) {
	whole := make([]float32, 13)
	Normal(whole, 1, Noise, 2, 3)
	for n := range whole {
		part := make([]float32, n)
		Normal(part, 1, Noise, 2, 3)
		if !slices.Equal(part, whole[:n]) {
			t.Fatalf("first %d: %v, want %v", n, part, whole[:n])
		}
	}
}

const normalBits = 0xbea119da86f2e618

// The bits of a seed are a promise: a platform or a change that breaks it fails
// here. The numbers were made by this package on amd64.
func TestNormalBits(t *testing.T) {
	x := make([]float32, 1<<16)
	Normal(x, 42, SampleStart, 0, 0)
	h := fnv.New64a()
	for _, v := range x {
		b := math.Float32bits(v)
		h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
	}
	if got := h.Sum64(); got != normalBits {
		t.Errorf("hash of the bits is %#x, want %#x", got, uint64(normalBits))
	}
}

func TestUniformIntnPerm(t *testing.T) {
	const n = 100_000
	var sum float64
	counts := make([]float64, 10)
	for i := range uint64(n) {
		u := Uniform(1, Timestep, i, 0)
		if u < 0 || u >= 1 {
			t.Fatalf("Uniform = %v", u)
		}
		sum += u
		counts[Intn(10, 1, Timestep, i, 1)]++
	}
	if m := sum / n; math.Abs(m-0.5) > 4/math.Sqrt(12*n) {
		t.Errorf("mean of Uniform = %v", m)
	}
	expected := slices.Repeat([]float64{n / 10}, 10)
	if c := stat.ChiSquare(counts, expected); c > 27.9 { // p = 0.001 at 9 degrees
		t.Errorf("chi square of Intn = %v", c)
	}
	us := make([]float32, 7)
	Uniforms(us, 1, Weights, 0, 0)
	for _, u := range us {
		if u < 0 || u >= 1 {
			t.Fatalf("Uniforms = %v", us)
		}
	}
	for _, n := range []int{0, 1, 2, 1000} {
		p := Perm(n, 1, Shuffle, 2)
		if n == 1000 && (slices.IsSorted(p) || slices.Equal(p, Perm(n, 1, Shuffle, 3))) {
			t.Errorf("Perm does not shuffle")
		}
		slices.Sort(p)
		for i, v := range p {
			if i != v {
				t.Fatalf("Perm(%d) is no permutation", n)
			}
		}
	}
}

// Each of the 24 orders of four comes as often as any other.
func TestPermIsUniform(t *testing.T) {
	counts := map[[4]int]float64{}
	const n = 24_000
	for e := range uint64(n) {
		counts[[4]int(Perm(4, 9, Shuffle, e))]++
	}
	var chi float64
	for _, c := range counts {
		chi += (c - n/24) * (c - n/24) / (n / 24)
	}
	if len(counts) != 24 || chi > 49.7 { // p = 0.001 at 23 degrees
		t.Errorf("%d orders, chi square %v", len(counts), chi)
	}
}

func BenchmarkNormal(b *testing.B) {
	x := make([]float32, 1024)
	b.SetBytes(4 * 1024)
	for i := range b.N {
		Normal(x, 1, Noise, uint64(i), 0)
	}
}
