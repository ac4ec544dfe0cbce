package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/run"
	"diffuse/internal/schedule"
	"diffuse/internal/tensorfile"
	"diffuse/internal/train"

	"github.com/google/go-cmp/cmp"
)

// tinyRun trains a tiny net for two steps as run name in the folder runs.
func tinyRun(t *testing.T, runs, name string) run.Folder {
	t.Helper()
	r, err := config.Load(config.LoadOptions{Set: []string{
		"name=tiny", "data.set=fashion-extract", "data.range=-0.5,0.5", "data.train=8", "data.valid=4",
		"model.channels=4,8", "model.attention=false,true", "model.layers=1", "model.head_dim=4", "model.groups=2",
		"train.steps=2", "train.batch=4", "train.micro_batch=4", "train.ema=0.5", "train.grid_every=0",
		"sample.sampler=ddim", "sample.steps=5", "sample.eta=0.5", "sample.clip=-0.5,0.5", "sample.n=3",
	}})
	if err != nil {
		t.Fatal(err)
	}
	folder, lock, err := run.Create(runs, name, name, r.YAML())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	s, err := schedule.New(r.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Open(r.Data.Set, "", dataset.Train)
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.NewUNet(r.Model, model.Images{Size: r.Data.Size, Channels: set.C}, true, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	net.Init(r.Train.Seed)
	trainer, err := train.New(train.Setup{
		Config: &r.Config, Net: net, Schedule: s, Train: set.Head(8), Valid: set.Head(4),
		Kernels: kernel.Best(), Workers: 1, Dir: folder.Dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return folder
}

// diffuse runs a command line and returns its exit code, stdout and stderr.
func diffuse(args ...string) (code int, out, errOut string) {
	stdio, _, o, e := Test()
	code = Execute(stdio, args)
	return code, o.String(), e.String()
}

// answerOf runs a sample command with --json and returns its answer.
func answerOf(t *testing.T, args ...string) sampleJSON {
	t.Helper()
	code, out, errOut := diffuse(append([]string{"sample", "--json"}, args...)...)
	if code != 0 {
		t.Fatalf("%v: exit %d: %s", args, code, errOut)
	}
	var a sampleJSON
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("%v: %v in %s", args, err, out)
	}
	return a
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	im, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return im
}

func TestSample(t *testing.T) {
	runs := t.TempDir()
	older, newer := tinyRun(t, runs, "older"), tinyRun(t, runs, "newer")
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(older.LastPath(), past, past); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }

	t.Run("the newest run by its own config", func(t *testing.T) {
		a := answerOf(t, "--runs", runs)
		want := sampleJSON{
			Out:        filepath.Join(newer.SamplesDir(), "ddim-5-eta-0.5-ema-step-2-seeds-0-2.png"),
			Checkpoint: newer.LastPath(), Step: 2, Weights: "ema", Sampler: "ddim",
			NetCalls: 5, Precision: "fp32", N: 3, Seeds: []uint64{0, 1, 2}, Seconds: a.Seconds, ImgPerS: a.ImgPerS,
		}
		if d := cmp.Diff(want, a); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		// Two columns of 32 pixels, 2 apart.
		if got := readPNG(t, a.Out).Bounds().Size(); got != image.Pt(70, 70) {
			t.Errorf("grid of %v", got)
		}
	})

	t.Run("a run by name, samplers and their net calls", func(t *testing.T) {
		for _, k := range []struct {
			flags []string
			want  int
		}{
			{[]string{"--ddim"}, 5},
			{[]string{"--ddim", "--steps", "7", "--eta", "0", "--spacing", "trailing"}, 7},
			{[]string{"--ddpm", "--steps", "4", "--variance", "fixed_small"}, 4},
			{[]string{"--skip", "--set", "sample.skip_every=200", "--set", "sample.skip_tail=3", "--clip", "-1,1"}, 8}, // 999, 800…200, 2, 1, 0
			{[]string{"--sample-at"}, 296},
			{[]string{"--sampler", "ddim_cosine"}, 5},
			{[]string{"--sampler", "euler", "--steps", "6", "--set", "sample.churn=2"}, 6},
			{[]string{"--sampler", "euler_ancestral", "--eta", "1"}, 5},
			{[]string{"--sampler", "heun", "--steps", "6", "--spacing", "trailing"}, 11},
			{[]string{"--sampler", "lms", "--set", "sample.order=3"}, 5},
			{[]string{"--sampler", "dpmpp_2m"}, 5},
			{[]string{"--sampler", "ddpm", "--steps", "4", "--spacing", "karras"}, 4},
		} {
			args := append([]string{"older", "--runs", runs, "--n", "1", "--out", at("a.png")}, k.flags...)
			if a := answerOf(t, args...); a.NetCalls != k.want || a.Checkpoint != older.LastPath() {
				t.Errorf("%v: %d net calls with %s, want %d", k.flags, a.NetCalls, a.Checkpoint, k.want)
			}
		}
	})

	t.Run("an array is the grid's images in the net's range", func(t *testing.T) {
		answerOf(t, "--runs", runs, "--out", at("a.npy"), "--seeds", "5,2")
		shape, x, err := tensorfile.ReadNPY(at("a.npy"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]int{2, 1, 32, 32}, shape); d != "" {
			t.Fatal(d)
		}
		if low, high := slices.Min(x), slices.Max(x); low < -0.5 || high > 0.5 || low == high {
			t.Errorf("values from %v to %v", low, high)
		}
		a := answerOf(t, "--runs", runs, "--out", at("each")+"/", "--seeds", "2,5", "--batch", "1", "--workers", "1")
		if a.Out != at("each")+"/" {
			t.Errorf("wrote to %s", a.Out)
		}
		for i, name := range []string{"000005.png", "000002.png"} {
			im := readPNG(t, filepath.Join(at("each"), name)).(*image.Gray)
			for p, v := range x[i*1024 : (i+1)*1024] {
				if want := uint8(math.Round((float64(v) + 0.5) * 255)); im.Pix[p] != want {
					t.Fatalf("%s pixel %d is %d, want %d: an image depends on its company", name, p, im.Pix[p], want)
				}
			}
		}
	})

	t.Run("the way from noise to images", func(t *testing.T) {
		answerOf(t, "--runs", runs, "--out", at("a.gif"), "--n", "2", "--ddim", "--steps", "100")
		text, err := os.ReadFile(at("a.gif"))
		if err != nil {
			t.Fatal(err)
		}
		g, err := gif.DecodeAll(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Image) != maxFrames {
			t.Fatalf("%d frames", len(g.Image))
		}
		answerOf(t, "--runs", runs, "--out", at("b.png"), "--n", "2", "--ddim", "--steps", "100")
		if !bytes.Equal(g.Image[maxFrames-1].Pix, readPNG(t, at("b.png")).(*image.Gray).Pix) {
			t.Error("the last frame is not the grid")
		}
	})

	t.Run("weights", func(t *testing.T) {
		sameAs := func(args ...string) []byte {
			answerOf(t, append([]string{"--runs", runs, "--out", at("w.png")}, args...)...)
			return readPNG(t, at("w.png")).(*image.Gray).Pix
		}
		usual, raw := sameAs(), sameAs("--raw")
		if !bytes.Equal(usual, sameAs("--ema")) {
			t.Error("the average is not the default")
		}
		if bytes.Equal(usual, raw) {
			t.Error("--raw changes nothing")
		}
		if !bytes.Equal(usual, sameAs("--checkpoint", "best")) || !bytes.Equal(usual, sameAs(newer.BestPath())) {
			t.Error("after one epoch the best checkpoint is the last")
		}
	})

	t.Run("a file in no run", func(t *testing.T) {
		text, err := os.ReadFile(newer.LastPath())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at("alone.safetensors"), text, 0o666); err != nil {
			t.Fatal(err)
		}
		a := answerOf(t, at("alone.safetensors"), "--ddim", "--steps", "3", "--n", "1", "--out", at("alone.png"))
		if a.Weights != "raw" || a.NetCalls != 3 {
			t.Errorf("%+v", a)
		}
		if code, _, errOut := diffuse("sample", at("alone.safetensors"), "--ema", "--out", at("no.png")); code != int(fault.Checkpoint) {
			t.Errorf("--ema without an average: exit %d: %s", code, errOut)
		}
	})

	t.Run("names tell drawings apart", func(t *testing.T) {
		for want, flags := range map[string][]string{
			"euler-ancestral-5-eta-0.5": {"--sampler", "euler_ancestral"},
			"lms-5-order-3":             {"--sampler", "lms", "--set", "sample.order=3"},
			"heun-5":                    {"--sampler", "heun"},
			"heun-5-churn-0.5":          {"--sampler", "heun", "--set", "sample.churn=0.5"},
		} {
			a := answerOf(t, append([]string{"--runs", runs, "--n", "1"}, flags...)...)
			if got := filepath.Base(a.Out); got != want+"-ema-step-2-seeds-0.png" {
				t.Errorf("%v: %s", flags, got)
			}
		}
	})

	t.Run("text", func(t *testing.T) {
		code, out, errOut := diffuse("sample", "--runs", runs, "--out", at("a.png"), "-q")
		if code != 0 || errOut != "" || !strings.HasPrefix(out, at("a.png")+"\n3 images by ddim, 5 net calls each, in ") {
			t.Errorf("exit %d, %q, %q", code, out, errOut)
		}
	})
}

func TestSampleErrors(t *testing.T) {
	runs := t.TempDir()
	tinyRun(t, runs, "tiny")
	unfinished := t.TempDir()
	tinyRun(t, unfinished, "tiny")
	if err := os.Remove(filepath.Join(unfinished, "tiny", "last.safetensors")); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.safetensors")
	if err := os.WriteFile(damaged, []byte("\xff\xff\xff\xff\xff\xff\xff\x7f{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "folder", "a.png")
	for _, k := range []struct {
		args string
		code fault.Kind
		says string
	}{
		{"--runs " + unfinished, fault.Checkpoint, "has a net that draws\nhint: diffuse train"},
		{"--runs " + t.TempDir() + " --checkpoint best", fault.Checkpoint, "fashion-best, the net in the binary, has no checkpoint best"},
		{"fashion-best --raw", fault.Checkpoint, "the fashion-best in the binary holds averaged weights alone"},
		{"fashion-best --set data.range=0,1", fault.Checkpoint, "the checkpoint's input range is"},
		{"nothing", fault.Checkpoint, "no run nothing"},
		{damaged, fault.Checkpoint, damaged},
		{"--checkpoint epoch-0007", fault.Checkpoint, "no checkpoint epoch-0007.safetensors"},
		{"--set model.channels=8,16", fault.Checkpoint, "the checkpoint's net is"},
		{"--set data.range=-1,1", fault.Checkpoint, "the checkpoint's input range is"},
		{"--ddim --steps 1001", fault.Usage, "sample.steps must be at most schedule.steps (1000), got 1001"},
		{"--ddim --ddpm", fault.Usage, "--ddim and --ddpm exclude each other"},
		{"--ddpm --eta 0", fault.Usage, "--eta: the sampler ddpm does not use it"},
		{"--ddpm --spacing trailing", fault.Usage, "--spacing: the sampler ddpm does not use it"},
		{"--sampler heun --ddim", fault.Usage, "--ddim and --sampler exclude each other"},
		{"--sampler heunn", fault.Usage, `--sampler: sample.sampler must be one of ddpm, ddim, skip, sample_at, ddim_cosine, euler, euler_ancestral, heun, lms, dpmpp_2m, got "heunn", did you mean heun?`},
		{"--sampler heun --eta 0", fault.Usage, "--eta: the sampler heun does not use it\nhint: diffuse sample --ddim --eta 0"},
		{"--sampler ddim_cosine --spacing karras", fault.Usage, "--spacing: the sampler ddim_cosine does not use it"},
		{"--sampler dpmpp_2m --variance fixed_small", fault.Usage, "--variance: the sampler dpmpp_2m does not use it"},
		{"--sampler lms --set sample.order=5", fault.Usage, "--set: sample.order must be at most 4, got 5"},
		{"--skip --steps 10", fault.Usage, "--steps: the sampler skip does not use it"},
		{"--variance fixed_small", fault.Usage, "--variance: the sampler ddim does not use it"},
		{"--eta 2", fault.Usage, "sample.eta must be at most 1"},
		{"--clip 1", fault.Usage, "--clip"},
		{"--n 0", fault.Usage, "sample.n must be at least 1"},
		{"--seeds 5-3", fault.Usage, `--seeds: "5-3" is neither a seed nor a rising range`},
		{"--seeds 0-3 --n 5", fault.Usage, `"0-3" has 4 seeds, --n asks for 5 images`},
		{"--ema --raw", fault.Usage, "--ema and --raw exclude each other"},
		{"--out a.jpg", fault.Usage, "a.jpg must end in .png, .gif, .npy or images-idx3-ubyte, or be a folder"},
		{"--out train-images-idx3-ubyte.gz", fault.Usage, "train-images-idx3-ubyte.gz is Fashion-MNIST's form, gray 28x28 images with their classes, which "},
	} {
		args := strings.Fields("sample --runs " + runs + " --out " + out + " " + k.args)
		code, stdout, errOut := diffuse(args...)
		if code != int(k.code) || stdout != "" || !strings.Contains(errOut, k.says) {
			t.Errorf("%s: exit %d, want %d; %q does not say %q", k.args, code, k.code, errOut, k.says)
		}
	}
	if _, err := os.Stat(filepath.Dir(out)); err == nil {
		t.Error("an error left something behind")
	}
}

func TestSampleIsInterrupted(t *testing.T) {
	runs, out := t.TempDir(), filepath.Join(t.TempDir(), "a.png")
	tinyRun(t, runs, "tiny")
	stdio, _, _, _ := Test()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	root := Root(stdio)
	root.SetArgs([]string{"sample", "--runs", runs, "--out", out})
	if err := root.ExecuteContext(ctx); fault.Code(err) != int(fault.Interrupted) {
		t.Errorf("%v", err)
	}
	if isFile(out) {
		t.Error("an interrupted drawing wrote its file")
	}
}

func TestParseSeeds(t *testing.T) {
	for text, want := range map[string][]uint64{
		"0-3": {0, 1, 2, 3}, "7": {7}, "1,5, 9-11": {1, 5, 9, 10, 11}, "3,3": {3, 3},
		"9223372036854775807": {math.MaxInt64},
	} {
		got, err := parseSeeds(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
	for _, text := range []string{"", "a", "1-", "-1", "3-1", "1-2-3", "1,,2", "0-9223372036854775807", "0-999999,7", "99999999999999999999", "1.5"} {
		if got, err := parseSeeds(text); fault.Code(err) != int(fault.Usage) {
			t.Errorf("%q: %d seeds, %v", text, len(got), err)
		}
	}
}

func TestSeedsLabel(t *testing.T) {
	for want, seeds := range map[string][]uint64{"4": {4}, "0-2": {0, 1, 2}, "1-9-n3": {1, 5, 9}, "0-3-n4": {0, 2, 1, 3}} {
		if got := seedsLabel(seeds); got != want {
			t.Errorf("%v: %s, want %s", seeds, got, want)
		}
	}
}

func TestToNCHW(t *testing.T) {
	got := toNCHW([]float32{1, 10, 2, 20, 3, 30, 4, 40}, []int{2, 2, 1, 2})
	if d := cmp.Diff([]float32{1, 2, 10, 20, 3, 4, 30, 40}, got); d != "" {
		t.Error(d)
	}
}

// The shell completes every sampler that the schema knows.
func TestSamplerCompletion(t *testing.T) {
	var got []string
	for _, line := range samplerNames {
		name, _, _ := strings.Cut(line, "\t")
		got = append(got, name)
	}
	for _, key := range config.Keys() {
		if key.Path == "sample.sampler" {
			if d := cmp.Diff(key.Oneof, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}
	}
}
