package index

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// open opens an index that the test closes.
func open(t testing.TB, runs string) *Index {
	t.Helper()
	x, err := Open(context.Background(), runs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// refresh catches up, and wants no error.
func refresh(t testing.TB, x *Index) Changes {
	t.Helper()
	c, err := x.Refresh(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// makeRun makes a run's folder with the quick config.
func makeRun(t testing.TB, runs, name string, set ...string) run.Folder {
	t.Helper()
	resolved, err := config.Load(config.LoadOptions{File: "quick.yaml", Dir: t.TempDir(), Set: set})
	if err != nil {
		t.Fatal(err)
	}
	f, lock, err := run.Create(runs, name, "", resolved.YAML())
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
	return f
}

// add appends text to a run's log.
func add(t testing.TB, f run.Folder, text string) {
	t.Helper()
	file, err := os.OpenFile(f.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err == nil {
		_, err = file.WriteString(text)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// one is the run of a name.
func one(t testing.TB, x *Index, name string) *Run {
	t.Helper()
	r, err := x.Run(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	start = `{"event":"start","time":"2026-11-26T08:00:00Z","format":2,"step":0,"total":10,"steps_per_epoch":5,"parameters":7,"train_images":40}` + "\n"
)

// steps are lines of the steps from first to last: batches of 16, ten seconds
// apart, at 8 images a second.
func steps(first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&b, `{"event":"step","step":%[1]d,"epoch":1,"loss":0.%[1]d,"lr":0.1,"grad_norm":1,"img_per_s":8,"images":%[2]d,"unix_ms":%[3]d,"memory":%[1]d}`+"\n",
			i, 16*i, 1_000_000+10_000*i)
	}
	return b.String()
}

func TestRefreshTellsWhatChanged(t *testing.T) {
	runs := t.TempDir()
	a, b := makeRun(t, runs, "a"), makeRun(t, runs, "b")
	add(t, a, start+steps(1, 3))
	x := open(t, runs)
	if c := refresh(t, x); !slices.Equal(c.Changed, []string{"a", "b"}) || c.Gone != nil {
		t.Errorf("first: %+v", c)
	}
	if c := refresh(t, x); c.Changed != nil || c.Gone != nil {
		t.Errorf("nothing new: %+v", c)
	}
	add(t, b, start)
	if c := refresh(t, x); !slices.Equal(c.Changed, []string{"b"}) {
		t.Errorf("b began: %+v", c)
	}
	if err := os.RemoveAll(a.Dir); err != nil {
		t.Fatal(err)
	}
	if c := refresh(t, x); c.Changed != nil || !slices.Equal(c.Gone, []string{"a"}) {
		t.Errorf("a was deleted: %+v", c)
	}
	if answer, err := x.SQL(context.Background(), "select count(*) from raw_step"); err != nil || answer.Rows[0][0] != int64(0) {
		t.Errorf("steps of a deleted run: %v, %v", answer, err)
	}
}

// Another index of the same folder has done the reading: its changes are told.
func TestRefreshTellsWhatOthersRead(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a")
	x, y := open(t, runs), open(t, runs)
	refresh(t, x)
	refresh(t, y)
	add(t, f, start)
	refresh(t, y)
	if c := refresh(t, x); !slices.Equal(c.Changed, []string{"a"}) {
		t.Errorf("%+v", c)
	}
}

// What is known of a run is checked by hand: ten seconds between steps, after a
// first one of 8 images a second in batches of 16.
func TestRun(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a", "train.lr=0.01")
	add(t, f, start+steps(1, 5)+
		`{"event":"epoch","epoch":1,"step":5,"train_loss":0.5,"valid_loss":0.4,"best":true,"seconds":42}`+"\n"+
		`{"event":"score","epoch":1,"step":5,"weights":"raw","fid":3.73,"kid":0.01,"samples":2048,"reference":{"name":"fashion-mnist/test","n":10000,"hash":"x"},"extractor":{"name":"e","hash":"3fe1","dim":3,"precision":"fp32"}}`+"\n"+
		`{"event":"tag","add":["good"]}`+"\n")
	x := open(t, runs)
	refresh(t, x)
	r := one(t, x, "a")
	if r.Status != "crashed" || r.Created != "2026-11-26T08:00:00Z" || r.ConfigName != "quick" || r.Data != "fashion-extract" || r.Kind != "unet" ||
		r.Parameters != 7 || r.Step != 5 || r.Total != 10 || r.Epoch != 1 || r.Images != 80 || *r.Loss < 0.2999 || *r.Loss > 0.3001 || *r.LR != 0.1 || *r.Memory != 5 ||
		r.Seconds != 42 || r.SecondsLeft != nil || *r.TrainLoss != 0.5 || *r.BestLoss != 0.4 || r.ValidEMA != nil || *r.FID != 3.73 || *r.KID != 0.01 ||
		!strings.HasPrefix(r.Score, "FID 3.73 [n=2048") || !slices.Equal(r.Tags, []string{"good"}) || r.Config["train.lr"] != "0.01" {
		t.Errorf("%+v", r)
	}
	lock, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if c := refresh(t, x); !slices.Equal(c.Changed, []string{"a"}) {
		t.Errorf("it runs: %+v", c)
	}
	if r := one(t, x, "a"); r.Status != "running" || *r.SecondsLeft != 50 {
		t.Errorf("running: %+v", r)
	}
	lock.Release()
	refresh(t, x)
	if r := one(t, x, "a"); r.Status != "crashed" {
		t.Errorf("killed: %v", r.Status)
	}
}

// Logs of format 1 tell neither images nor times: both follow from the batch.
func TestFormat1(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "old", "train.batch=16")
	add(t, f, `{"event":"start","time":"2026-11-26T08:00:00Z","step":0,"total":6,"steps_per_epoch":3,"train_images":40}`+"\n")
	for i, epoch := range []string{"1", "1", "1", "2"} {
		add(t, f, `{"event":"step","step":`+string(rune('1'+i))+`,"epoch":`+epoch+`,"loss":1,"lr":1,"grad_norm":1,"img_per_s":8}`+"\n")
	}
	x := open(t, runs)
	refresh(t, x)
	answer, err := x.SQL(context.Background(), "select images, seconds, memory from steps order by step")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]any{{int64(16), 2.0, nil}, {int64(32), 4.0, nil}, {int64(40), 5.0, nil}, {int64(56), 7.0, nil}}
	for i, row := range answer.Rows {
		if !slices.Equal(row, want[i]) {
			t.Errorf("step %d: %v, want %v", i+1, row, want[i])
		}
	}
	if r := one(t, x, "old"); r.Status != "unknown" || r.Memory != nil {
		t.Errorf("%+v", r)
	}
}

// The time between two attempts is nobody's training.
func TestSecondsLeaveGapsOut(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a")
	again := `{"event":"start","format":2,"step":3,"total":10,"steps_per_epoch":5,"train_images":40}` + "\n"
	later := strings.ReplaceAll(steps(4, 5), `"unix_ms":1`, `"unix_ms":9`) // days later
	add(t, f, start+steps(1, 5)+again+later)
	x := open(t, runs)
	refresh(t, x)
	if r := one(t, x, "a"); r.Seconds != 2+20+2+10 {
		t.Errorf("%v seconds", r.Seconds)
	}
}

func TestUnreadable(t *testing.T) {
	runs := t.TempDir()
	newer, odd, fine := makeRun(t, runs, "newer"), makeRun(t, runs, "odd"), makeRun(t, runs, "fine")
	add(t, newer, start+steps(1, 2)+strings.Replace(start, `"format":2`, `"format":99`, 1)+steps(3, 4))
	add(t, odd, start)
	add(t, fine, start)
	if err := os.WriteFile(odd.ConfigPath(), []byte("version: 7\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	x := open(t, runs)
	refresh(t, x)
	all, total, err := x.Runs(context.Background(), Query{Sort: "name"})
	if err != nil || total != 3 {
		t.Fatalf("%d runs, %v", total, err)
	}
	if r := all[0]; r.Status == Unreadable || r.Error != "" {
		t.Errorf("fine: %+v", r)
	}
	if r := all[1]; r.Status != Unreadable || !strings.Contains(r.Error, "newer version") || r.Step != 2 {
		t.Errorf("newer: %+v", r)
	}
	if r := all[2]; r.Status != Unreadable || !strings.Contains(r.Error, "version") {
		t.Errorf("odd: %+v", r)
	}
	if c := refresh(t, x); c.Changed != nil {
		t.Errorf("unreadable runs change: %+v", c)
	}
	if err := odd.WriteConfig([]byte("version: 1\n")); err != nil {
		t.Fatal(err)
	}
	refresh(t, x)
	if r := one(t, x, "odd"); r.Status == Unreadable {
		t.Errorf("mended: %+v", r)
	}
}

// A log that was replaced, by another or by its own beginning, is read anew.
func TestReplacedLog(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a")
	x := open(t, runs)
	for _, c := range []struct {
		log  string
		want int
	}{
		{start + steps(1, 5), 5},
		{start + steps(1, 3), 3}, // cut short
		{strings.Replace(start, "08:00", "09:00", 1) + steps(1, 6), 6},            // another beginning
		{strings.Replace(start, "08:00", "09:00", 1) + steps(1, 4) + "\n\n\n", 4}, // another end
		{"", 0},
	} {
		if err := os.WriteFile(f.LogPath(), []byte(c.log), 0o666); err != nil {
			t.Fatal(err)
		}
		refresh(t, x)
		answer, err := x.SQL(context.Background(), "select count(*), coalesce(max(step), 0) from steps")
		if err != nil || answer.Rows[0][0] != int64(c.want) || answer.Rows[0][1] != int64(c.want) {
			t.Errorf("%d steps: %v, %v", c.want, answer, err)
		}
	}
	if err := os.Remove(f.LogPath()); err != nil {
		t.Fatal(err)
	}
	refresh(t, x)
	if r := one(t, x, "a"); r.Status != "unknown" || r.Step != 0 {
		t.Errorf("without a log: %+v", r)
	}
}

// A damaged index, and one of another version, is made anew, and says so.
func TestDamagedIndex(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"no database": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database at all ", 1000)), 0o666); err != nil {
				t.Fatal(err)
			}
		},
		"half": func(t *testing.T, path string) {
			if err := os.Truncate(path, 6000); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, path string) {
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.WriteAt(make([]byte, 40_000), 4096); err != nil {
				t.Fatal(err)
			}
		},
		"another version": func(t *testing.T, path string) {
			change(t, path, "insert into goose_db_version (version_id, is_applied) values (99, 1)")
		},
		"another reading": func(t *testing.T, path string) { change(t, path, "update meta set value = '99'") },
		"other tables":    func(t *testing.T, path string) { change(t, path, "drop table meta") },
	} {
		t.Run(name, func(t *testing.T) {
			runs := t.TempDir()
			add(t, makeRun(t, runs, "a"), start+steps(1, 5))
			x := open(t, runs)
			refresh(t, x)
			x.Close()
			damage(t, filepath.Join(runs, File))
			y := open(t, runs)
			refresh(t, y)
			if r := one(t, y, "a"); r.Step != 5 {
				t.Errorf("%+v", r)
			}
			if w := y.Warnings(); len(w) != 1 || !strings.Contains(w[0], "made anew") {
				t.Errorf("warnings %q", w)
			}
		})
	}
}

func change(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, "mode=rw"))
	if err == nil {
		_, err = db.Exec(statement)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// An index that another process has made anew is opened again.
func TestIndexMadeAnewByAnother(t *testing.T) {
	runs := t.TempDir()
	f := makeRun(t, runs, "a")
	add(t, f, start+steps(1, 5))
	x := open(t, runs)
	refresh(t, x)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(filepath.Join(runs, File+suffix))
	}
	y := open(t, runs)
	add(t, f, steps(6, 6))
	refresh(t, y)
	refresh(t, x)
	if a, b := one(t, x, "a"), one(t, y, "a"); a.Step != 6 || b.Step != 6 {
		t.Errorf("steps %d and %d", a.Step, b.Step)
	}
}

// Where the folder of runs cannot be written, a temporary index answers, and
// leaves nothing behind.
func TestTemporaryIndex(t *testing.T) {
	runs := t.TempDir()
	add(t, makeRun(t, runs, "a"), start+steps(1, 5))
	if err := os.Mkdir(filepath.Join(runs, lockName), 0o777); err != nil { // so that root cannot write it either
		t.Fatal(err)
	}
	x := open(t, runs)
	refresh(t, x)
	if r := one(t, x, "a"); r.Step != 5 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(runs, File)); err == nil {
		t.Error("there is an index beside the runs")
	}
	x.Close()
	if _, err := os.Stat(x.temp); err == nil {
		t.Errorf("%s is still there", x.temp)
	}
}

func TestNoFolder(t *testing.T) {
	_, err := Open(context.Background(), filepath.Join(t.TempDir(), "none"))
	if err == nil || fault.Hint(err) != "diffuse train" {
		t.Errorf("%v", err)
	}
}

func TestDiff(t *testing.T) {
	runs := t.TempDir()
	makeRun(t, runs, "a", "train.lr=0.01")
	makeRun(t, runs, "b", "train.lr=0.02", "model.channels=16,32,48", "name=quick")
	x := open(t, runs)
	refresh(t, x)
	diff, err := x.Diff(context.Background(), "a", "b")
	if err != nil || len(diff) != 2 || diff[0].Key != "model.channels" || *diff[0].B != "[16, 32, 48]" || diff[1].Key != "train.lr" || *diff[1].A != "0.01" || *diff[1].B != "0.02" {
		t.Errorf("%+v, %v", diff, err)
	}
	if _, err := x.Diff(context.Background(), "a", "c"); fault.Code(err) != int(fault.Checkpoint) {
		t.Errorf("%v", err)
	}
}

func TestSQLOnlyAnswers(t *testing.T) {
	runs := t.TempDir()
	makeRun(t, runs, "a")
	x := open(t, runs)
	refresh(t, x)
	other := filepath.Join(t.TempDir(), "other.sqlite")
	for _, query := range []string{
		"delete from raw_run", "update raw_run set name = 'b'", "insert into meta values ('a', 'b')", "drop view runs", "create table t (a)",
		"create temp table t (a)", "select 1; delete from raw_run", "with a as (select 1) delete from raw_run",
		"pragma query_only = 0", "pragma journal_mode = delete", "attach '" + other + "' as o", "vacuum into '" + other + "'", "vacuum", "begin", "reindex",
	} {
		_, err := x.SQL(context.Background(), query)
		if fault.Code(err) != int(fault.Usage) || !strings.Contains(err.Error(), "only questions are answered") {
			t.Errorf("%s: %v", query, err)
		}
	}
	if _, err := os.Stat(other); err == nil {
		t.Errorf("%s was made", other)
	}
	if answer, err := x.SQL(context.Background(), "select run from runs"); err != nil || len(answer.Rows) != 1 || answer.Rows[0][0] != "a" {
		t.Errorf("%v, %v", answer, err)
	}
	if _, err := x.SQL(context.Background(), "select nothing"); fault.Code(err) != int(fault.Usage) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := x.SQL(ctx, "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"); err == nil {
		t.Error("an endless question has an answer")
	}
}
