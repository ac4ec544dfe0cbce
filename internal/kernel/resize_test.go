package kernel

import (
	"encoding/json"
	"os"
	"testing"
)

// resizeCase is every step-th value of 2·resized − 1 for the image whose i-th
// value is (7919·i mod 1000)/1000, all NHWC and 3 channels out.
type resizeCase struct {
	H, W, C, Step int
	OutH          int `json:"out_h"`
	OutW          int `json:"out_w"`
	Values        []float64
}

// The values were made by PyTorch 1.13:
//
//	x = (torch.arange(h*w*c)*7919%1000).float().div(1000).view(1,h,w,c)
//	y = F.interpolate(x.permute(0,3,1,2), (oh,ow), mode='bilinear', align_corners=False)
//	(2*y.expand(1,3,oh,ow)-1).permute(0,2,3,1).flatten()[::step]
func TestGoldenResize(t *testing.T) {
	raw, err := os.ReadFile("testdata/resize.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []resizeCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, tc := range cases {
		const n = 2
		size := tc.H * tc.W * tc.C
		x := make([]float32, n*size)
		for i := range x {
			x[i] = float32(i%size*7919%1000) / 1000
		}
		r := Resize{N: n, H: tc.H, W: tc.W, C: tc.C, OutH: tc.OutH, OutW: tc.OutW, OutC: 3, Scale: 2, Shift: -1}
		onAllSets(t, func(t *testing.T, s *Set) {
			out := tc.OutH * tc.OutW * 3
			y, fence := fenced(poison(n * out))
			s.Resize(NewPoisonedWorkspace(), y, x, r)
			fence(t, "y")
			checkSame(t, "the second, equal image", y[out:], y[:out])
			var got []float32
			for i := 0; i < out; i += tc.Step {
				got = append(got, y[i])
			}
			// Positions are float32 in both; a step from pixel to pixel is up to 2.
			position := float64(max(tc.H, tc.W)) / (1 << 24)
			checkClose(t, "y", got, tc.Values, 1e-6+2*position)
		})
	}
}
