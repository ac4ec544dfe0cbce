package kernel

import "testing"

// oddChannels are channel counts below, at and beside multiples of vectors.
var oddChannels = []int{1, 3, 8, 12, 28, 32, 37, 64, 75}

func TestAddChannelsAndSumPixels(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, c := range oddChannels {
			const n, hw = 2, 700 // more than a block
			x, e := normals(1, n*hw*c, 0, 1), normals(2, n*c, 0, 1)
			y, de := poison(n*hw*c), poison(n*c)
			s.AddChannels(y, x, e, n, hw, c)
			s.SumPixels(de, x, n, hw, c)
			sum, total := make([]float64, n*hw*c), make([]float64, n*c)
			for i := range sum {
				at := i/(hw*c)*c + i%c
				sum[i] = float64(x[i]) + float64(e[at])
				total[at] += float64(x[i])
			}
			checkClose(t, "y", y, sum, 1e-7)
			checkClose(t, "de", de, total, 2e-6)
		}
	})
}

func TestPutAndTakeChannels(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, ca := range oddChannels {
			for _, cb := range oddChannels {
				rows := 13
				if ca == cb { // more than a block
					rows = 700
				}
				a, b := normals(1, rows*ca, 0, 1), normals(2, rows*cb, 0, 1)
				y := poison(rows * (ca + cb))
				s.PutChannels(y, a, rows, Slot{0, ca + cb})
				s.PutChannels(y, b, rows, Slot{ca, ca + cb})
				for r := range rows {
					checkSame(t, "y", y[r*(ca+cb):][:ca], a[r*ca:][:ca])
					checkSame(t, "y", y[r*(ca+cb)+ca:][:cb], b[r*cb:][:cb])
				}
				da, db := poison(rows*ca), poison(rows*cb)
				s.TakeChannels(da, y, rows, Slot{0, ca + cb})
				s.TakeChannels(db, y, rows, Slot{ca, ca + cb})
				checkSame(t, "da", da, a)
				checkSame(t, "db", db, b)
			}
		}
	})
}
