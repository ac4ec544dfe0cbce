package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/eval"
	"diffuse/internal/run"
)

// steps is how many a run of the test has: more than a chart of this window draws.
const steps = 4000

// attack is what a run might say of itself to run a script on the page.
const attack = `<img src=x onerror="window.attacked=1"><script>window.attacked=1</script>`

// makeRun writes a run's folder: config, log and grids of three epochs, whose
// two panels are of one grey each.
func makeRun(t *testing.T, runs, name string, last int, set ...string) run.Folder {
	t.Helper()
	c, err := config.Load(config.LoadOptions{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	f, lock, err := run.Create(runs, name, "", c.YAML())
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
	lines := []any{run.StartLine{
		Event: "start", Time: "2026-11-26T08:00:00Z", Format: run.Format, Total: steps, StepsPerEpoch: 1000, Parameters: 686769,
		Origin: run.Origin{Machine: run.Machine{Version: "v1", CPU: "a processor", Cores: 2}, Command: []string{"diffuse", "train", "--name", name}},
	}}
	for i := 1; i <= last; i++ {
		lines = append(lines, step(i, c.Train.LR))
		if i%1000 == 0 && i/1000 <= 3 {
			lines = append(lines, epoch(i), grid(t, f, i))
		}
	}
	appendAll(t, f, lines)
	return f
}

// step is a step's line; the higher the learning rate, the higher its loss.
func step(i int, lr float64) run.StepLine {
	return run.StepLine{
		Event: "step", Step: i, Epoch: 1 + (i-1)/1000, Loss: 0.03 + 10*lr + math.Exp(-float64(i)/300), LR: lr, GradNorm: 0.2,
		ImgPerS: 500, Images: 16 * i, UnixMS: 1795680000000 + int64(32*i), Memory: 1 << 28,
	}
}

func epoch(i int) run.EpochLine {
	loss := 0.03 + math.Exp(-float64(i)/300)
	return run.EpochLine{Event: "epoch", Time: "2026-11-26T08:01:00Z", Epoch: i / 1000, Step: i, TrainLoss: &loss, ValidLoss: &loss, Seconds: 32}
}

func grid(t *testing.T, f run.Folder, i int) run.GridLine {
	t.Helper()
	line := run.GridLine{Event: "grid", Epoch: i / 1000, Step: i, Path: fmt.Sprintf("samples/epoch-%04d.png", i/1000), Panels: []string{"raw", "ema"}}
	picture := image.NewGray(image.Rect(0, 0, 64, 32))
	for y := range 32 {
		for x := range 64 {
			picture.SetGray(x, y, color.Gray{Y: uint8(40*line.Epoch + 100*(x/32))})
		}
	}
	file, err := os.Create(filepath.Join(f.Dir, filepath.FromSlash(line.Path)))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, picture); err != nil {
		t.Fatal(err)
	}
	return line
}

func score(i int) run.ScoreLine {
	fid := 3.73
	return run.ScoreLine{Event: "score", Time: "2026-11-26T08:02:00Z", Epoch: i / 1000, Step: i, Weights: "ema", Sampler: "ddim", NetCalls: 50, Score: eval.Score{
		FID: &fid, Interval: &[2]float64{3.5, 4}, Floor: &eval.Floor{FID: 1.91, N: 2048}, Samples: 2048,
		Reference: eval.Reference{Name: "fashion-mnist/test", N: 10000}, Extractor: eval.Extractor{Name: "fashion-resnet", Hash: "3fe1"},
	}}
}

func end() run.EndLine {
	return run.EndLine{Event: "end", Time: "2026-11-26T08:10:00Z", Step: steps, Reason: run.Finished}
}

// appendAll adds lines to a run's log, all in one write.
func appendAll(t *testing.T, f run.Folder, lines []any) {
	t.Helper()
	var text bytes.Buffer
	for _, l := range lines {
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(b, '\n'))
	}
	file, err := os.OpenFile(f.LogPath(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(text.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
