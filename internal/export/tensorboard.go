package export

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/png" // grids
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"diffuse/internal/atomicfile"
	"diffuse/internal/run"
)

// TensorBoard writes DIR/NAME/events.out.tfevents.* of each run: its scalars,
// its sample grids, and its config for the HPARAMS tab. Files that an earlier
// export left there are replaced. It returns the files, and the grids that were
// left out because they cannot be read.
func TensorBoard(dir string, runs ...Run) (files, missing []string, err error) {
	for _, r := range runs {
		to := filepath.Join(dir, r.Name)
		if err := os.MkdirAll(to, 0o777); err != nil {
			return files, missing, fmt.Errorf("export run %s: %w", r.Name, err)
		}
		path := filepath.Join(to, eventFile(r))
		err := atomicfile.Write(path, func(w io.Writer) error {
			lost, err := r.WriteEvents(w)
			missing = append(missing, lost...)
			return err
		})
		if err != nil {
			return files, missing, fmt.Errorf("export run %s: %w", r.Name, err)
		}
		files = append(files, path)
	}
	return files, missing, nil
}

// eventFile is the file of a run's events. TensorBoard reads what has "tfevents"
// in its name; the same run has the same file.
func eventFile(r Run) string {
	host := "diffuse"
	if h := r.Start().Machine.Host; h != "" && filepath.Base(h) == h {
		host = h
	}
	return fmt.Sprintf("events.out.tfevents.%010d.%s", max(0, r.Began().Unix()), host)
}

// WriteEvents writes a run as a TensorBoard event file. It returns the paths of
// grids that could not be read.
func (r Run) WriteEvents(w io.Writer) (missing []string, err error) {
	events := [][]byte{versionEvent(r.Began())}
	events = append(events, r.hparams()...)
	for _, s := range r.Scalars() {
		events = append(events, scalarEvent(s))
	}
	at := r.clock()
	for _, g := range r.Grids {
		picture, err := r.grid(g, at(g.Step, g.Time))
		if err != nil {
			missing = append(missing, g.Path)
			continue
		}
		events = append(events, picture)
	}
	for _, e := range events {
		if err := writeRecord(w, e); err != nil {
			return missing, err
		}
	}
	return missing, nil
}

// grid is the event of a sample grid's picture.
func (r Run) grid(g run.GridLine, t time.Time) ([]byte, error) {
	png, err := r.ReadPicture(g.Path)
	if err != nil {
		return nil, err
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(png))
	if err != nil {
		return nil, err
	}
	channels := 4
	if c.ColorModel == color.GrayModel || c.ColorModel == color.Gray16Model {
		channels = 1
	}
	return imageEvent(t, g.Step, "samples", c.Width, c.Height, channels, png), nil
}

// hparams are the events of the HPARAMS tab: the config's keys and which metrics
// to show beside them, their values, and how the run ended.
func (r Run) hparams() [][]byte {
	if len(r.Config) == 0 {
		return nil
	}
	began := r.Began()
	experiment := message{}.double(3, unixSeconds(began))
	start := message{}
	for _, key := range slices.Sorted(maps.Keys(r.Config)) {
		kind, value := hparam(r.Config[key])
		experiment = experiment.bytes(4, message{}.text(1, key).integer(4, kind))
		start = start.bytes(1, message{}.text(1, key).bytes(2, value))
	}
	for _, tag := range []string{"train/loss", "valid/loss", "score/fid", "score/kid"} {
		experiment = experiment.bytes(5, message{}.bytes(1, message{}.text(2, tag)))
	}
	start = start.text(4, r.Name).double(5, unixSeconds(began))
	events := [][]byte{
		hparamsEvent(began, "_hparams_/experiment", 2, experiment),
		hparamsEvent(began, "_hparams_/session_start_info", 3, start),
	}
	if r.End == nil {
		return events
	}
	ended, _ := time.Parse(time.RFC3339, r.End.Time) // a damaged time is not known
	end := message{}.integer(1, sessionStatus(r.Status)).double(2, unixSeconds(ended))
	return append(events, hparamsEvent(ended, "_hparams_/session_end_info", 4, end))
}

// hparam is a config's value as the plugin knows it: its type, and a
// google.protobuf.Value.
func hparam(text string) (kind int64, value message) {
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		return typeFloat64, message{}.double(2, x)
	}
	if text == "true" || text == "false" {
		return typeBool, message{}.integer(4, map[string]int64{"true": 1}[text])
	}
	return typeString, message{}.text(3, text)
}

// sessionStatus is a run's status as the plugin knows it.
func sessionStatus(s run.Status) int64 {
	const success, failure, running = 1, 2, 3
	switch s {
	case run.Finished, run.Reached, run.Missed:
		return success
	case run.Running:
		return running
	}
	return failure
}
