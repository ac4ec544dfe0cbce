package kernel

import "testing"

// The layers of a U-Net with channels 32, 64, 128, 256 on 32×32 images that
// cost most, a micro-batch of 16.
var benchShapes = []Conv{
	{N: 16, H: 32, W: 32, Cin: 1, Cout: 32, Window: Square(3), Stride: 1},
	{N: 16, H: 32, W: 32, Cin: 32, Cout: 32, Window: Square(3), Stride: 1},
	{N: 16, H: 32, W: 32, Cin: 64, Cout: 64, Window: Square(3), Stride: 1},
	{N: 16, H: 32, W: 32, Cin: 96, Cout: 32, Window: Square(3), Stride: 1},
	{N: 16, H: 32, W: 32, Cin: 32, Cout: 32, Window: Square(3), Stride: 2},
	{N: 16, H: 16, W: 16, Cin: 64, Cout: 64, Window: Square(3), Stride: 1},
	{N: 16, H: 16, W: 16, Cin: 192, Cout: 64, Window: Square(3), Stride: 1},
	{N: 16, H: 8, W: 8, Cin: 128, Cout: 128, Window: Square(3), Stride: 1},
	{N: 16, H: 8, W: 8, Cin: 384, Cout: 128, Window: Square(3), Stride: 1},
	{N: 16, H: 8, W: 8, Cin: 256, Cout: 256, Window: Square(3), Stride: 1},
	{N: 16, H: 4, W: 4, Cin: 256, Cout: 256, Window: Square(3), Stride: 1},
	{N: 16, H: 4, W: 4, Cin: 512, Cout: 256, Window: Square(3), Stride: 1},
	{N: 16, H: 16, W: 16, Cin: 64, Cout: 64, Window: Square(3), Stride: 1, Upsample: true},
	{N: 16, H: 8, W: 8, Cin: 128, Cout: 128, Window: Square(3), Stride: 1, Upsample: true},
	{N: 16, H: 4, W: 4, Cin: 256, Cout: 256, Window: Square(3), Stride: 1, Upsample: true},
	{N: 16, H: 16, W: 16, Cin: 64, Cout: 64, Window: Square(1), Stride: 1},
	{N: 16, H: 8, W: 8, Cin: 128, Cout: 128, Window: Square(1), Stride: 1},
	{N: 16, H: 4, W: 4, Cin: 256, Cout: 256, Window: Square(1), Stride: 1},
}

// onShapes measures one pass over a batch, in useful operations a second: two
// for every product in the layer's definition, borders of zeros counted: a
// layer that enlarges its input needs fewer and may exceed the machine's peak.
func onShapes(b *testing.B, pass func(s *Set, ws *Workspace, l *benchLayer)) {
	var all []*Set
	for _, s := range Sets() {
		all = append(all, s.In(FP32), s.In(BF16))
	}
	for _, s := range all {
		for _, c := range benchShapes {
			b.Run(s.Name()+"/"+string(s.Precision())+"/"+c.String(), func(b *testing.B) {
				h, w := c.Out()
				l := &benchLayer{Conv: c, p: s.NewPacked(c, true), w: normals(1, c.Weights(), 0, 1), bias: make([]float32, c.Cout),
					x: normals(2, c.N*c.H*c.W*c.Cin, 0, 1), y: normals(3, c.N*h*w*c.Cout, 0, 1)}
				s.Pack(l.p, l.w)
				ws := NewWorkspace()
				pass(s, ws, l)
				b.ResetTimer()
				for range b.N {
					pass(s, ws, l)
				}
				flops := 2 * float64(c.N*h*w) * float64(c.Weights())
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

type benchLayer struct {
	Conv
	p             *Packed
	w, bias, x, y []float32
}

func BenchmarkConvForward(b *testing.B) {
	onShapes(b, func(s *Set, ws *Workspace, l *benchLayer) {
		s.ConvForward(ws, l.y, l.x, l.p, Start{Bias: l.bias}, l.Conv)
	})
}

func BenchmarkConvBackwardData(b *testing.B) {
	onShapes(b, func(s *Set, ws *Workspace, l *benchLayer) { s.ConvBackwardData(ws, l.x, l.y, l.p, nil, l.Conv) })
}

func BenchmarkConvBackwardWeights(b *testing.B) {
	onShapes(b, func(s *Set, ws *Workspace, l *benchLayer) {
		s.ConvBackwardWeights(ws, l.w, l.bias, l.x, l.y, l.Conv)
	})
}

func BenchmarkPack(b *testing.B) {
	onShapes(b, func(s *Set, ws *Workspace, l *benchLayer) { s.Pack(l.p, l.w) })
}
