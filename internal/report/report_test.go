package report

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"diffuse/internal/eval"
	"diffuse/internal/run"
)

// record is a run of some steps, with a score, a grid and hostile texts.
func record(t *testing.T, name string, config map[string]string) Run {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Join(dir, "samples"), 0o777); err != nil {
		t.Fatal(err)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "samples", "epoch-0001.png"), picture.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "secret"), []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	fid, loss := 3.75, 0.25
	r := &run.Record{
		Folder: run.Folder{Dir: dir, Name: name}, Status: run.Finished,
		Starts: []run.StartLine{{Total: 2000, Origin: run.Origin{Command: []string{"diffuse", "<script>alert(1)</script>"}}}},
		Epochs: []run.EpochLine{{Epoch: 1, Step: 2000, TrainLoss: &loss, ValidLoss: &loss}},
		Scores: []run.ScoreLine{{Step: 2000, Score: eval.Score{FID: &fid, Samples: 2048, Reference: eval.Reference{Name: "<b>ref</b>"}}}},
		Grids:  []run.GridLine{{Epoch: 1, Step: 2000, Path: "samples/epoch-0001.png"}, {Epoch: 2, Path: "../secret"}, {Epoch: 3, Path: "samples/gone.png"}},
		Tags:   []string{"good"}, Note: `<img src=x onerror="alert(2)">`,
	}
	for s := range 2000 {
		r.Steps = append(r.Steps, run.StepLine{Step: s + 1, Loss: 1 / float64(s+1), LR: .1, Images: 8 * (s + 1), ImgPerS: 80})
	}
	return Run{Record: r, Config: config}
}

// The page shows the runs, needs no other file, and runs no text of theirs.
func TestPage(t *testing.T) {
	a := record(t, "linear", map[string]string{"schedule.kind": "linear", "train.lr": "0.01"})
	b := record(t, "cosine", map[string]string{"schedule.kind": "cosine", "train.lr": "0.01"})
	var out bytes.Buffer
	if err := Write(&out, time.Unix(0, 0), a, b); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, want := range []string{
		"<title>linear and cosine · diffuse</title>", "2000 of 2000", "FID 3.75 [n=2048", "data:image/png;base64,", "3m20s", "<svg",
		"<tr><td><code>schedule.kind</code><td>linear<td>cosine</tr>", "<tr><td><code>train.lr</code><td>0.01</tr>", ">good<",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if n := strings.Count(page, "<img "); n != 2 {
		t.Errorf("%d pictures, want one of each run", n)
	}
	for _, bad := range []string{"<script", "onerror=\"", "<b>ref", "secret", "c2VjcmV0"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if links := regexp.MustCompile(`(?:src|href)="([^"#d][^"]*)"`).FindAllString(page, -1); links != nil {
		t.Errorf("the page needs %q", links)
	}
	// Curves of 2,000 steps are thinned to what a page shows.
	if len(page) > 200_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// A run that has done nothing yet has a page too.
func TestPageOfAnEmptyRun(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, time.Now(), Run{Record: &run.Record{Folder: run.Folder{Dir: t.TempDir(), Name: "new"}}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "0 of 0") || strings.Contains(out.String(), "<svg") {
		t.Error(out.String())
	}
}
