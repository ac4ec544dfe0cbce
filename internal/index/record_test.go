package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"diffuse/internal/run"
)

// line draws a line of a log, whole or not.
func line(t *rapid.T) string {
	step, epoch := rapid.IntRange(1, 60).Draw(t, "step"), rapid.IntRange(1, 4).Draw(t, "epoch")
	x := rapid.Float64Range(-10, 10).Draw(t, "x")
	switch rapid.IntRange(0, 19).Draw(t, "kind") {
	case 0:
		return fmt.Sprintf(`{"event":"start","time":"2026-11-26T08:00:0%dZ","format":%d,"step":%d,"total":30,"steps_per_epoch":10,"train_images":100,"machine":{"host":"h"}}`,
			epoch, rapid.SampledFrom([]int{0, 1, 2, 2, 2, 2}).Draw(t, "format"), rapid.IntRange(0, 60).Draw(t, "resumed"))
	case 1:
		return fmt.Sprintf(`{"event":"epoch","epoch":%d,"step":%d,"train_loss":%g,"valid_loss":null,"best":true,"seconds":1,"confusion":[[1,2],[3,4]]}`, epoch, step, x)
	case 2:
		return fmt.Sprintf(`{"event":"score","epoch":%d,"step":%d,"weights":"ema","fid":%g,"interval":[1,2],"samples":9,"reference":{"name":"r","n":1,"hash":"h"},"extractor":{"name":"e","hash":"3fe1"}}`, epoch, step, x)
	case 3:
		return fmt.Sprintf(`{"event":"grid","epoch":%d,"step":%d,"path":"samples/<é>.png","panels":["raw"]}`, epoch, step)
	case 4:
		return fmt.Sprintf(`{"event":"non_finite","step":%d,"epoch":%d,"what":"loss","layer":"","in_row":1,"count":1}`, step, epoch)
	case 5:
		return fmt.Sprintf(`{"event":"tag","add":["t%d"],"remove":["t%d"]}`, epoch, step%5)
	case 6:
		return fmt.Sprintf(`{"event":"note","text":"n%d"}`, step)
	case 7:
		return fmt.Sprintf(`{"event":"end","time":"","step":%d,"reason":%q,"error":"e"}`, step, rapid.SampledFrom([]string{"finished", "interrupted", "reached", "failed"}).Draw(t, "reason"))
	case 8:
		return fmt.Sprintf(`{"event":"alert","step":%d,"rule":"loss < 1","value":%g}`, step, x)
	case 9:
		return rapid.SampledFrom([]string{
			`{"event":"st`, `{"event":"step","step":"x"}`, `{"event":"step","step":3,"loss":"x"}`, `{"event":"epoch","step":4,"epoch":"x"}`, `[]`, ``, `null`, `{"event":""}`,
			`{"event":"checkpoint","step":3,"best":true}`, `{"event":"grid_failed","step":3,"error":"e"}`, `{"event":"to come","step":3}`, "\x00\xff",
			`{"event":"start","step":"x"}`, `{"event":"start","step":2,"format":"x"}`, `{"event":"tag","add":"x"}`, `{"event":"step","step":1e3}`, `{"event":"end","step":1,"reason":7}`,
			`{"event":"step","step":7,"loss":null}`, `{"EVENT":"step","Step":7,"LOSS":1}`, `{"event":"step","step":7,"loss":1}x`, `{"event":"step","step":1,"step":8}`,
		}).Draw(t, "odd")
	default:
		return fmt.Sprintf(`{"event":"step","step":%d,"epoch":%d,"loss":%g,"lr":0.1,"grad_norm":%g,"img_per_s":%d,"images":%d,"unix_ms":%d,"memory":%d}`,
			step, epoch, x, x*x, epoch, 16*step, 1_000_000+1000*step, step%3)
	}
}

// The index says of a run what its record says, however the log grew and in
// whichever pieces it was read.
func TestAgreesWithRecord(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a")
	x := open(t, runs)
	rapid.Check(t, func(t *rapid.T) {
		if err := os.WriteFile(f.LogPath(), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(t, "pieces") {
			var text strings.Builder
			for range rapid.IntRange(0, 40).Draw(t, "lines") {
				text.WriteString(line(t))
				if rapid.IntRange(0, 30).Draw(t, "end") > 0 {
					text.WriteByte('\n')
				}
			}
			file, err := os.OpenFile(f.LogPath(), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			file.WriteString(text.String())
			file.Close()
			if _, err := x.Refresh(context.Background()); err != nil {
				t.Fatal(err)
			}
			compareWithRecord(t, x, f)
			compareBuckets(t, x)
		}
	})
}

// A newer version's line ends the reading of both, at whichever place it stands.
func TestAgreesWithRecordOfANewerVersion(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a")
	add(t, f, start+steps(1, 3)+strings.Replace(start, `"format":2`, `"format":3`, 1)+steps(4, 5))
	x := open(t, runs)
	refresh(t, x)
	_, err := run.ReadRecord(f)
	if r := one(t, x, "a"); !errors.Is(err, run.ErrNewer) || r.Status != Unreadable || !strings.HasSuffix(err.Error(), r.Error) {
		t.Errorf("%+v, record: %v", r, err)
	}
}

func compareWithRecord(t *rapid.T, x *Index, f run.Folder) {
	want, err := run.ReadRecord(f)
	if err != nil {
		t.Fatal(err)
	}
	d, err := x.Detail(context.Background(), f.Name)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := allSteps(x, d.id)
	if err != nil {
		t.Fatal(err)
	}
	scores := make([]run.ScoreLine, len(d.Scores))
	for i, s := range d.Scores {
		scores[i] = s.ScoreLine
	}
	got := &run.Record{
		Folder: f, Starts: d.Attempts, Steps: steps, Epochs: d.Epochs, Scores: scores, Grids: d.Grids, Skipped: d.Skipped, Alerts: d.Alerts,
		Tags: d.Tags, Note: d.Note, Status: run.Status(d.Status), Damaged: d.Damaged,
	}
	// The index counts images and knows no end but its reason and error.
	ignored := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(run.StepLine{}, "Images"), cmpopts.IgnoreFields(run.Record{}, "End")}
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		log, _ := os.ReadFile(f.LogPath())
		t.Fatalf("the index differs from the record (-record +index):\n%s\nlog:\n%s", diff, log)
	}
	if want.End != nil && want.End.Error != d.Error || want.End == nil && d.Error != "" {
		t.Fatalf("error %q, record %+v", d.Error, want.End)
	}
	for i, s := range want.Steps {
		if s.UnixMS > 0 && steps[i].Images != s.Images { // a line of format 2: it says how many
			t.Fatalf("step %d: %d images, record %d", s.Step, steps[i].Images, s.Images)
		}
	}
}

// allSteps are the rows of a run, in the order of its log.
func allSteps(x *Index, id int64) (steps []run.StepLine, err error) {
	err = x.reading(context.Background(), func(db *sql.DB) error {
		rows, err := db.Query(`SELECT step, epoch, loss, lr, grad_norm, img_per_s, images, coalesce(unix_ms, 0), coalesce(memory, 0) FROM raw_step WHERE run = ? ORDER BY line`, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s := run.StepLine{Event: "step"}
			if err := rows.Scan(&s.Step, &s.Epoch, &s.Loss, &s.LR, &s.GradNorm, &s.ImgPerS, &s.Images, &s.UnixMS, &s.Memory); err != nil {
				return err
			}
			steps = append(steps, s)
		}
		return rows.Err()
	})
	return steps, err
}

// compareBuckets wants the pyramid to be what its steps make.
func compareBuckets(t *rapid.T, x *Index) {
	for _, level := range levels {
		q := fmt.Sprintf(`
			WITH want AS (SELECT run, (step - 1) / %[1]d AS bucket, count(*) AS n, max(step) AS step, min(loss) AS least, max(grad_norm) AS most, sum(loss) AS sum, count(memory) AS known
			  FROM raw_step GROUP BY 1, 2),
			got AS (SELECT run, bucket, n, step, loss_min AS least, grad_norm_max AS most, loss_sum AS sum, memory_n AS known FROM raw_bucket WHERE level = %[1]d)
			SELECT (SELECT count(*) FROM want), (SELECT count(*) FROM got),
			  (SELECT count(*) FROM want w JOIN got g USING (run, bucket, n, step, least, most, known) WHERE abs(w.sum - g.sum) < 1e-9)`, level)
		answer, err := x.SQL(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if row := answer.Rows[0]; row[0] != row[1] || row[0] != row[2] {
			t.Fatalf("level %d: %v buckets wanted, %v there, %v right", level, row[0], row[1], row[2])
		}
	}
	answer, err := x.SQL(context.Background(), "SELECT (SELECT sum(steps) FROM raw_run), (SELECT count(*) FROM raw_step)")
	if err != nil || answer.Rows[0][0] != answer.Rows[0][1] {
		t.Fatalf("steps counted and there: %v, %v", answer, err)
	}
}
