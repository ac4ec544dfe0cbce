package op

// segment is a stretch of steps that runs a few images at a time, all steps
// for the first of them, then all for the next: so what a step has written is
// still in a near cache when the next one reads it.
type segment struct {
	images int // at a time
	steps  []*step
}

// segmentPixels is how many pixels of images make up a part: one image of 32×32,
// or so many smaller ones that reading the weights for them pays.
const segmentPixels = 512

// cut splits steps where the number of images that suits them changes.
func cut(steps []*step, n int) []segment {
	var segments []segment
	for _, s := range steps {
		pixels := s.pixels()
		last := len(segments) - 1
		images := min(n, max(1, segmentPixels/pixels))
		if s.op.whole {
			images = n
		}
		if last < 0 || (pixels > 1 || s.op.whole) && images != segments[last].images {
			segments = append(segments, segment{images: images})
			last++
		}
		segments[last].steps = append(segments[last].steps, s)
	}
	return segments
}

// pixels is the most pixels that an image has among what a step reads and
// writes; 1 for what has none, such as embeddings.
func (s *step) pixels() int {
	most := 1
	for _, values := range [][]*value{s.in, s.out} {
		for _, v := range values {
			if v != nil && v.batch && len(v.shape) == 4 {
				most = max(most, v.shape[1]*v.shape[2])
			}
		}
	}
	return most
}
