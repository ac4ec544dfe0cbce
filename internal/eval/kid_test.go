package eval

import (
	"math"
	"testing"

	"diffuse/internal/fault"
)

// bruteMMD is the estimator's formula, pair by pair.
func bruteMMD(x, y rows) float64 {
	mean := func(a, b rows, same bool) float64 {
		sum, pairs := 0.0, 0
		for i := range a.Len() {
			for j := range b.Len() {
				if same && i == j {
					continue
				}
				product := 0.0
				for k := range a.dim {
					product += float64(a.data[i*a.dim+k]) * float64(b.data[j*b.dim+k])
				}
				sum += math.Pow(product/float64(a.dim)+1, 3)
				pairs++
			}
		}
		return sum / float64(pairs)
	}
	return mean(x, x, true) + mean(y, y, true) - 2*mean(x, y, false)
}

// pieces are s in contiguous parts at round(i·n/parts).
func pieces(s rows, parts int) []rows {
	var all []rows
	for i := range parts {
		at := func(i int) int { return s.dim * int(math.RoundToEven(float64(i*s.Len())/float64(parts))) }
		all = append(all, rows{s.data[at(i):at(i+1)], s.dim})
	}
	return all
}

// Tiles give what the formula gives, on sizes around a tile's and off them.
func TestKIDAgainstBruteForce(t *testing.T) {
	const d = 6
	for _, c := range []struct{ nx, ny, blocks int }{{9, 8, 4}, {128, 257, 4}, {300, 129, 4}, {333, 260, 6}} {
		x := randomGaussian(source(1), d, 1, 3).draw(source(2), c.nx).(rows)
		y := randomGaussian(source(3), d, 1, 3).draw(source(4), c.ny).(rows)
		near(t, "whole", kidOf(t, x, y, KIDWhole).Value, bruteMMD(x, y), 1e-11)
		k := kidOf(t, x, y, KIDBlocks)
		if k.Blocks != c.blocks {
			t.Errorf("%d rows and %d make %d blocks, want %d", c.nx, c.ny, k.Blocks, c.blocks)
		}
		px, py := pieces(x, c.blocks), pieces(y, c.blocks)
		var values []float64
		for i := range px {
			values = append(values, bruteMMD(px[i], py[i]))
		}
		mean, variance := meanVariance(values)
		near(t, "blocks", k.Value, mean, 1e-11)
		near(t, "blocks' spread", k.Std, math.Sqrt(variance), 1e-10)
		near(t, "blocks' standard error", k.StdErr, math.Sqrt(variance/float64(c.blocks)), 1e-10)
	}
}

// A subset of all rows is the whole.
func TestKIDSubsetsOfAllRows(t *testing.T) {
	x := randomGaussian(source(1), 5, 1, 3).draw(source(2), 60)
	y := randomGaussian(source(3), 5, 1, 3).draw(source(4), 60)
	k, err := kidSubsets(set{x, "samples"}, set{y, "reference"}, 3, 60, 1)
	if err != nil {
		t.Fatal(err)
	}
	whole := kidOf(t, x, y, KIDWhole)
	near(t, "subsets of all", k.Value, whole.Value, 1e-12)
	near(t, "their standard error", k.StdErr, whole.StdErr, 1e-9)
	if k.Blocks != 3 || k.Size != 60 {
		t.Errorf("%d subsets of %d", k.Blocks, k.Size)
	}
}

// The estimators of sets of one distribution are right on average: within four
// standard errors of zero, over draws that tell a bias of a hundredth of the
// biased estimator's (which counts a row with itself).
func TestKIDIsUnbiased(t *testing.T) {
	const d, n, draws = 8, 64, 400
	g := randomGaussian(source(1), d, .5, 3)
	values := map[string][]float64{}
	self := 0.0
	for i := range draws {
		r := source(uint64(1000 + i))
		x, y := g.draw(r, n), g.draw(r, n)
		for _, estimator := range []string{KIDBlocks, KIDWhole} {
			values[estimator] = append(values[estimator], kidOf(t, x, y, estimator).Value)
		}
		k, err := kidSubsets(set{x, "samples"}, set{y, "reference"}, 5, 20, 1)
		if err != nil {
			t.Fatal(err)
		}
		values[KIDSubsets] = append(values[KIDSubsets], k.Value)
		row := x.(rows).data[:d]
		square := 0.0
		for _, v := range row {
			square += float64(v) * float64(v)
		}
		self += kernel(square, d) / draws
	}
	for estimator, v := range values {
		mean, variance := meanVariance(v)
		if stdErr := math.Sqrt(variance / draws); math.Abs(mean) > 4*stdErr || stdErr > self/n/10 {
			t.Errorf("%s: the mean of %d draws is %.2e ± %.1e; a row with itself would add %.1e", estimator, draws, mean, stdErr, 2*self/n)
		}
	}
}

// The standard error that one draw tells is the spread over many draws: within a
// quarter where the sets are apart. Where they are the same and all pairs of rows
// have kernels of variance σ², a whole's variance is 8σ²/n² and its first-order
// estimate 16σ²/n²: √2 times the error. Of B subsets of m rows they are 8σ²/n² +
// 8σ²(1/m²-1/n²)/B and 16σ²/mn + 8σ²(1/m²-1/n²)/B: here 2.1 times.
func TestKIDStandardError(t *testing.T) {
	const d, n, draws = 8, 240, 120
	p := randomGaussian(source(1), d, .5, 3)
	q := randomGaussian(source(2), d, .5, 3)
	for _, c := range []struct {
		name      string
		other     gaussian
		estimator string
		most      float64
	}{
		{"apart", q, KIDBlocks, 1.25}, {"apart", q, KIDWhole, 1.25}, {"apart", q, KIDSubsets, 1.25},
		{"same", p, KIDBlocks, 1.25}, {"same", p, KIDWhole, 1.25 * math.Sqrt2}, {"same", p, KIDSubsets, 1.25 * 2.1},
	} {
		var values []float64
		var intervals []Interval
		variance, covered := 0.0, 0
		for i := range draws {
			r := source(uint64(5000 + i))
			x, y := set{p.draw(r, n), "samples"}, set{c.other.draw(r, n), "reference"}
			var k KID
			var err error
			switch c.estimator {
			case KIDBlocks:
				k, err = kidBlocks(x, y, 20)
			case KIDWhole:
				k, err = kidWhole(x, y)
			case KIDSubsets:
				k, err = kidSubsets(x, y, 15, 80, uint64(i))
			}
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, k.Value)
			variance += k.StdErr * k.StdErr / draws
			intervals = append(intervals, k.Interval(uint64(i)))
		}
		mean, spread := meanVariance(values)
		for _, v := range intervals {
			if v.Lo <= mean && mean <= v.Hi {
				covered++
			}
		}
		ratio := math.Sqrt(variance / spread)
		t.Logf("%s, %s: the standard error is %.2f of the spread, %d of %d intervals hold", c.name, c.estimator, ratio, covered, draws)
		if ratio < 0.8 || ratio > c.most {
			t.Errorf("%s, %s: the standard error is %.2f of the spread of %d draws", c.name, c.estimator, ratio, draws)
		}
		if share := float64(covered) / draws; share < .88 {
			t.Errorf("%s, %s: %.0f %% of intervals hold the mean", c.name, c.estimator, 100*share)
		}
	}
}

func TestKIDRefuses(t *testing.T) {
	g := randomGaussian(source(1), 3, 1, 3)
	x, few := g.draw(source(2), 999), g.draw(source(3), 7)
	for _, c := range []struct {
		a, b      Source
		estimator string
		want      string
	}{
		{few, x, KIDBlocks, "KID needs 2 of the samples in a block, and there are 1"},
		{x, few, KIDBlocks, "KID needs 2 of the reference in a block, and there are 1"},
		{x, window{few, 0, 1}, KIDWhole, "KID needs 2 of the reference in a block, and there are 1"},
		{x, x, KIDSubsets, "KID needs 1000 of the samples in a block, and there are 999"},
		{x, x, "most", `unknown KID estimator "most"`},
	} {
		_, err := MeasureKID(c.a, c.b, c.estimator, 1)
		if message(err) != c.want || fault.Code(err) != int(fault.Usage) || fault.Hint(err) == "" {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
