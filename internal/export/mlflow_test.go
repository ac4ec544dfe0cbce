package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// tracker is a server that keeps what MLflow's REST API 2.0 documents, and
// refuses what breaks its limits.
type tracker struct {
	t           *testing.T
	mu          sync.Mutex
	experiments map[string]string
	runs        map[string]*trackedRun
	failures    int    // how many requests to answer with 503 first
	token       string // wanted, where not empty
	artifacts   string // begins each run's artifact_uri
	stage       string // of the experiments
	broken      string // an endpoint that refuses, from the request on that is told to
	from        int
	asked       map[string]int // how often each endpoint was
}

type trackedRun struct {
	status    string
	params    map[string]string
	tags      map[string]string
	metrics   map[string][]mlflowMetric
	artifacts map[string]int
}

func newTracker(t *testing.T) (*tracker, *httptest.Server) {
	s := &tracker{t: t, experiments: map[string]string{}, runs: map[string]*trackedRun{}, artifacts: "mlflow-artifacts:/7/", stage: "active", asked: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server
}

var metricName = regexp.MustCompile(`^[\w\-. /]{1,250}$`)

func (s *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 {
		s.failures--
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusInternalServerError}[s.failures%2])
		return
	}
	if s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token {
		s.refuse(w, http.StatusForbidden, "PERMISSION_DENIED")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	if path, ok := strings.CutPrefix(r.URL.Path, "/api/2.0/mlflow-artifacts/artifacts/"); ok {
		part := strings.SplitN(path, "/", 3) // experiment, run, file
		s.runs[part[1]].artifacts[part[2]] = len(body)
		fmt.Fprint(w, "{}")
		return
	}
	s.answer(w, r, strings.TrimPrefix(r.URL.Path, "/api/2.0/mlflow/"), body)
}

func (s *tracker) refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error_code": %q, "message": "no"}`, code)
}

func (s *tracker) answer(w http.ResponseWriter, r *http.Request, endpoint string, body []byte) {
	if s.asked[endpoint]++; endpoint == s.broken && s.asked[endpoint] >= s.from {
		s.refuse(w, http.StatusBadRequest, "INVALID_STATE")
		return
	}
	var q struct {
		Name         string         `json:"name"`
		ExperimentID string         `json:"experiment_id"`
		Filter       string         `json:"filter"`
		RunID        string         `json:"run_id"`
		RunName      string         `json:"run_name"`
		StartTime    int64          `json:"start_time"`
		Status       string         `json:"status"`
		Metrics      []mlflowMetric `json:"metrics"`
		Params       []mlflowPair   `json:"params"`
		Tags         []mlflowPair   `json:"tags"`
	}
	if r.Method == http.MethodPost && json.Unmarshal(body, &q) != nil {
		s.refuse(w, http.StatusBadRequest, "INVALID_PARAMETER_VALUE")
		return
	}
	switch endpoint {
	case "experiments/get-by-name":
		id, ok := s.experiments[r.URL.Query().Get("experiment_name")]
		if !ok {
			s.refuse(w, http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST")
			return
		}
		fmt.Fprintf(w, `{"experiment": {"experiment_id": %q, "lifecycle_stage": %q}}`, id, s.stage)
	case "experiments/create":
		s.experiments[q.Name] = "7"
		fmt.Fprint(w, `{"experiment_id": "7"}`)
	case "runs/search":
		for id, run := range s.runs {
			if s.matches(run, q.Filter) {
				s.show(w, id, `{"runs": [%s]}`)
				return
			}
		}
		fmt.Fprint(w, "{}")
	case "runs/create":
		if q.StartTime < 0 {
			s.t.Errorf("started at %d", q.StartTime)
		}
		id := fmt.Sprint("run", len(s.runs))
		s.runs[id] = &trackedRun{status: "RUNNING", params: map[string]string{}, tags: map[string]string{}, metrics: map[string][]mlflowMetric{}, artifacts: map[string]int{}}
		s.log(id, q.Metrics, q.Params, q.Tags)
		s.show(w, id, `{"run": %s}`)
	case "runs/log-batch":
		if len(q.Metrics) > 1000 || len(q.Params) > 100 || len(q.Tags) > 100 || len(q.Metrics)+len(q.Params)+len(q.Tags) > 1000 {
			s.refuse(w, http.StatusBadRequest, "INVALID_PARAMETER_VALUE")
			return
		}
		s.log(q.RunID, q.Metrics, q.Params, q.Tags)
		fmt.Fprint(w, "{}")
	case "runs/update":
		s.runs[q.RunID].status = q.Status
		fmt.Fprint(w, "{}")
	default:
		s.refuse(w, http.StatusNotFound, "ENDPOINT_NOT_FOUND")
	}
}

// term is a comparison of a filter.
var term = regexp.MustCompile("^tags\\.`([^`]+)` = ('[^']*'|\"[^\"]*\")$")

// matches tells whether a run meets a filter.
func (s *tracker) matches(run *trackedRun, filter string) bool {
	for one := range strings.SplitSeq(filter, " and ") {
		m := term.FindStringSubmatch(one)
		if m == nil {
			s.t.Errorf("filter %s", filter)
			return false
		}
		if value, ok := run.tags[m[1]]; !ok || value != m[2][1:len(m[2])-1] {
			return false
		}
	}
	return true
}

// pairs are a table as the server shows it.
func pairs(table map[string]string) (all []mlflowPair) {
	for k, v := range table {
		all = append(all, mlflowPair{k, v})
	}
	return all
}

// show answers with a run.
func (s *tracker) show(w io.Writer, id, format string) {
	b, err := json.Marshal(map[string]any{
		"info": map[string]string{"run_id": id, "artifact_uri": s.artifacts + id + "/artifacts"},
		"data": map[string]any{"tags": pairs(s.runs[id].tags), "params": pairs(s.runs[id].params)},
	})
	if err != nil {
		s.t.Error(err)
	}
	fmt.Fprintf(w, format, b)
}

func (s *tracker) log(id string, metrics []mlflowMetric, params, tags []mlflowPair) {
	run := s.runs[id]
	for _, m := range metrics {
		if !metricName.MatchString(m.Key) || m.Timestamp < 0 {
			s.t.Errorf("metric %+v", m)
		}
		run.metrics[m.Key] = append(run.metrics[m.Key], m)
	}
	for _, p := range params {
		if old, ok := run.params[p.Key]; ok && old != p.Value {
			s.t.Errorf("parameter %s is changed", p.Key)
		}
		if !metricName.MatchString(p.Key) || len(p.Value) > 6000 {
			s.t.Errorf("parameter %s of %d bytes", p.Key, len(p.Value))
		}
		run.params[p.Key] = p.Value
	}
	for _, t := range tags {
		if !metricName.MatchString(t.Key) || len(t.Value) > 5000 {
			s.t.Errorf("tag %s of %d bytes", t.Key, len(t.Value))
		}
		run.tags[t.Key] = t.Value
	}
}

// quick is m with a client that waits for nothing long.
func quick(t *testing.T, m *MLflow) *MLflow {
	t.Helper()
	client, err := newMLflowClient(m)
	if err != nil {
		t.Fatal(err)
	}
	client.http.HTTPClient.Timeout, client.http.RetryWaitMin, client.http.RetryWaitMax = 500*time.Millisecond, time.Millisecond, 5*time.Millisecond
	m.client = client
	return m
}

func TestMLflowHasTheRun(t *testing.T) {
	s, server := newTracker(t)
	s.failures, s.token = 2, "secret"
	r := exported(t)
	for i := 3; i <= 1203; i++ { // more than a batch takes
		r.Steps = append(r.Steps, r.Steps[1])
		r.Steps[i-1].Step = i
	}
	m := quick(t, &MLflow{URI: server.URL, Token: "secret", Experiment: "clothes"})
	page, missing, err := m.Export(t.Context(), r)
	if err != nil || page != server.URL+"/#/experiments/7/runs/run0" || len(missing) != 1 {
		t.Fatalf("%s, %v, %v", page, missing, err)
	}
	got := s.runs["run0"]
	if got.status != "FINISHED" || got.params["schedule.kind"] != "cosine" || got.tags[tagRun] != "clothes" {
		t.Errorf("run %+v", got)
	}
	if loss := got.metrics["train/loss"]; len(loss) != 1203 || loss[1].Value != r.Steps[1].Loss || loss[1].Step != 2 || loss[0].Timestamp != 1795680001500 {
		t.Errorf("%d losses, %+v", len(loss), loss[:2])
	}
	if fid := got.metrics["score/fid"]; len(fid) != 1 || fid[0].Value != 3.5 {
		t.Errorf("FID %+v", fid)
	}
	if got.artifacts["artifacts/samples/epoch-0001.png"] == 0 {
		t.Errorf("artifacts %v", got.artifacts)
	}
}

// What was sent is not sent again; what came since is.
func TestMLflowIsBroughtUpToDate(t *testing.T) {
	s, server := newTracker(t)
	r := exported(t)
	for range 2 {
		if _, _, err := (&MLflow{URI: server.URL, Experiment: "x"}).Export(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	more := r.Steps[1]
	more.Step, more.Loss = 3, .25
	r.Steps = append(r.Steps, more)
	if _, _, err := (&MLflow{URI: server.URL, Experiment: "x"}).Export(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if len(s.runs) != 1 {
		t.Fatalf("%d runs", len(s.runs))
	}
	var steps []int64
	for _, m := range s.runs["run0"].metrics["train/loss"] {
		steps = append(steps, m.Step)
	}
	if len(steps) != 3 || steps[2] != 3 || len(s.runs["run0"].metrics["score/fid"]) != 1 {
		t.Errorf("losses of steps %v", steps)
	}
}

func TestMLflowThatRefuses(t *testing.T) {
	s, locked := newTracker(t)
	s.token = "other"
	says := func(status int, kind, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Location", "https://elsewhere.org/login")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	hangs, tries := make(chan struct{}), 0
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tries++; <-hangs }))
	defer silent.Close()
	defer close(hangs)
	for _, c := range []struct {
		uri, says, hint string
		code            int
	}{
		{locked.URL, "it answered 403 PERMISSION_DENIED", "set MLFLOW_TRACKING_TOKEN", 1},
		{says(200, "text/html", "<html>hello</html>"), "does not answer as an MLflow server does", "--uri", 1},
		{says(200, "application/json", `{"hello": 1}`), "does not answer as an MLflow server does: it names no experiment", "--uri", 1},
		{says(404, "text/html", "<html>my-token</html>"), "it answered 404 Not Found", "", 1},
		{says(400, "application/json", `{"error_code": "BAD", "message": "\u001b[31mmy-token,\nmy-password"}`), "400 BAD: [31m…, …", "", 1},
		{says(302, "text/html", ""), "it answered 302 Found", "elsewhere.org", 1},
		{says(500, "text/html", "<html>"), "it answered 500 Internal Server Error", "", 1},
		{silent.URL, "no answer within 500ms", "is the server running?", 1},
		{"http://127.0.0.1:1", "refused", "is the server running?", 1},
	} {
		address := strings.Replace(c.uri, "http://", "http://me:my-password@", 1)
		_, _, err := quick(t, &MLflow{URI: address, Token: "my-token", Password: "my-password", Experiment: "x"}).Export(t.Context(), exported(t))
		text := fmt.Sprint(err, fault.Hint(err))
		if fault.Code(err) != c.code || !strings.Contains(text, c.says) || !strings.Contains(fault.Hint(err), c.hint) {
			t.Errorf("%s: code %d, hint %q: %v", c.uri, fault.Code(err), fault.Hint(err), err)
		}
		if host := strings.TrimPrefix(c.uri, "http://"); !strings.Contains(text, host) || strings.Contains(text, "my-") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if tries != 1 {
		t.Errorf("the server that hangs was tried %d times", tries)
	}
}

func TestMLflowWantsAnAddress(t *testing.T) {
	for _, uri := range []string{"", "file:///tmp/mlruns", "databricks", "http://", "http://me:my-password@h:x"} {
		_, _, err := (&MLflow{URI: uri, Experiment: "x"}).Export(t.Context(), exported(t))
		if fault.Code(err) != 2 || !strings.Contains(err.Error(), "--uri: must be") || strings.Contains(err.Error(), "my-password") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestMLflowLogsIn(t *testing.T) {
	for _, c := range []struct {
		user string // in the address
		m    MLflow
		want string // of user and password, or the token
	}{
		{"", MLflow{User: "u", Password: "p"}, "u:p"},
		{"a:b@", MLflow{}, "a:b"},
		{"a:b@", MLflow{User: "u", Password: "p"}, "u:p"},
		{"a:b@", MLflow{User: "u", Password: "p", Token: "t"}, "Bearer t"},
		{"", MLflow{}, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got := r.Header.Get("Authorization")
			if user, password, ok := r.BasicAuth(); ok {
				got = user + ":" + password
			}
			if got != c.want {
				t.Errorf("logged in as %q, want %q", got, c.want)
			}
		}))
		c.m.URI, c.m.Experiment = strings.Replace(server.URL, "http://", "http://"+c.user, 1), "x"
		if _, _, err := c.m.Export(t.Context(), exported(t)); err == nil {
			t.Error("an empty answer is an experiment")
		}
		server.Close()
	}
}

// Where an export breaks off, the next one goes on: nothing is lost, nothing sent
// twice, whichever request it was.
func TestMLflowGoesOnWhereItBrokeOff(t *testing.T) {
	r := exported(t)
	for i := range 150 {
		r.Config[fmt.Sprintf("key.%03d", i)] = "x"
	}
	for i := 3; i <= 903; i++ { // some five batches
		more := r.Steps[1]
		more.Step = i
		r.Steps = append(r.Steps, more)
	}
	for _, c := range []struct {
		broken string
		from   int
	}{
		{"runs/log-batch", 1}, {"runs/log-batch", 2}, {"runs/log-batch", 3}, {"runs/log-batch", 5}, {"runs/create", 1}, {"runs/update", 1},
	} {
		s, server := newTracker(t)
		s.broken, s.from = c.broken, c.from
		m := quick(t, &MLflow{URI: server.URL, Experiment: "x"})
		if _, _, err := m.Export(t.Context(), r); err == nil || !strings.Contains(err.Error(), "INVALID_STATE") {
			t.Errorf("%v: %v", c, err)
		}
		s.broken = ""
		if _, _, err := m.Export(t.Context(), r); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		got := s.runs["run0"]
		losses := got.metrics["train/loss"]
		if len(s.runs) != 1 || len(got.params) != len(r.Config) || len(losses) != 903 || got.status != "FINISHED" {
			t.Errorf("%v: %d runs, %d parameters, %d losses, %s", c, len(s.runs), len(got.params), len(losses), got.status)
		}
		for i, l := range losses {
			if l.Step != int64(i+1) {
				t.Fatalf("%v: loss %d is of step %d", c, i, l.Step)
			}
		}
	}
}

// What MLflow's limits forbid is brought within them: the server's checks tell.
func TestMLflowKeepsTheLimits(t *testing.T) {
	s, server := newTracker(t)
	r := exported(t)
	r.Name, r.Starts[0].Time, r.Starts[0].Machine.Host = "it's", "damaged", ""
	r.Steps = []run.StepLine{{Step: 1, Loss: math.NaN(), LR: math.Inf(1), GradNorm: math.MaxFloat64}}
	r.Scores[0].Time, r.Epochs[0].Time = "", ""
	r.Config["odd:key"], r.Note = strings.Repeat("é", 5000), strings.Repeat("x", 6000)
	for range 2 {
		if _, _, err := quick(t, &MLflow{URI: server.URL, Experiment: "x"}).Export(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got := s.runs["run0"]
	if len(s.runs) != 1 || len(got.params["odd_key"]) != 6000 || len(got.metrics["train/loss"])+len(got.metrics["train/lr"]) != 0 {
		t.Errorf("%d runs, %+v", len(s.runs), got)
	}
	if norm := got.metrics["train/grad_norm"]; len(norm) != 1 || norm[0].Value != math.MaxFloat64 {
		t.Errorf("gradient %+v", norm)
	}
}

func TestMLflowTellsRunsApart(t *testing.T) {
	s, server := newTracker(t)
	again, other := exported(t), exported(t)
	again.Starts[0].Time = "2026-11-26T09:00:00Z"
	other.Starts[0].Machine.Host = "other"
	for _, r := range []Run{exported(t), again, other, exported(t)} {
		if _, _, err := quick(t, &MLflow{URI: server.URL, Experiment: "x"}).Export(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) != 3 {
		t.Errorf("%d runs", len(s.runs))
	}
}

func TestMLflowWithoutArtifacts(t *testing.T) {
	s, server := newTracker(t)
	s.artifacts = "s3://bucket/"
	m := quick(t, &MLflow{URI: server.URL, Experiment: "x"})
	_, missing, err := m.Export(t.Context(), exported(t))
	if err != nil || len(missing) != 0 || m.Unsent != 2 || len(s.runs["run0"].artifacts) != 0 {
		t.Errorf("%v, missing %v, %d unsent", err, missing, m.Unsent)
	}
}

func TestMLflowDeletedAndInterrupted(t *testing.T) {
	s, server := newTracker(t)
	s.experiments["x"], s.stage = "7", "deleted"
	m := quick(t, &MLflow{URI: server.URL, Experiment: "x"})
	if _, _, err := m.Export(t.Context(), exported(t)); fault.Code(err) != 2 || !strings.Contains(err.Error(), "is deleted") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := m.Export(ctx, exported(t)); fault.Code(err) != 130 || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A grid's path that leads out of the run's folder is not followed.
func TestMLflowSendsNothingElse(t *testing.T) {
	s, server := newTracker(t)
	r := exported(t)
	if err := os.WriteFile(filepath.Join(filepath.Dir(r.Dir), "secret.png"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	r.Grids[1].Path = "../secret.png"
	_, missing, err := (&MLflow{URI: server.URL, Experiment: "x"}).Export(t.Context(), r)
	if err != nil || len(missing) != 1 || len(s.runs["run0"].artifacts) != 1 {
		t.Errorf("missing %v, artifacts %v, %v", missing, s.runs["run0"].artifacts, err)
	}
}
