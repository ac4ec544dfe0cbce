package linalg

import (
	"fmt"
	"math"
	"testing"
)

func TestCholeskyRebuildsAndFindsTheRank(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, shape := range [][2]int{{1, 1}, {1, 20}, {20, 20}, {factorRows, 100}, {factorRows + 1, 100}, {150, 150}, {130, 150}, {0, 4}} {
			rank, d := shape[0], shape[1]
			s := make([]float64, d*d)
			if rank > 0 {
				s = gram(1, rank, d)
			}
			f, exponent, err := team.factorize("S", s, d)
			if err != nil || f.rank != rank {
				t.Fatalf("%d of %d: rank %d, %v", rank, d, f.rank, err)
			}
			for i, p := range f.pivot {
				for j, q := range f.pivot {
					sum := 0.0
					for k := range rank {
						sum += f.u.at[k*f.u.ld+i] * f.u.at[k*f.u.ld+j]
					}
					checkNear(t, fmt.Sprintf("%d of %d: S[%d,%d]", rank, d, p, q), math.Ldexp(sum, exponent), s[p*d+q], 1e-13)
				}
			}
		}
	})
}
