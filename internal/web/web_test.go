package web

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"diffuse/internal/config"
	"diffuse/internal/index"
	"diffuse/internal/run"
)

// newServer serves a folder of one run, "a", with five steps and a grid.
func newServer(t *testing.T, token string) (*Server, run.Folder) {
	t.Helper()
	runs := t.TempDir()
	resolved, err := config.Load(config.LoadOptions{File: "quick.yaml", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	f, lock, err := run.Create(runs, "a", "", resolved.YAML())
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
	add(t, f, `{"event":"start","time":"2026-11-26T08:00:00Z","format":2,"step":0,"total":9}`)
	for step := 1; step <= 5; step++ {
		add(t, f, fmt.Sprintf(`{"event":"step","step":%d,"epoch":1,"loss":0.5,"lr":0.1,"grad_norm":1,"img_per_s":8}`, step))
	}
	for _, path := range []string{"samples/epoch-0001.png", "samples/.hidden.png", "secret.txt"} {
		if err := os.WriteFile(filepath.Join(f.Dir, path), []byte("a picture"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	x, err := index.Open(context.Background(), runs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	s, err := New(Config{Index: x, Version: "v1", Commit: "c1", Token: token, Hosts: []string{"box"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

// add appends a line to a run's log.
func add(t *testing.T, f run.Folder, line string) {
	t.Helper()
	file, err := os.OpenFile(f.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// get asks a server for a path; headers are "Name: value".
func get(s http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	return ask(s, http.MethodGet, path, headers...)
}

func ask(s http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "127.0.0.1:8080"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// decode reads an answer's JSON.
func decode(t *testing.T, w *httptest.ResponseRecorder, v any) {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		t.Fatal(err)
	}
}

func TestAnswers(t *testing.T) {
	s, _ := newServer(t, "")
	var runs struct {
		Runs  []map[string]any
		Total int
	}
	decode(t, get(s, "/api/runs?filter=step+%3D+5&sort=-name&limit=3"), &runs)
	if r := runs.Runs[0]; runs.Total != 1 || r["name"] != "a" || r["step"] != 5.0 || r["status"] != "crashed" || r["loss"] != 0.5 || r["fid"] != nil || r["config"].(map[string]any)["model.kind"] != "unet" {
		t.Errorf("%+v", runs)
	}
	var detail map[string]any
	decode(t, get(s, "/api/runs/a"), &detail)
	if detail["name"] != "a" || len(detail["attempts"].([]any)) != 1 || !strings.HasPrefix(detail["config_yaml"].(string), "version: 1") || len(detail["epochs"].([]any)) != 0 {
		t.Errorf("%+v", detail)
	}
	var series struct {
		Metric, X string
		Series    []index.Curve
	}
	decode(t, get(s, "/api/series?runs=a&metric=lr&after=3"), &series)
	if c := series.Series[0]; series.Metric != "lr" || series.X != "step" || c.Run != "a" || fmt.Sprint(c.X, c.Mean) != "[4 5] [0.1 0.1]" {
		t.Errorf("%+v", series)
	}
	var version map[string]any
	decode(t, get(s, "/api/version"), &version)
	if version["version"] != "v1" || version["commit"] != "c1" || version["api"] != 1.0 {
		t.Errorf("%+v", version)
	}
	var diff map[string][]any
	decode(t, get(s, "/api/diff?a=a&b=a"), &diff)
	if d, ok := diff["config"]; !ok || len(d) != 0 {
		t.Errorf("%+v", diff)
	}
	if w := get(s, "/api/runs/a/files/samples/epoch-0001.png"); w.Code != 200 || w.Header().Get("Content-Type") != "image/png" || w.Body.String() != "a picture" {
		t.Errorf("%d %s %q", w.Code, w.Header(), w.Body)
	}
	if w := ask(s, http.MethodHead, "/api/runs"); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
}

func TestRefusals(t *testing.T) {
	open, f := newServer(t, "")
	closed, _ := newServer(t, "a long token")
	outside := filepath.Join(t.TempDir(), "outside.png")
	if err := os.WriteFile(outside, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link.png": outside, "secret.png": "secret.txt"} {
		if err := os.Symlink(target, filepath.Join(f.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(f.Dir, "folder.png"), 0o777); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxQuery+1)
	for _, c := range []struct {
		server  *Server
		method  string
		path    string
		headers []string
		want    int
	}{
		{open, "POST", "/api/runs", nil, 405},
		{open, "DELETE", "/api/runs/a", nil, 405},
		{open, "OPTIONS", "/api/runs", nil, 405},
		{open, "PUT", "/", nil, 405},
		{open, "GET", "/api/runs", []string{"Host: evil.example"}, 403},
		{open, "GET", "/", []string{"Host: 127.0.0.1.evil.example:8080"}, 403},
		{open, "GET", "/api/runs", []string{"Host: "}, 403},
		{open, "GET", "/api/runs", []string{"Host: 10.0.0.1:8080"}, 403},
		{open, "GET", "/api/runs", []string{"Origin: http://evil.example"}, 403},
		{open, "GET", "/api/runs", []string{"Origin: http://127.0.0.1:9090"}, 403},
		{open, "GET", "/api/runs", []string{"Origin: null"}, 403},
		{open, "GET", "/api/runs", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{open, "GET", "/api/runs", []string{"Sec-Fetch-Site: same-site"}, 403},
		{open, "GET", "/api/runs", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, 403},
		{open, "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{open, "GET", "/api/nothing", nil, 404},
		{open, "GET", "/nothing", nil, 404},
		{open, "GET", "/assets/", nil, 404},
		{open, "GET", "/api/runs/b", nil, 404},
		{open, "GET", "/api/series?runs=a,b&metric=loss", nil, 404},
		{open, "GET", "/api/diff?a=a&b=b", nil, 404},
		{open, "GET", "/api/diff?a=a", nil, 400},
		{open, "GET", "/api/runs?filter=fid", nil, 400},
		{open, "GET", "/api/runs?sort=nothing", nil, 400},
		{open, "GET", "/api/runs?limit=-1", nil, 400},
		{open, "GET", "/api/runs?offset=x", nil, 400},
		{open, "GET", "/api/runs?filter=" + long, nil, 400},
		{open, "GET", "/api/series?runs=a&metric=nothing", nil, 400},
		{open, "GET", "/api/series?runs=a&metric=loss&x=nothing", nil, 400},
		{open, "GET", "/api/series?runs=a&metric=loss&width=4001", nil, 400},
		{open, "GET", "/api/series?runs=a&metric=loss&width=1", nil, 400},
		{open, "GET", "/api/series?runs=a&metric=loss&from=x", nil, 400},
		{open, "GET", "/api/series?runs=a&metric=loss&to=NaN", nil, 400},
		{open, "GET", "/api/series?metric=loss&runs=" + strings.Repeat("a,", maxRuns+1), nil, 400},
		{open, "GET", "/api/runs/a/files/config.yaml", nil, 404},
		{open, "GET", "/api/runs/a/files/log.jsonl", nil, 404},
		{open, "GET", "/api/runs/a/files/secret.txt", nil, 404},
		{open, "GET", "/api/runs/a/files/none.png", nil, 404},
		{open, "GET", "/api/runs/a/files/link.png", nil, 404},
		{open, "GET", "/api/runs/a/files/folder.png", nil, 404},
		{open, "GET", "/api/runs/a/files/samples/.hidden.png", nil, 404},
		{open, "GET", "/api/runs/a/files/%2e%2e/outside.png", nil, 404},
		{open, "GET", "/api/runs/a/files/%2Fetc%2Fx.png", nil, 404},
		{open, "GET", "/api/runs/a/files/samples%2F..%2F..%2Fx.png", nil, 404},
		{open, "GET", "/api/runs/%2e%2e/files/x.png", nil, 404},
		{open, "GET", "/api/runs/..%2Fa/files/x.png", nil, 404},
		{closed, "GET", "/", nil, 401},
		{closed, "GET", "/api/runs", nil, 401},
		{closed, "GET", "/api/events", nil, 401},
		{closed, "GET", "/assets/app.js", nil, 401},
		{closed, "GET", "/?token=wrong", nil, 401},
		{closed, "GET", "/?token=", nil, 401},
		{closed, "GET", "/api/runs?token=a+long+token", nil, 401}, // only the page takes it from its address
		{closed, "GET", "/api/runs", []string{"Authorization: Bearer wrong"}, 401},
		{closed, "GET", "/api/runs", []string{"Authorization: Basic a long token"}, 401},
		{closed, "GET", "/api/runs", []string{"Cookie: diffuse=a long token"}, 401},
		{closed, "GET", "/api/runs", []string{"Authorization: Bearer a long token", "Origin: http://evil.example"}, 403},
		{closed, "POST", "/api/runs", []string{"Authorization: Bearer a long token"}, 405},
	} {
		w := ask(c.server, c.method, c.path, c.headers...)
		var e struct{ Error, Hint string }
		if err := json.Unmarshal(w.Body.Bytes(), &e); w.Code != c.want || err != nil || e.Error == "" {
			t.Errorf("%s %.60s %v: %d %s, want %d", c.method, c.path, c.headers, w.Code, w.Body, c.want)
		}
		if w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.path, w.Header())
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	s, _ := newServer(t, "")
	for _, headers := range [][]string{
		nil,
		{"Host: localhost:8080"},
		{"Host: LOCALHOST"},
		{"Host: [::1]:8080"},
		{"Host: 127.1.2.3:8080"},
		{"Host: box:8080"},
		{"Origin: http://127.0.0.1:8080"},
		{"Sec-Fetch-Site: same-origin"},
		{"Sec-Fetch-Site: none"},
	} {
		if w := get(s, "/api/version", headers...); w.Code != 200 {
			t.Errorf("%v: %d %s", headers, w.Code, w.Body)
		}
	}
	if w := get(s, "/", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"); w.Code != 200 {
		t.Errorf("a link: %d", w.Code)
	}
}

func TestToken(t *testing.T) {
	s, _ := newServer(t, "a long token")
	if w := get(s, "/api/version", "Authorization: Bearer a long token", "Host: anything"); w.Code != 200 {
		t.Errorf("bearer: %d %s", w.Code, w.Body)
	}
	w := get(s, "/?token=a+long+token")
	c := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" || len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || strings.Contains(c[0].Value, "token") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/", "/api/version"} {
		if w := get(s, path, "Cookie: "+c[0].Name+"="+c[0].Value); w.Code != 200 {
			t.Errorf("cookie: %s %d", path, w.Code)
		}
	}
	other, _ := newServer(t, "another token")
	if w := get(other, "/", "Cookie: "+c[0].Name+"="+c[0].Value); w.Code != 401 {
		t.Errorf("another's cookie: %d", w.Code)
	}
}

func TestPage(t *testing.T) {
	s, _ := newServer(t, "")
	plain := get(s, "/")
	if plain.Code != 200 || plain.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(plain.Body.String(), "<!doctype html>") {
		t.Fatalf("%d %v", plain.Code, plain.Header())
	}
	policy := plain.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "script-src") || strings.Contains(policy, "eval") {
		t.Errorf("policy %s", policy)
	}
	zipped := get(s, "/", "Accept-Encoding: br, gzip")
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, plain.Body.Bytes()) {
		t.Errorf("zipped: %v", err)
	}
	for _, w := range []*httptest.ResponseRecorder{plain, zipped} {
		tag := w.Header().Get("ETag")
		accept := "Accept-Encoding: " + w.Header().Get("Content-Encoding")
		if again := get(s, "/", accept, "If-None-Match: "+tag); tag == "" || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("tag %s: %d", tag, again.Code)
		}
	}
	if plain.Header().Get("ETag") == zipped.Header().Get("ETag") {
		t.Error("two contents, one tag")
	}
}

func TestGzip(t *testing.T) {
	s, _ := newServer(t, "")
	w := get(s, "/api/runs", "Accept-Encoding: gzip")
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(new(map[string]any)); err != nil {
		t.Error(err)
	}
	if w := get(s, "/api/runs", "Accept-Encoding: gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%v", w.Header())
	}
}

// A real server tells of a run that changes and of one that goes, and ends with
// its context though somebody listens.
func TestEvents(t *testing.T) {
	s, f := newServer(t, "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, listener) }()
	at := "http://" + listener.Addr().String()
	for !strings.Contains(get(s, "/api/runs").Body.String(), `"a"`) {
		time.Sleep(10 * time.Millisecond) // until the runs were read
	}
	var streams []*bufio.Scanner
	for range 2 {
		response, err := http.Get(at + "/api/events")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
			t.Fatalf("%s", kind)
		}
		streams = append(streams, bufio.NewScanner(response.Body))
		streams[len(streams)-1].Buffer(nil, 1<<20)
	}
	add(t, f, `{"event":"step","step":6,"epoch":1,"loss":0.5}`)
	for _, stream := range streams {
		for wanted := `"step":6,`; ; {
			if name, data := nextEvent(t, stream); name == "run" && strings.Contains(data, wanted) {
				break
			}
		}
	}
	if err := os.RemoveAll(f.Dir); err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		if name, data := nextEvent(t, stream); name != "gone" || data != `{"name":"a"}` {
			t.Errorf("%s %s", name, data)
		}
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server does not end")
	}
}

// nextEvent is the next event of a stream.
func nextEvent(t *testing.T, stream *bufio.Scanner) (name, data string) {
	t.Helper()
	for stream.Scan() {
		if text, ok := strings.CutPrefix(stream.Text(), "event: "); ok {
			name = text
		}
		if text, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
			return name, text
		}
	}
	t.Fatalf("the stream ended: %v", stream.Err())
	return "", ""
}

// Nobody polls while nobody listens, and one does for all who do.
func TestOnePoller(t *testing.T) {
	s, _ := newServer(t, "")
	polls := func() bool {
		s.live.mu.Lock()
		defer s.live.mu.Unlock()
		return s.live.stop != nil
	}
	a, b := s.live.join(), s.live.join()
	if !polls() {
		t.Error("nobody polls")
	}
	s.live.leave(a)
	if !polls() {
		t.Error("nobody polls for the other")
	}
	s.live.leave(b)
	if polls() {
		t.Error("somebody polls for nobody")
	}
	for range maxListeners {
		s.live.join()
	}
	if s.live.join() != nil {
		t.Error("too many may listen")
	}
	if w := get(s, "/api/events"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", w.Code)
	}
	for who := range s.live.listeners {
		s.live.leave(who)
	}
}
