package run

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/train"
)

// write replaces a run's log.
func write(t *testing.T, f Folder, log string) {
	t.Helper()
	if err := os.WriteFile(f.LogPath(), []byte(log), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestStatus(t *testing.T) {
	const start = `{"event":"start","format":2,"step":0,"total":2}` + "\n"
	const old = `{"event":"start","step":0,"total":2}` + "\n"
	for _, c := range []struct {
		log  string
		want Status
	}{
		{start, Crashed},
		{start + `{"event":"end","step":2,"reason":"finished"}` + "\n", Finished},
		{start + `{"event":"end","step":1,"reason":"interrupted"}` + "\n" + start, Crashed}, // resumed, then killed
		{start + `{"event":"end","step":1,"reason":"diverged"}` + "\n" + `{"event":"note","text":"why?"}` + "\n", Diverged},
		{old, Unknown},
		{old + `{"event":"epoch","epoch":1,"step":2}` + "\n", Finished},
		{"", Unknown},
	} {
		f, lock, err := Create(t.TempDir(), "a", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		lock.Release()
		write(t, f, c.log)
		r, err := ReadRecord(f)
		if err != nil || r.Status != c.want {
			t.Errorf("%q: %v, %v, want %v", c.log, r.Status, err, c.want)
		}
		if lock, err = f.Lock(); err != nil {
			t.Fatal(err)
		}
		if r, err = ReadRecord(f); err != nil || r.Status != Running {
			t.Errorf("locked: %v, %v", r.Status, err)
		}
		lock.Release()
	}
}

// A log of a version to come is refused by name; what it holds is not guessed at.
func TestLogOfANewerVersion(t *testing.T) {
	f := create(t)
	write(t, f, `{"event":"start","format":3,"step":0}`+"\n")
	_, err := ReadRecord(f)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), f.LogPath()) {
		t.Errorf("%v", err)
	}
}

func TestTagsAndNotes(t *testing.T) {
	f := create(t)
	for _, line := range []any{
		TagLine{Event: "tag", Add: []string{"good", "cosine", "good"}},
		NoteLine{Event: "note", Text: "first"},
		TagLine{Event: "tag", Add: []string{"best"}, Remove: []string{"cosine", "none"}},
		NoteLine{Event: "note", Text: "second\nthought"},
	} {
		if err := Append(f, line); err != nil {
			t.Fatal(err)
		}
	}
	r, err := ReadRecord(f)
	if err != nil || !slices.Equal(r.Tags, []string{"best", "good"}) || r.Note != "second\nthought" {
		t.Errorf("%+v, %v", r, err)
	}
}

// The images that a step has seen follow from its epoch: 10 images in batches of
// 4 make three steps, the last of 2.
func TestImagesSeen(t *testing.T) {
	f := create(t)
	step := func(n, epoch, images int) train.Step {
		return train.Step{Step: n, Epoch: epoch, Images: images, Seconds: 1}
	}
	logged(t, f, train.Started{Total: 6, StepsPerEpoch: 3, TrainImages: 10},
		step(1, 1, 4), step(2, 1, 4), step(3, 1, 2), step(4, 2, 4), step(5, 2, 4), step(6, 2, 2))
	r, err := ReadRecord(f)
	if err != nil {
		t.Fatal(err)
	}
	var seen []int
	for _, s := range r.Steps {
		seen = append(seen, s.Images)
	}
	if want := []int{4, 8, 10, 14, 18, 20}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
}

// Reading goes on where it stopped: a line that is being written is left for the
// next time, one that a kill cut short is counted once.
func TestLinesGoOn(t *testing.T) {
	log := `{"event":"step","step":1}` + "\n" + `{"event":"st` + "\n" + `{"event":"step","step":2}` + "\n" + `{"event":"step","st`
	lines := NewLines(strings.NewReader(log))
	var steps []int
	for lines.Next() {
		steps = append(steps, lines.Line().Step)
	}
	if lines.Err() != nil || lines.Damaged != 1 || !slices.Equal(steps, []int{1, 2}) {
		t.Fatalf("steps %v, %d damaged, %v", steps, lines.Damaged, lines.Err())
	}
	whole := strings.NewReader(log + `ep":3}` + "\n")
	if _, err := whole.Seek(lines.Offset, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	rest := NewLines(whole)
	rest.Offset = lines.Offset
	if !rest.Next() || rest.Line().Step != 3 || rest.Line().Offset != lines.Offset || rest.Next() {
		t.Errorf("went on with %+v", rest.Line())
	}
}

// A line of any length below the bound is read whole; one beyond it ends the
// reading with its place.
func TestLongLines(t *testing.T) {
	long := `{"event":"note","text":"` + strings.Repeat("x", 200_000) + `"}` + "\n"
	lines := NewLines(strings.NewReader(long))
	if !lines.Next() || len(lines.Line().Text) != len(long)-1 {
		t.Errorf("read %d bytes of %d, %v", len(lines.Line().Text), len(long)-1, lines.Err())
	}
	lines = NewLines(strings.NewReader(strings.Repeat("x", 2<<20)))
	if lines.Next() || lines.Err() == nil {
		t.Errorf("no error of a line of 2 MiB")
	}
}

// A step too short for the clock is logged all the same.
func TestStepOfNoTime(t *testing.T) {
	f := create(t)
	logged(t, f, train.Started{Total: 1, StepsPerEpoch: 1, TrainImages: 4}, train.Step{Step: 1, Epoch: 1, Images: 4})
	r, err := ReadRecord(f)
	if err != nil || len(r.Steps) != 1 || r.Steps[0].ImgPerS != 0 || r.Seconds() != 0 {
		t.Errorf("%+v, %v", r.Steps, err)
	}
}
