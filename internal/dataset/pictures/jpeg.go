package pictures

import "image"

// yCbCr converts a JPEG's pixels as libjpeg does, which Pillow uses: the smaller
// planes of colour are interpolated, where Go's own conversion repeats their
// pixels. In pictures saved as Pillow does by default the two differ by six levels
// in the mean.
//
// Source: libjpeg-turbo's jdcolor.c.
func yCbCr(p *image.YCbCr) func(x, y int) [3]uint8 {
	w := p.Rect.Dx()
	blue, red := enlarge(p, p.Cb), enlarge(p, p.Cr)
	return func(x, y int) [3]uint8 {
		luma := int(p.Y[y*p.YStride+x])
		cb, cr := int(blue[y*w+x])-128, int(red[y*w+x])-128
		const half = 1 << 15 // the factors are times 2^16
		return [3]uint8{
			clamp(luma + (91881*cr+half)>>16),           // 1.402
			clamp(luma + (-22554*cb-46802*cr+half)>>16), // 0.34414, 0.71414
			clamp(luma + (116130*cb+half)>>16),          // 1.772
		}
	}
}

func clamp(v int) uint8 { return uint8(max(0, min(v, 255))) }

// enlarge brings a plane of colour to the picture's size: a pixel is three parts
// of the plane's nearest and one part of its second nearest, along each dimension
// that was halved; at the edge both are the same. What was shrunk otherwise is
// repeated, and so are planes of two columns.
//
// Source: libjpeg-turbo's jdsample.c (h2v1, h1v2 and h2v2_fancy_upsample).
func enlarge(p *image.YCbCr, plane []uint8) []uint8 {
	w, h := p.Rect.Dx(), p.Rect.Dy()
	out := make([]uint8, w*h)
	ratio := p.SubsampleRatio
	halfWidth := ratio == image.YCbCrSubsampleRatio420 || ratio == image.YCbCrSubsampleRatio422
	halfHeight := ratio == image.YCbCrSubsampleRatio420 || ratio == image.YCbCrSubsampleRatio440
	columns := (w + 1) / 2
	if !halfWidth && !halfHeight || halfWidth && columns <= 2 {
		for i := range out {
			out[i] = plane[p.COffset(i%w, i/w)]
		}
		return out
	}
	if !halfWidth {
		columns = w
	}
	sum := make([]int, columns) // a row of the plane, interpolated
	for y := range h {
		nearest, second := y, y
		if halfHeight {
			nearest, second = y/2, neighbour(y, (h+1)/2)
		}
		near, far := plane[nearest*p.CStride:], plane[second*p.CStride:]
		for x := range sum {
			sum[x] = 3*int(near[x]) + int(far[x])
		}
		row := out[y*w : (y+1)*w]
		for x := range row {
			row[x] = blend(sum, x, y, halfWidth, halfHeight)
		}
	}
	return out
}

// neighbour is the second nearest among the n of which i is one half: the one before
// for an even i, the one after for an odd i, or the nearest itself at the edge.
func neighbour(i, n int) int { return max(0, min(i/2-1+2*(i%2), n-1)) }

// blend is pixel x of a row from a row of sums of four. Roundings are libjpeg's:
// up and down in turn, so that no picture brightens.
func blend(sum []int, x, y int, halfWidth, halfHeight bool) uint8 {
	if !halfWidth {
		return uint8((sum[x] + 1 + y%2) >> 2)
	}
	all := 3*sum[x/2] + sum[neighbour(x, len(sum))] // of sixteen
	if halfHeight {
		return uint8((all + 8 - x%2) >> 4)
	}
	return uint8((all + 4 + 4*(x%2)) >> 4) // 1 and 2 of four, times four
}
