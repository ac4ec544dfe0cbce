package cli

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"diffuse/internal/tensorfile"
)

// workshop is a folder with a run that draws, "drawer", a classifier, "judge", and
// a cache of its own.
type workshop struct {
	t              *testing.T
	dir, runs, env string
}

const judgeYAML = `
name: judge
data: {set: fashion-extract, size: 32, range: [-1, 1], train: 32, valid: 12}
model: {kind: resnet, channels: [4, 4, 6, 6, 8, 8]}
train: {epochs: 1, batch: 16, micro_batch: 8, grid_every: 0}
`

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{t: t, dir: t.TempDir()}
	w.runs, w.env = w.at("runs"), "DIFFUSE_CACHE="+w.at("cache")
	t.Setenv("HOME", w.at("home")) // no user's cache is touched
	t.Setenv("XDG_CACHE_HOME", w.at("home", "cache"))
	tinyRun(t, w.runs, "drawer")
	w.write("judge.yaml", []byte(judgeYAML))
	if code, _, errOut := w.run("train", "--config", w.at("judge.yaml"), "--name", "judge", "--quiet"); code != 0 {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	t.Cleanup(func() {
		if _, err := os.Stat(w.at("home")); err == nil {
			t.Error("something was written to the user's own folders")
		}
	})
	return w
}

func (w *workshop) at(names ...string) string {
	return filepath.Join(append([]string{w.dir}, names...)...)
}

func (w *workshop) write(name string, content []byte) string {
	w.t.Helper()
	path := w.at(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// run runs a command line in the workshop.
func (w *workshop) run(args ...string) (code int, out, errOut string) {
	stdio, _, o, e := Test()
	stdio.Env = []string{w.env}
	code = Execute(stdio, append([]string{"--runs", w.runs}, args...))
	return code, o.String(), e.String()
}

// score is the answer of a score with --json.
func (w *workshop) score(args ...string) (r ScoreResult) {
	w.t.Helper()
	w.answer(&r, args...)
	return r
}

func (w *workshop) answer(r any, args ...string) {
	w.t.Helper()
	code, out, errOut := w.run(append(args, "--json", "--quiet")...)
	if code != 0 {
		w.t.Fatalf("%v: exit %d: %s", args, code, errOut)
	}
	if err := json.Unmarshal([]byte(out), r); err != nil {
		w.t.Fatalf("%v: %v in %s", args, err, out)
	}
}

// pngOf is a PNG of a size, gray or in colour.
func pngOf(t *testing.T, w, h int, colour bool) []byte {
	t.Helper()
	var im image.Image = image.NewGray(image.Rect(0, 0, w, h))
	if colour {
		im = image.NewNRGBA(image.Rect(0, 0, w, h))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, im); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// npzOf is an .npz of float64 arrays with these shapes, all of one value.
func npzOf(t *testing.T, value float64, shapes map[string][]int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, shape := range shapes {
		f, err := z.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		dims := ""
		n := 1
		for _, d := range shape {
			dims += fmt.Sprintf("%d,", d)
			n *= d
		}
		head := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }", dims)
		head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
		fmt.Fprintf(f, "\x93NUMPY\x01\x00%c%c%s", len(head)&255, len(head)>>8, head)
		for range n {
			if err := binary.Write(f, binary.LittleEndian, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sameScores compares all numbers of two answers.
func sameScores(t *testing.T, what string, got, want ScoreResult) {
	t.Helper()
	if diff := cmp.Diff(want.Score, got.Score); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// The contract, as users meet it: what diffuse fid draws scores as what diffuse
// sample wrote, in each form and under any number of workers and batch.
func TestScoresOfAnyForm(t *testing.T) {
	w := newWorkshop(t)
	for _, out := range []string{"drawn", "drawn.npy"} {
		if code, _, errOut := w.run("sample", "drawer", "--seeds", "3-40", "--out", w.at(out)); code != 0 {
			t.Fatalf("exit %d: %s", code, errOut)
		}
	}
	judged := []string{"--extractor", "judge", "--ref", "fashion-extract/test"}
	want := w.score(append([]string{"fid", "drawer", "--seeds", "3-40"}, judged...)...)
	if want.FID == nil || want.KID == nil || want.Floor == nil || want.Samples != 38 || *want.FirstSeed != 3 {
		t.Fatalf("score %+v", want)
	}
	for what, args := range map[string][]string{
		"a folder":         {"fid", "--images", w.at("drawn")},
		"an array":         {"fid", "--images", w.at("drawn.npy"), "--range=-0.5,0.5"},
		"kid":              {"kid", "drawer", "--seeds", "3-40"},
		"a worker":         {"fid", "drawer", "--seeds", "3-40", "--workers", "1", "--batch", "5"},
		"eight workers":    {"fid", "drawer", "--seeds", "3-40", "--workers", "8", "--batch", "1"},
		"without a cache":  {"fid", "drawer", "--seeds", "3-40", "--cache", "none"},
		"by n and seed":    {"fid", "drawer", "--samples", "38", "--seed", "3"},
		"the newest run":   {"fid", "--seeds", "3-40"}, // that can draw
		"a file":           {"fid", w.at("runs", "drawer", "last.safetensors"), "--seeds", "3-40"},
		"an explicit test": {"fid", "drawer", "--seeds", "3-40", "--ref", "test"},
	} {
		args = append(args, judged[:2]...)
		if !slices.Contains(args, "--ref") {
			args = append(args, judged[2:]...)
		}
		sameScores(t, what, w.score(args...), want)
	}
	// The first of the pictures are those of the first seeds.
	some := w.score(append([]string{"fid", "--images", w.at("drawn"), "--samples", "20"}, judged...)...)
	sameScores(t, "the first 20", some, w.score(append([]string{"fid", "drawer", "--seeds", "3-22"}, judged...)...))
}

// The keys that scripts read.
func TestScoreKeys(t *testing.T) {
	w := newWorkshop(t)
	var r map[string]any
	w.answer(&r, "fid", "drawer", "--samples", "20", "--extractor", "judge")
	for _, path := range []string{
		"fid", "fid_stderr", "interval", "kid", "kid_stderr", "kid_interval", "kid_estimator", "kid_blocks", "kid_block_size",
		"precision", "recall", "density", "coverage", "floor.fid", "floor.kid", "floor.n", "samples", "seed", "seconds",
		"reference.name", "reference.n", "reference.hash", "extractor.name", "extractor.hash", "extractor.dim", "extractor.precision",
		"checkpoint", "weights", "sampler", "net_calls", "first_seed",
	} {
		var at any = r
		for name := range strings.SplitSeq(path, ".") {
			at = at.(map[string]any)[name]
		}
		if at == nil {
			t.Errorf("the answer has no %s", path)
		}
	}
	if n := len(r["interval"].([]any)); n != 2 {
		t.Errorf("an interval of %d ends", n)
	}
	w.answer(&r, "fid", "drawer", "--samples", "20", "--extractor", "judge", "--trajectory", w.at("new", "way.png"))
	points := r["trajectory"].([]any)
	if last := points[len(points)-1].(map[string]any); len(points) != 5 || last["step"] != 5. || last["fid"] != r["fid"] || last["net_calls"] != r["net_calls"] {
		t.Errorf("trajectory %v", points)
	}
	r = nil
	w.answer(&r, "fid", "drawer", "--samples", "20", "--extractor", "judge", "--levels", w.at("new", "levels.png"))
	levels := r["levels"].([]any)
	if last := levels[len(levels)-1].(map[string]any); len(levels) != 4 || last["net_calls"] != r["net_calls"].(float64)-1 {
		t.Errorf("levels %v of images by %v net calls", levels, r["net_calls"])
	}
}

// A reference may be a split, a folder or statistics; a set of pictures is at no
// distance from itself.
func TestReferences(t *testing.T) {
	w := newWorkshop(t)
	if code, _, errOut := w.run("sample", "drawer", "--seeds", "0-39", "--out", w.at("drawn")); code != 0 {
		t.Fatal(errOut)
	}
	same := w.score("fid", "--images", w.at("drawn"), "--ref", w.at("drawn"), "--extractor", "judge")
	if math.Abs(*same.FID) > 1e-6 || same.Floor.N != 20 || *same.Precision != 1 || same.Reference.Name != "drawn" || same.Reference.N != 40 {
		t.Errorf("pictures against themselves score %+v, floor %+v", same, same.Floor)
	}
	var stats StatsResult
	w.answer(&stats, "stats", "--ref", w.at("drawn"), "--extractor", "judge", "--out", w.at("drawn.npz"))
	if stats.N != 40 || stats.Dim != 8 || stats.Reference != "drawn" {
		t.Errorf("statistics %+v", stats)
	}
	from := w.score("fid", "drawer", "--samples", "20", "--ref", w.at("drawn.npz"), "--extractor", "judge")
	direct := w.score("fid", "drawer", "--samples", "20", "--ref", w.at("drawn"), "--extractor", "judge")
	if *from.FID != *direct.FID || from.KID != nil || from.Floor != nil {
		t.Errorf("by statistics %v, by pictures %v", *from.FID, *direct.FID)
	}
	if diff := cmp.Diff(from.Reference, direct.Reference); diff != "" {
		t.Error(diff)
	}
}

// badInput is a command line, its exit code, and what the error must say.
type badInput struct {
	name string
	code int
	says string
	args []string
}

func (w *workshop) refuses(t *testing.T, cases []badInput) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := w.run(append(c.args, "--quiet")...)
			if code != c.code || !strings.Contains(errOut, c.says) || out != "" {
				t.Errorf("%v\nexit %d, want %d; stdout %q; stderr must say %q:\n%s", c.args, code, c.code, out, c.says, errOut)
			}
		})
	}
}

// What cannot be scored is said with its file, under the documented exit code.
func TestBadScores(t *testing.T) {
	w := newWorkshop(t)
	gray, large, colour := pngOf(t, 28, 28, false), pngOf(t, 30, 28, false), pngOf(t, 28, 28, true)
	for i := range 12 {
		name := fmt.Sprintf("%02d.png", i)
		for dir, b := range map[string][]byte{"good": gray, "broken": gray, "mixed": gray, "colour": colour} {
			w.write(filepath.Join(dir, name), b)
		}
	}
	w.write("broken/07.png", gray[:len(gray)-20])
	w.write("mixed/09.png", large)
	w.write("empty/readme.txt", nil)
	w.write("one/0.png", gray)
	values := make([]float32, 12*28*28)
	floats := w.at("floats.npy")
	if err := tensorfile.WriteNPY(floats, []int{12, 28, 28}, values); err != nil {
		t.Fatal(err)
	}
	values[5*28*28+3] = float32(math.NaN())
	if err := tensorfile.WriteNPY(w.at("nan.npy"), []int{12, 28, 28}, values); err != nil {
		t.Fatal(err)
	}
	w.write("wrong.npz", npzOf(t, 1, map[string][]int{"mu": {8}, "sigma": {8, 7}}))
	w.write("fewer.npz", npzOf(t, 1, map[string][]int{"mu": {4}, "sigma": {4, 4}}))
	w.write("nan.npz", npzOf(t, math.NaN(), map[string][]int{"mu": {8}, "sigma": {8, 8}}))
	w.write("half.npz", npzOf(t, 1, map[string][]int{"mu": {8}}))
	hostile := []byte("\x80\x02cposix\nsystem\nX\x10\x00\x00\x00touch pwned-file\x85R.")
	w.write("hostile.pth", hostile)
	w.write("hostile.safetensors", hostile)
	if code, _, errOut := w.run("stats", "--ref", "fashion-extract/test", "--extractor", "judge", "--out", w.at("judge.npz")); code != 0 {
		t.Fatal(errOut)
	}
	if code, _, errOut := w.run("train", "--config", w.at("judge.yaml"), "--name", "other", "--seed", "9", "--quiet"); code != 0 {
		t.Fatal(errOut)
	}

	images := func(name string, more ...string) []string {
		return append([]string{"fid", "--images", w.at(name), "--extractor", "judge", "--ref", "fashion-extract/test"}, more...)
	}
	drawn := func(more ...string) []string {
		return append([]string{"fid", "drawer", "--samples", "12", "--extractor", "judge"}, more...)
	}
	w.refuses(t, []badInput{
		{"a broken picture", 3, "broken/07.png", images("broken")},
		{"two sizes", 3, "mixed/09.png", images("mixed")},
		{"no pictures", 3, "empty", images("empty")},
		{"one picture", 3, "at least two", images("one")},
		{"a folder that is not there", 3, "nowhere", images("nowhere")},
		{"more than there are", 3, "holds 12 pictures, not 13", images("good", "--samples", "13")},
		{"in colour", 3, "3 channels", images("colour")},
		{"floats without a range", 2, "floats.npy", images("floats.npy")},
		{"NaN in an array", 3, "nan.npy: picture 5", images("nan.npy", "--range", "0,1")},
		{"a broken picture as reference", 3, "broken/07.png", drawn("--ref", w.at("broken"))},
		{"two sizes as reference", 3, "mixed/09.png", drawn("--ref", w.at("mixed"))},
		{"statistics of wrong shapes", 3, "wrong.npz", drawn("--ref", w.at("wrong.npz"))},
		{"statistics of fewer features", 3, "fewer.npz", drawn("--ref", w.at("fewer.npz"))},
		{"statistics of NaN", 3, "nan.npz", drawn("--ref", w.at("nan.npz"))},
		{"half of the statistics", 3, "half.npz", drawn("--ref", w.at("half.npz"))},
		{"statistics of another extractor", 3, "judge.npz", append(drawn("--ref", w.at("judge.npz")), "--extractor", "other")},
		{"a hostile pickle", 4, "hostile.pth", drawn("--extractor", w.at("hostile.pth"))},
		{"a hostile file", 4, "hostile.safetensors", drawn("--extractor", w.at("hostile.safetensors"))},
		{"a U-Net as extractor", 4, "drawer/last.safetensors is not a classifier", drawn("--extractor", "drawer")},
		{"a run that is not there", 4, "there is no run nobody", drawn("--extractor", "nobody")},
		{"drawing with a classifier", 4, "is a classifier: it draws nothing", []string{"fid", "judge", "--samples", "12"}},
		{"sampling from a classifier", 4, "is a classifier: it draws nothing", []string{"sample", "judge"}},
		{"comparing samplers of a classifier", 4, "is a classifier", []string{"compare-samplers", "judge", "--out", w.at("x.png")}},
		{"an unknown --kid", 2, "--kid: must be one of blocks, whole, subsets", drawn("--kid", "most")},
		{"an unknown --ref", 2, `got "tset"`, drawn("--ref", "tset")},
		{"an unknown set in --ref", 2, "--ref", drawn("--ref", "mnist/test")},
		{"an unknown --sampler", 2, "sample.sampler must be one of", drawn("--sampler", "dimm")},
		{"an unknown precision", 2, "--extract-precision: must be fp32 or bf16", drawn("--extract-precision", "fp8")},
		{"one sample", 2, "--samples: must be at least 2", []string{"fid", "drawer", "--samples", "1"}},
		{"too few for subsets", 2, "KID needs 1000 of the samples", drawn("--kid", "subsets")},
		{"images and a run", 2, "drawer was named", append(images("good"), "drawer")},
		{"images and a sampler", 2, "--ddim and --images exclude each other", images("good", "--ddim")},
		{"images and steps", 2, "--images and --steps exclude each other", images("good", "--steps", "9")},
		{"a range and no images", 2, "--range", drawn("--range", "0,1")},
		{"a range that falls", 2, "--range", images("floats.npy", "--range", "1,0")},
		{"a range of one", 2, "--range", images("floats.npy", "--range", "1")},
		{"a range of words", 2, "--range", images("floats.npy", "--range", "a,b")},
		{"a trajectory that is no plot", 2, "way.gif", drawn("--trajectory", w.at("way.gif"))},
		{"nearest that is no PNG", 2, "near.jpg", drawn("--nearest", w.at("near.jpg"))},
		{"a trajectory and nearest", 2, "exclude each other", drawn("--nearest", "a.png", "--trajectory", "b.png")},
		{"levels that are no plot", 2, "levels.gif", drawn("--levels", w.at("levels.gif"))},
		{"levels of one step", 2, "a sampler of one step", drawn("--levels", w.at("x.png"), "--ddim", "--steps", "1")},
		{"more levels' images than real ones", 2, "cannot begin as 2000 real ones", drawn("--levels", w.at("x.png"), "--samples", "2001")},
		{"a cache that is a file", 1, "floats.npy", drawn("--cache", floats)},
		{"statistics without a file", 2, "out", []string{"stats", "--extractor", "judge"}},
		{"export of nobody", 4, "there is no run nobody", []string{"export", "nobody", "--out", w.at("x.safetensors")}},
		{"export in fp16", 2, "--precision: must be fp32 or bf16", []string{"export", "drawer", "--precision", "fp16", "--out", w.at("x.safetensors")}},
		{"export without a file", 2, "out", []string{"export", "drawer"}},
		{"export of no best-fid", 4, "no checkpoint best-fid", []string{"export", "drawer", "--checkpoint", "best-fid", "--out", w.at("x.safetensors")}},
	})
	if _, err := os.Stat("pwned-file"); err == nil {
		t.Error("the pickle was run")
	}
	for _, name := range []string{"x.safetensors", "x.png"} {
		if _, err := os.Stat(w.at(name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// The commands that help shows can be typed: flags and arguments fit.
func TestHelpExamplesParse(t *testing.T) {
	stdio, _, _, _ := Test()
	var walk func(c *cobra.Command)
	checked := 0
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			line, _, _ = strings.Cut(line, " #")
			words := strings.Fields(line)
			if len(words) == 0 || words[0] != "diffuse" || strings.ContainsAny(line, "|<>'\"$") {
				continue
			}
			root := newRoot(stdio, &Global{}) // flags keep what a line set
			found, rest, err := root.Find(words[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err == nil {
				err = found.ValidateRequiredFlags()
			}
			if err == nil {
				err = found.ValidateFlagGroups()
			}
			if err != nil || !strings.HasPrefix(found.CommandPath(), c.CommandPath()) {
				t.Errorf("%s shows %q: %v", c.CommandPath(), strings.TrimSpace(line), err)
			}
			checked++
		}
	}
	walk(newRoot(stdio, &Global{}))
	if checked < 30 {
		t.Errorf("only %d examples were found", checked)
	}
}

// An exported file draws as its run does, and extracts as its run does.
func TestExportedFilesServe(t *testing.T) {
	w := newWorkshop(t)
	for _, name := range []string{"drawer", "judge"} {
		var r ExportResult
		w.answer(&r, "export", name, "--out", w.at(name+".safetensors"))
		info, err := os.Stat(w.at(name + ".safetensors"))
		if err != nil || info.Size() != r.Bytes || r.Weights != map[string]string{"drawer": "ema", "judge": "raw"}[name] {
			t.Errorf("%+v: %v", r, err)
		}
	}
	drawn := []string{"--sampler", "ddim", "--steps", "5", "--eta", "0.5", "--clip", "-0.5,0.5", "--samples", "20", "--ref", "fashion-extract/test"}
	want := w.score(append([]string{"fid", "drawer", "--extractor", "judge"}, drawn...)...)
	got := w.score(append([]string{"fid", w.at("drawer.safetensors"), "--extractor", w.at("judge.safetensors")}, drawn...)...)
	ignoreHash := cmpopts.IgnoreFields(want.Extractor, "Hash")
	if diff := cmp.Diff(want.Score, got.Score, ignoreHash); diff != "" {
		t.Error(diff)
	}
}
