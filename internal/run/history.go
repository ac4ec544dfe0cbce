package run

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
)

// History is what log.jsonl says of a run: its steps and epochs in order, each
// once, as the last attempt went.
type History struct {
	Steps  []StepLine
	Epochs []EpochLine
}

// maxLine bounds the length of a log's line; ours have a few hundred bytes.
const maxLine = 1 << 20

// ReadHistory reads a run's log. Lines that are cut short are skipped: a crash
// leaves them.
func ReadHistory(f Folder) (*History, error) {
	file, err := os.Open(f.LogPath())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	h := new(History)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		h.add(lines.Bytes())
	}
	return h, lines.Err()
}

// add takes one line of the log.
func (h *History) add(line []byte) {
	var kind struct {
		Event string `json:"event"`
		Step  int    `json:"step"`
	}
	if json.Unmarshal(line, &kind) != nil {
		return
	}
	switch kind.Event {
	case "start": // what was logged after the checkpoint resumed from is done anew
		h.Steps = slices.DeleteFunc(h.Steps, func(s StepLine) bool { return s.Step > kind.Step })
		h.Epochs = slices.DeleteFunc(h.Epochs, func(e EpochLine) bool { return e.Step > kind.Step })
	case "step":
		var s StepLine
		if json.Unmarshal(line, &s) == nil {
			h.Steps = append(h.Steps, s)
		}
	case "epoch":
		var e EpochLine
		if json.Unmarshal(line, &e) != nil {
			return
		}
		if n := len(h.Epochs); n > 0 && h.Epochs[n-1].Step == e.Step { // validated again after a stop
			h.Epochs = h.Epochs[:n-1]
		}
		h.Epochs = append(h.Epochs, e)
	}
}
