package eval

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lesson is notebook 20's score of 2,048 images by DDPM, and what it leaves out.
func lesson() Score {
	p := func(v float64) *float64 { return &v }
	return Score{
		FID: p(3.7341), FIDStdErr: p(.118), Interval: &[2]float64{3.512, 3.973},
		KID: p(.00832), KIDStdErr: p(.00121), KIDEstimator: KIDBlocks, KIDBlocks: 41, KIDSize: 49,
		Floor:   &Floor{FID: 1.9054, KID: p(.00447), N: 2048},
		Samples: 2048, Reference: Reference{"fashion-mnist/test", 10000, "9b1d"},
		Extractor: Extractor{"fashion-resnet", "3fe1c07a", 512, "fp32"},
		Seed:      7,
	}
}

func TestLines(t *testing.T) {
	s := lesson()
	p := func(v float64) *float64 { return &v }
	is := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	is(s.FIDLine(), "FID 3.73 [n=2048 · ref fashion-mnist/test 10000 · extractor fashion-resnet@3fe1 · floor 1.91 · 95 % 3.5–4.0]")
	is(s.KIDLine(), "KID 0.00832 ± 0.00121 [n=2048 · ref fashion-mnist/test 10000 · extractor fashion-resnet@3fe1 · floor 0.00447 · 41 blocks of 49]")
	is(s.CoverageLine(), "")
	s.Precision, s.Recall = p(.8125), p(1)
	is(s.CoverageLine(), "precision 0.812, recall 1.00 [n=2048 · ref fashion-mnist/test 10000 · extractor fashion-resnet@3fe1]")
	// What is not known is not passed over.
	s.Interval, s.Floor.N, s.Floor.KID, s.Reference.N, s.Extractor.Precision = nil, 1000, nil, 0, "bf16"
	is(s.FIDLine(), "FID 3.73 [n=2048 · ref fashion-mnist/test · extractor fashion-resnet@3fe1 bf16 · floor 1.91 at n=1000]")
	s.KIDEstimator, s.KIDBlocks, s.KIDStdErr, s.KIDInterval = KIDWhole, 1, nil, &[2]float64{.0071, .0095}
	is(s.KIDLine(), "KID 0.00832 [n=2048 · ref fashion-mnist/test · extractor fashion-resnet@3fe1 bf16 · floor unknown · one block · 95 % 0.0071–0.0095]")
	s.Floor, s.Extractor.Hash = nil, ""
	is(s.FIDLine(), "FID 3.73 [n=2048 · ref fashion-mnist/test · extractor fashion-resnet bf16 · floor unknown]")
	is(Score{}.FIDLine()+Score{}.KIDLine(), "")
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		3.7341: "3.73", 1.905: "1.91", 9.996: "10.0", 10.77492: "10.8", 427.34: "427", 1234.5: "1234", 0: "0.00",
		.00832: "0.00832", -.0264: "-0.0264", .1179: "0.118", -8.7e-5: "-0.00009", -1e-9: "0.00000",
		math.Inf(1): "+Inf",
	} {
		if got := number(v); got != want {
			t.Errorf("%v is printed as %s, want %s", v, got, want)
		}
	}
}

func TestIntervalText(t *testing.T) {
	for i, want := range map[[2]float64]string{
		{3.512, 3.973}: "95 % 3.5–4.0", {31.2, 36.1}: "95 % 31–36", {3.1, 4.4}: "95 % 3.1–4.4",
		{3.712, 3.761}: "95 % 3.71–3.76", {410, 490}: "95 % 410–490",
		{-.00052, .0031}: "95 % -0.0005–0.0031", {-1e-6, 1e-6}: "95 % 0.00000–0.00000", {2, 2}: "95 % 2.00000–2.00000",
	} {
		if got := interval(&i); got != want {
			t.Errorf("%v is printed as %s, want %s", i, got, want)
		}
	}
}

func TestScoreJSON(t *testing.T) {
	text, err := json.Marshal(lesson())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"fid":3.7341,"fid_stderr":0.118,"interval":[3.512,3.973],` +
		`"kid":0.00832,"kid_stderr":0.00121,"kid_estimator":"blocks","kid_blocks":41,"kid_block_size":49,` +
		`"floor":{"fid":1.9054,"kid":0.00447,"n":2048},"samples":2048,` +
		`"reference":{"name":"fashion-mnist/test","n":10000,"hash":"9b1d"},` +
		`"extractor":{"name":"fashion-resnet","hash":"3fe1c07a","dim":512,"precision":"fp32"},"seed":7}`
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var back Score
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(lesson(), back); d != "" {
		t.Errorf("read back (-want +got):\n%s", d)
	}
}
