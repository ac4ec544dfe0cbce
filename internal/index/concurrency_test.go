package index

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"diffuse/internal/run"
	"diffuse/internal/train"
)

// The test binary is also the processes of TestManyProcesses.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv("INDEX_TEST_ROLE") {
	case "":
		os.Exit(m.Run())
	case "writer":
		err = writer(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	case "asker":
		err = asker(os.Args[1], os.Args[2] == "again")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// writer logs the steps after first, up to last, as a training does.
func writer(runs, name, first, last string) error {
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	f := run.Folder{Dir: filepath.Join(runs, name), Name: name}
	lock, err3 := f.Lock()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	defer lock.Release()
	log, err := run.OpenLog(f, run.Origin{})
	if err != nil {
		return err
	}
	defer log.Close()
	ctx := context.Background()
	if err := log.Observe(ctx, train.Started{Step: from, Total: to, StepsPerEpoch: to, TrainImages: 16 * to}); err != nil {
		return err
	}
	for step := from + 1; step <= to; step++ {
		if err := log.Observe(ctx, train.Step{Step: step, Epoch: 1, Loss: 1 / float64(step), LR: 0.1, GradNorm: 1, Images: 16, Seconds: 0.01}); err != nil {
			return err
		}
		if step%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return log.End(to, run.Finished, nil)
}

// asker asks until its input ends: with one index as a dashboard does, or with
// a new one each time as commands do.
func asker(runs string, again bool) error {
	ended := make(chan bool)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	ctx := context.Background()
	x, err := Open(ctx, runs)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		select {
		case <-ended:
			fmt.Println(n, "rounds")
			return x.Close()
		default:
		}
		if again {
			if err := x.Close(); err != nil {
				return err
			}
			if x, err = Open(ctx, runs); err != nil {
				return err
			}
		}
		if _, err := x.Refresh(ctx); err != nil {
			return err
		}
		if w := x.Warnings(); len(w) > 0 {
			return fmt.Errorf("warnings: %q", w)
		}
		all, _, err := x.Runs(ctx, Query{Filter: "loss < 100"})
		if err != nil {
			return err
		}
		var names []string
		for _, r := range all {
			names = append(names, r.Name)
		}
		if _, err := x.Series(ctx, SeriesQuery{Runs: names, Metric: "loss", X: "time", Width: 100}); err != nil {
			return err
		}
		if _, err := x.SQL(ctx, "select run, count(*) from steps group by run"); err != nil {
			return err
		}
	}
}

// process starts the test binary in a role.
func process(t *testing.T, role string, args ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, out = exec.Command(exe, args...), new(bytes.Buffer)
	cmd.Env = append(os.Environ(), "INDEX_TEST_ROLE="+role)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// Four trainings log 100,000 steps while a dashboard and commands read and index
// them; one is killed in the middle and goes on from its checkpoint. No process
// meets an error, and in the end each whole line is a row.
func TestManyProcesses(t *testing.T) {
	const each = 25_000
	runs := t.TempDir()
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		makeRun(t, runs, name)
	}
	type reading struct {
		cmd  *exec.Cmd
		out  *bytes.Buffer
		stop io.Closer
	}
	var readers []reading
	for _, how := range []string{"held", "again"} {
		cmd, out := process(t, "asker", runs, how)
		stop, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, reading{cmd, out, stop})
	}
	var writers []*exec.Cmd
	var outs []*bytes.Buffer
	for _, name := range names {
		cmd, out := process(t, "writer", runs, name, "0", strconv.Itoa(each))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		writers, outs = append(writers, cmd), append(outs, out)
	}
	killed := run.Folder{Dir: filepath.Join(runs, "a"), Name: "a"}
	for wholeLines(t, killed) < each/2 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := writers[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	writers[0].Wait()
	if n := wholeLines(t, killed); n >= each {
		t.Fatalf("it had written all %d lines when it was killed", n)
	}
	add(t, killed, `{"event":"step","st`) // as a full disk or a power cut leaves it
	checkpoint := wholeLines(t, killed) / 1000 * 1000
	writers[0], outs[0] = process(t, "writer", runs, "a", strconv.Itoa(checkpoint), strconv.Itoa(each))
	if err := writers[0].Start(); err != nil {
		t.Fatal(err)
	}
	for i, w := range writers {
		if err := w.Wait(); err != nil {
			t.Errorf("writer %s: %v %s", names[i], err, outs[i])
		}
	}
	for i, r := range readers {
		r.stop.Close()
		if err := r.cmd.Wait(); err != nil {
			t.Errorf("reader %d: %v %s", i, err, r.out)
		}
		t.Logf("reader %d: %s", i, r.out)
	}

	x := open(t, runs)
	refresh(t, x)
	for _, name := range names {
		answer, err := x.SQL(context.Background(), fmt.Sprintf("select count(*), count(distinct s.step), min(s.step), max(s.step), (select sum(n) from raw_bucket b where b.level = 131072 and b.run = r.id) from steps s join raw_run r on r.name = s.run where s.run = '%s'", name))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{each, each, 1, each, each} {
			if answer.Rows[0][i] != want {
				t.Errorf("%s: %v, want %d steps", name, answer.Rows[0], each)
				break
			}
		}
		r := one(t, x, name)
		if damaged := map[bool]int{true: 1}[name == "a"]; r.Status != "finished" || r.Damaged != damaged {
			t.Errorf("%+v", r)
		}
		if name != "a" && wholeLines(t, x.Folder(name)) != each+2 {
			t.Errorf("%s has %d lines", name, wholeLines(t, x.Folder(name)))
		}
	}
}

// wholeLines is how many lines a run's log has.
func wholeLines(t *testing.T, f run.Folder) int {
	t.Helper()
	file, err := os.Open(f.LogPath())
	if err != nil {
		return 0
	}
	defer file.Close()
	n := 0
	for r := bufio.NewReaderSize(file, 1<<20); ; n++ {
		if _, err := r.ReadSlice('\n'); err != nil {
			return n
		}
	}
}
