package kernel

import (
	"fmt"
	"math"
	"testing"
)

// norm64 is GroupNorm (and SiLU) of one image and its gradient in float64,
// written after the definition.
type norm64 struct {
	y, mean, rstd     []float64
	dx, dgamma, dbeta []float64
}

func groupNorm64(x, dy, gamma, beta []float32, hw, c, groups int, eps float64, silu bool) norm64 {
	per := c / groups
	r := norm64{
		y: make([]float64, hw*c), mean: make([]float64, groups), rstd: make([]float64, groups),
		dx: make([]float64, hw*c), dgamma: make([]float64, c), dbeta: make([]float64, c),
	}
	for g := range groups {
		var members []int
		for i := range hw * c {
			if i%c/per == g {
				members = append(members, i)
			}
		}
		m, v, count := 0.0, 0.0, float64(len(members))
		for _, i := range members {
			m += float64(x[i]) / count
		}
		for _, i := range members {
			v += (float64(x[i]) - m) * (float64(x[i]) - m) / count
		}
		rstd := 1 / math.Sqrt(v+eps)
		r.mean[g], r.rstd[g] = m, rstd
		xhat := func(i int) float64 { return (float64(x[i]) - m) * rstd }
		dnorm := make(map[int]float64) // gradient of x̂
		var sum, sumX float64
		for _, i := range members {
			u := float64(gamma[i%c])*xhat(i) + float64(beta[i%c])
			du := float64(dy[i])
			r.y[i] = u
			if silu {
				r.y[i] = silu64(u)
				du *= siluSlope64(u)
			}
			r.dgamma[i%c] += du * xhat(i)
			r.dbeta[i%c] += du
			dnorm[i] = du * float64(gamma[i%c])
			sum += dnorm[i]
			sumX += dnorm[i] * xhat(i)
		}
		for _, i := range members {
			r.dx[i] = rstd * (dnorm[i] - sum/count - xhat(i)*sumX/count)
		}
	}
	return r
}

func TestGroupNorm(t *testing.T) {
	shapes := []struct{ n, hw, c, groups int }{
		{1, 1, 8, 1}, {2, 16, 32, 8}, {1, 1024, 32, 32}, {2, 9, 6, 2}, {1, 49, 84, 3}, {3, 7, 224, 8}, {1, 64, 128, 32}, {2, 33, 20, 5}, {1, 300, 64, 1},
	}
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, d := range shapes {
			for _, silu := range []bool{false, true} {
				t.Run(fmt.Sprint(d, silu), func(t *testing.T) {
					checkGroupNorm(t, s, d.n, d.hw, d.c, d.groups, silu, 0.3, 2, 1)
				})
			}
		}
	})
}

// TestGroupNormOfLargeMean: the mean is ten thousand deviations, so that
// float32 itself, x and mean being rounded, leaves three to four digits.
func TestGroupNormOfLargeMean(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		checkGroupNorm(t, s, 2, 256, 32, 8, true, 1e3, 0.1, 1000)
		checkGroupNorm(t, s, 1, 77, 12, 3, false, -1e3, 0.1, 1000)
	})
}

// checkGroupNorm compares forward and backward on x ~ N(mean, deviation²) with
// the reference, tolerances being multiplied by slack.
func checkGroupNorm(t *testing.T, s *Set, n, hw, c, groups int, silu bool, mean, deviation, slack float64) {
	const eps = 1e-5
	x, dy := normals(1, n*hw*c, mean, deviation), normals(2, n*hw*c, 0, 1)
	gamma, beta := normals(3, c, 1, 0.3), normals(4, c, 0, 0.5)
	y, dx, m, r := poison(n*hw*c), poison(n*hw*c), poison(n*groups), poison(n*groups)
	dgamma, dbeta := normals(5, c, 0, 1), normals(6, c, 0, 1)
	wantGamma, wantBeta := doubles(dgamma), doubles(dbeta)
	ws := NewPoisonedWorkspace()
	s.GroupNorm(ws, y, m, r, x, gamma, beta, n, hw, c, groups, eps, silu)
	s.GroupNormBackward(ws, dx, dgamma, dbeta, dy, x, m, r, gamma, beta, nil, n, hw, c, groups, silu)
	for i := range n {
		at, end := i*hw*c, (i+1)*hw*c
		want := groupNorm64(x[at:end], dy[at:end], gamma, beta, hw, c, groups, eps, silu)
		checkClose(t, "y", y[at:end], want.y, 1e-6*slack)
		checkClose(t, "mean", m[i*groups:(i+1)*groups], want.mean, 5e-7)
		checkClose(t, "rstd", r[i*groups:(i+1)*groups], want.rstd, 2e-6)
		checkClose(t, "dx", dx[at:end], want.dx, 2e-6*slack)
		for j := range c {
			wantGamma[j] += want.dgamma[j]
			wantBeta[j] += want.dbeta[j]
		}
	}
	checkClose(t, "dgamma", dgamma, wantGamma, 3e-6*slack)
	checkClose(t, "dbeta", dbeta, wantBeta, 3e-6*slack)
	plus := normals(7, n*hw*c, 0, 1)
	want := doubles(dx)
	for i, v := range plus {
		want[i] += float64(v)
	}
	s.GroupNormBackward(ws, plus, dgamma, dbeta, dy, x, m, r, gamma, beta, plus, n, hw, c, groups, silu)
	checkClose(t, "dx added in place", plus, want, 1e-6)
}

// TestGroupNormOfAnOutlier: the first pixel, about which moments are taken, is
// far from all others.
func TestGroupNormOfAnOutlier(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		const hw, c, groups = 256, 16, 4
		x, one := normals(1, hw*c, 5, 0.1), make([]float32, c)
		for i := range c {
			x[i], one[i] = -1e4, 1
		}
		y, m, r := poison(hw*c), poison(groups), poison(groups)
		s.GroupNorm(NewPoisonedWorkspace(), y, m, r, x, one, make([]float32, c), 1, hw, c, groups, 1e-5, false)
		want := groupNorm64(x, x, one, make([]float32, c), hw, c, groups, 1e-5, false)
		checkClose(t, "y", y, want.y, 1e-5)
	})
}

func TestGroupNormOfAConstant(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		const hw, c, groups = 30, 12, 3
		x, gamma, beta := normals(1, hw*c, 7, 0), normals(2, c, 1, 1), normals(3, c, 0, 1)
		y, m, r := poison(hw*c), poison(groups), poison(groups)
		s.GroupNorm(NewPoisonedWorkspace(), y, m, r, x, gamma, beta, 1, hw, c, groups, 1e-5, false)
		want := make([]float64, hw*c)
		for i := range want {
			want[i] = float64(beta[i%c])
		}
		checkClose(t, "y", y, want, 1e-3) // x − mean is 0, but mean·rstd is 2,200
	})
}

func TestGroupNormPassesNaNOn(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		const hw, c, groups = 16, 16, 2
		x, one := normals(1, hw*c, 0, 1), normals(2, c, 1, 0)
		x[5*c+3] = float32(math.NaN())
		y, m, r := make([]float32, hw*c), make([]float32, groups), make([]float32, groups)
		s.GroupNorm(NewPoisonedWorkspace(), y, m, r, x, one, one, 1, hw, c, groups, 1e-5, true)
		for i, v := range y {
			if isNaN, want := v != v, i%c < 8; isNaN != want {
				t.Fatalf("y[%d] is %v", i, v)
			}
		}
	})
}

// TestGroupNormOfAnImageStandsAlone: the bits of an image's results do not
// depend on its place in the batch.
func TestGroupNormOfAnImageStandsAlone(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		const n, hw, c, groups = 5, 23, 36, 4
		x, dy := normals(1, n*hw*c, 0, 1), normals(2, n*hw*c, 0, 1)
		gamma, beta := normals(3, c, 1, 1), normals(4, c, 0, 1)
		run := func(x, dy []float32, n int) (y, dx []float32) {
			y, dx = poison(n*hw*c), poison(n*hw*c)
			m, r := poison(n*groups), poison(n*groups)
			ws := NewPoisonedWorkspace()
			s.GroupNorm(ws, y, m, r, x, gamma, beta, n, hw, c, groups, 1e-5, true)
			s.GroupNormBackward(ws, dx, make([]float32, c), make([]float32, c), dy, x, m, r, gamma, beta, nil, n, hw, c, groups, true)
			return y, dx
		}
		y, dx := run(x, dy, n)
		for i := range n {
			at, end := i*hw*c, (i+1)*hw*c
			y1, dx1 := run(x[at:end], dy[at:end], 1)
			checkSame(t, "y", y1, y[at:end])
			checkSame(t, "dx", dx1, dx[at:end])
		}
	})
}
