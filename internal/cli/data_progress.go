package cli

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/schollz/progressbar/v3"

	"diffuse/internal/dataset/download"
)

// newFetchProgress shows how a download goes: a bar on a terminal, lines elsewhere.
func newFetchProgress(stdio *IO, g *Global) download.Observer {
	if g.Quiet {
		return &fetchLog{log: g.Log}
	}
	if stdio.ErrIsTerminal {
		return &fetchBar{fetchLog: fetchLog{log: g.Log}, w: stdio.Err}
	}
	return &fetchLines{fetchLog: fetchLog{log: g.Log}, w: stdio.Err}
}

// fetchLog logs what fails and shows nothing else.
type fetchLog struct{ log *slog.Logger }

func (f *fetchLog) Start(string, string, int64, int64) {}
func (f *fetchLog) Advance(int)                        {}
func (f *fetchLog) Failed(file, url string, err error) {
	f.log.Warn("download failed", "file", file, "from", url, "why", err)
}

// fetchBar draws a bar for each file.
type fetchBar struct {
	fetchLog
	w   io.Writer
	bar *progressbar.ProgressBar
}

func (f *fetchBar) Start(file, url string, have, size int64) {
	f.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(f.w), progressbar.OptionSetDescription(file),
		progressbar.OptionSetWidth(20), progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
	f.Advance(int(have))
}

func (f *fetchBar) Advance(n int) {
	// A terminal that cannot be written to must not end a download.
	_ = f.bar.Add(n)
}

func (f *fetchBar) Failed(file, url string, err error) {
	if f.bar != nil {
		_ = f.bar.Clear() // else the warning would stand behind the bar
	}
	f.fetchLog.Failed(file, url, err)
}

// fetchLineEvery is how often fetchLines writes.
const fetchLineEvery = 5 * time.Second

// fetchLines writes a line at each file's start and every few seconds.
type fetchLines struct {
	fetchLog
	w          io.Writer
	file       string
	have, size int64
	last       time.Time
}

func (f *fetchLines) Start(file, url string, have, size int64) {
	f.file, f.have, f.size, f.last = file, have, size, time.Now()
	kept := ""
	if have > 0 {
		kept = fmt.Sprintf(", %s of them kept from before", byteSize(have))
	}
	fmt.Fprintf(f.w, "%s: %s from %s%s\n", file, byteSize(size), url, kept)
}

func (f *fetchLines) Advance(n int) {
	f.have += int64(n)
	if time.Since(f.last) >= fetchLineEvery {
		f.last = time.Now()
		fmt.Fprintf(f.w, "%s: %s of %s\n", f.file, byteSize(f.have), byteSize(f.size))
	}
}

// byteSize is a file's size for people, in decimal units.
func byteSize(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
