package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"diffuse/internal/fault"
)

// content is a file's bytes, no two stretches of it alike.
var content = func() []byte {
	b := make([]byte, 300_000)
	for i := range b {
		b[i] = byte(i*i>>7 ^ i)
	}
	return b
}()

func describe(name string, b []byte) File {
	m, s := md5.Sum(b), sha256.Sum256(b)
	return File{name, int64(len(b)), hex.EncodeToString(m[:]), hex.EncodeToString(s[:])}
}

var file = describe("data.gz", content)

// listener notes what it hears.
type listener struct {
	starts  []int64 // bytes that were there already
	arrived int
	failed  []string
	hear    func() // called on each Advance
}

func (l *listener) Start(_, _ string, have, _ int64) { l.starts = append(l.starts, have) }
func (l *listener) Failed(_, _ string, err error)    { l.failed = append(l.failed, err.Error()) }
func (l *listener) Advance(n int) {
	l.arrived += n
	if l.hear != nil {
		l.hear()
	}
}

func fetcher() (*Fetcher, *listener) {
	l := &listener{}
	return &Fetcher{Observer: l, Tries: 3, Stall: 5 * time.Second, WaitMin: time.Millisecond, WaitMax: 2 * time.Millisecond}, l
}

// serve starts a mirror on the loopback and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// whole serves b as a good server does: Range, If-Range, ETag.
func whole(b []byte, etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

// breaksOff promises the whole file and hangs up after n bytes.
func breaksOff(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:n])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// wantWhole demands the file and nothing but the lock beside it.
func wantWhole(t *testing.T, dir string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, file.Name))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file is not what was served (%d bytes, %v)", len(got), err)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != file.Name && e.Name() != lockName {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func putPart(t *testing.T, dir string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file.Name+partSuffix), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFetch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	f, l := fetcher()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sub/data.gz" || r.Header.Get("Range") != "" || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("asked for %s with %v", r.URL.Path, r.Header)
		}
		whole(content, `"1"`)(w, r)
	})
	fetched, err := f.Fetch(t.Context(), dir, file, []string{url + "/sub/"})
	if err != nil || !fetched {
		t.Fatalf("fetched %v, error %v", fetched, err)
	}
	wantWhole(t, dir)
	if l.arrived != len(content) {
		t.Errorf("the observer heard of %d bytes, not %d", l.arrived, len(content))
	}
	// What is there and right is not asked for again.
	fetched, err = f.Fetch(t.Context(), dir, file, []string{"http://127.0.0.1:1"})
	if err != nil || fetched {
		t.Errorf("again: fetched %v, error %v", fetched, err)
	}
}

// A folder that holds all may be read-only: nothing is written to it, no lock either.
func TestWholeFileIsOnlyRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file.Name), content, 0o644); err != nil {
		t.Fatal(err)
	}
	f, _ := fetcher()
	if fetched, err := f.Fetch(t.Context(), dir, file, nil); err != nil || fetched {
		t.Errorf("fetched %v, error %v", fetched, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
}

func TestReplacesDamaged(t *testing.T) {
	dir := t.TempDir()
	damaged := bytes.Clone(content)
	damaged[1000] ^= 4
	if err := os.WriteFile(filepath.Join(dir, file.Name), damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	f, _ := fetcher()
	if _, err := f.Fetch(t.Context(), dir, file, []string{serve(t, whole(content, `"1"`))}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
}

func TestResumesPart(t *testing.T) {
	dir := t.TempDir()
	putPart(t, dir, content[:100_000])
	f, l := fetcher()
	if _, err := f.Fetch(t.Context(), dir, file, []string{serve(t, whole(content, `"1"`))}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
	if l.arrived != 200_000 || l.starts[0] != 100_000 {
		t.Errorf("%d bytes came after %v", l.arrived, l.starts)
	}
}

func TestWholePartNeedsNoServer(t *testing.T) {
	dir := t.TempDir()
	putPart(t, dir, content)
	f, _ := fetcher()
	if _, err := f.Fetch(t.Context(), dir, file, []string{"http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
}

func TestGoesOnAfterBrokenTransfer(t *testing.T) {
	dir := t.TempDir()
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("ETag", `"v1"`)
			breaksOff(70_000)(w, r)
		}
		if r.Header.Get("Range") == "" || r.Header.Get("If-Range") != `"v1"` {
			t.Errorf("second request: Range %q, If-Range %q", r.Header.Get("Range"), r.Header.Get("If-Range"))
		}
		whole(content, `"v1"`)(w, r)
	})
	f, l := fetcher()
	if _, err := f.Fetch(t.Context(), dir, file, []string{url}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
	if l.arrived != len(content) || len(l.failed) != 1 {
		t.Errorf("%d bytes came, failures %q", l.arrived, l.failed)
	}
}

func TestRestartsWhereVersionChanged(t *testing.T) {
	dir := t.TempDir()
	url := serve(t, whole(content, `"new"`))
	putPart(t, dir, bytes.Repeat([]byte("old"), 1000))
	if err := os.WriteFile(filepath.Join(dir, file.Name+etagSuffix), []byte(url+"/"+file.Name+"\n\"old\""), 0o644); err != nil {
		t.Fatal(err)
	}
	f, l := fetcher()
	if _, err := f.Fetch(t.Context(), dir, file, []string{url}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
	if len(l.starts) != 1 || l.starts[0] != 0 {
		t.Errorf("started at %v, want at 0 once", l.starts)
	}
}

func TestServerIgnoresRange(t *testing.T) {
	dir := t.TempDir()
	putPart(t, dir, content[:100_000])
	f, l := fetcher()
	if _, err := f.Fetch(t.Context(), dir, file, []string{serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
	if l.arrived != len(content) || l.starts[0] != 0 {
		t.Errorf("%d bytes came after %v", l.arrived, l.starts)
	}
}

// TestWrongPart begins with bytes that are not the file's: the hash tells, and
// the download starts again from zero.
func TestWrongPart(t *testing.T) {
	for name, part := range map[string][]byte{
		"wrong bytes":    make([]byte, 5000),
		"wrong and full": make([]byte, len(content)),
		"too long":       make([]byte, len(content)+1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			putPart(t, dir, part)
			f, _ := fetcher()
			if _, err := f.Fetch(t.Context(), dir, file, []string{serve(t, whole(content, `"1"`))}); err != nil {
				t.Fatal(err)
			}
			wantWhole(t, dir)
		})
	}
}

func TestFallsToNextMirror(t *testing.T) {
	corrupt := bytes.Clone(content)
	corrupt[len(corrupt)-1] ^= 1
	longer := append(bytes.Clone(content), 'x')
	var asked atomic.Int32
	for name, bad := range map[string]http.HandlerFunc{
		"404":                  status(http.StatusNotFound),
		"503 always":           status(http.StatusServiceUnavailable),
		"corrupt":              whole(corrupt, `"1"`),
		"wrong size":           whole(content[:1000], `"1"`),
		"longer":               whole(longer, `"1"`),
		"longer, unannounced":  func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.Write(longer) },
		"shorter, unannounced": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.Write(content[:9]) },
		"always breaks off":    breaksOff(10),
		"wrong range": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[5:10])
		},
		"a login page": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in</html>") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			asked.Store(0)
			first := serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); bad(w, r) })
			f, l := fetcher()
			if _, err := f.Fetch(t.Context(), dir, file, []string{first, serve(t, whole(content, `"2"`))}); err != nil {
				t.Fatal(err)
			}
			wantWhole(t, dir)
			if asked.Load() == 0 || len(l.failed) == 0 {
				t.Errorf("the first mirror was asked %d times, failures %q", asked.Load(), l.failed)
			}
		})
	}
}

func TestRetriesBusyMirror(t *testing.T) {
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.Header().Set("Retry-After", "3600") // must not be obeyed
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		whole(content, `"1"`)(w, r)
	})
	dir := t.TempDir()
	f, _ := fetcher()
	if _, err := f.Fetch(t.Context(), dir, file, []string{url}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
}

func TestStalledMirror(t *testing.T) {
	release := make(chan struct{})
	stalled := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:10])
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	dir := t.TempDir()
	f, l := fetcher()
	f.Stall, f.Tries = 50*time.Millisecond, 1
	if _, err := f.Fetch(t.Context(), dir, file, []string{stalled, serve(t, whole(content, `"1"`))}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
	if len(l.failed) != 1 || !strings.Contains(l.failed[0], "no byte came for 50ms") {
		t.Errorf("failures %q", l.failed)
	}
}

func TestNoMirrorHasIt(t *testing.T) {
	dir := t.TempDir()
	f, _ := fetcher()
	gone, closed := serve(t, status(http.StatusGone)), "http://127.0.0.1:1"
	_, err := f.Fetch(t.Context(), dir, file, []string{gone, closed, "::no url"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{file.Name, gone, "410 Gone", closed, "refused", "::no url"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if fault.Code(err) != int(fault.Data) || !strings.Contains(fault.Hint(err), "--mirror") {
		t.Errorf("code %d, hint %q", fault.Code(err), fault.Hint(err))
	}
}

func TestInterruptKeepsPart(t *testing.T) {
	dir := t.TempDir()
	release := make(chan struct{})
	defer close(release)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			whole(content, `"1"`)(w, r)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.Write(content[:120_000])
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	f, l := fetcher()
	l.hear = func() {
		if l.arrived == 120_000 {
			cancel()
		}
	}
	_, err := f.Fetch(ctx, dir, file, []string{url, "http://127.0.0.1:1"})
	if fault.Code(err) != int(fault.Interrupted) || !strings.Contains(err.Error(), "120000 of 300000 bytes") {
		t.Fatalf("error %v", err)
	}
	if len(l.failed) != 0 {
		t.Errorf("an interrupt is no failure: %q", l.failed)
	}
	l.hear, l.arrived = nil, 0
	if _, err := f.Fetch(t.Context(), dir, file, []string{url}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir)
	if l.arrived != 180_000 {
		t.Errorf("%d bytes came the second time, want 180000", l.arrived)
	}
}

func TestSecondFetchIsRefused(t *testing.T) {
	dir := t.TempDir()
	inside, release := make(chan struct{}), make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(inside)
		<-release
		whole(content, `"1"`)(w, r)
	})
	done := make(chan error)
	go func() {
		f, _ := fetcher()
		_, err := f.Fetch(context.Background(), dir, file, []string{url})
		done <- err
	}()
	<-inside
	f, _ := fetcher()
	_, err := f.Fetch(t.Context(), dir, file, []string{url})
	if err == nil || !strings.Contains(err.Error(), "another fetch is at work in "+dir) || fault.Hint(err) == "" {
		t.Errorf("error %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the first fetch: %v", err)
	}
	wantWhole(t, dir)
	// The lock's file stays; the lock does not.
	if _, err := f.Fetch(t.Context(), dir, file, nil); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}

// TestDiskErrorEndsFetch has a folder where .part should be: no mirror cures that.
func TestDiskErrorEndsFetch(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, file.Name+etagSuffix), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file.Name+etagSuffix, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); whole(content, `"1"`)(w, r) })
	f, _ := fetcher()
	_, err := f.Fetch(t.Context(), dir, file, []string{url, url, url})
	if _, local := errors.AsType[*diskError](err); !local || asked.Load() != 1 {
		t.Errorf("error %v after %d requests", err, asked.Load())
	}
}

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := file.Check(path); err != nil {
		t.Error(err)
	}
	noMD5 := file
	noMD5.MD5 = ""
	if err := noMD5.Check(path); err != nil {
		t.Error(err)
	}
	for want, wrong := range map[string]File{
		"bytes, not 7": {file.Name, 7, file.MD5, file.SHA256},
		"MD5":          {file.Name, file.Size, strings.Repeat("0", 32), file.SHA256},
		"SHA-256":      {file.Name, file.Size, file.MD5, strings.Repeat("0", 64)},
		"SHA-256 ":     {file.Name, file.Size, file.MD5, ""},
	} {
		if err := wrong.Check(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}
