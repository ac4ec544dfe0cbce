package export

import (
	"encoding/json"
	"fmt"
	"io"
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
}

type trackedRun struct {
	status    string
	params    map[string]string
	tags      map[string]string
	metrics   map[string][]mlflowMetric
	artifacts map[string]int
}

func newTracker(t *testing.T) (*tracker, *httptest.Server) {
	s := &tracker{t: t, experiments: map[string]string{}, runs: map[string]*trackedRun{}}
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
		w.WriteHeader(http.StatusServiceUnavailable)
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
		fmt.Fprintf(w, `{"experiment": {"experiment_id": %q}}`, id)
	case "experiments/create":
		s.experiments[q.Name] = "7"
		fmt.Fprint(w, `{"experiment_id": "7"}`)
	case "runs/search":
		for id, run := range s.runs {
			if want := fmt.Sprintf("tags.`diffuse.run` = '%s' and tags.`diffuse.began` = '%s'", run.tags[tagRun], run.tags[tagBegan]); q.Filter == want {
				s.show(w, id, `{"runs": [%s]}`)
				return
			}
		}
		fmt.Fprint(w, "{}")
	case "runs/create":
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

// show answers with a run.
func (s *tracker) show(w io.Writer, id, format string) {
	var tags []mlflowPair
	for k, v := range s.runs[id].tags {
		tags = append(tags, mlflowPair{k, v})
	}
	b, err := json.Marshal(map[string]any{
		"info": map[string]string{"run_id": id, "artifact_uri": "mlflow-artifacts:/7/" + id + "/artifacts"},
		"data": map[string]any{"tags": tags},
	})
	if err != nil {
		s.t.Error(err)
	}
	fmt.Fprintf(w, format, b)
}

func (s *tracker) log(id string, metrics []mlflowMetric, params, tags []mlflowPair) {
	run := s.runs[id]
	for _, m := range metrics {
		if !metricName.MatchString(m.Key) || m.Timestamp < 1e12 {
			s.t.Errorf("metric %+v", m)
		}
		run.metrics[m.Key] = append(run.metrics[m.Key], m)
	}
	for _, p := range params {
		if old, ok := run.params[p.Key]; ok && old != p.Value {
			s.t.Errorf("parameter %s is changed", p.Key)
		}
		run.params[p.Key] = p.Value
	}
	for _, t := range tags {
		if len(t.Value) > 5000 {
			s.t.Errorf("tag %s is too long", t.Key)
		}
		run.tags[t.Key] = t.Value
	}
}

func TestMLflowHasTheRun(t *testing.T) {
	s, server := newTracker(t)
	s.failures, s.token = 2, "secret"
	r := exported(t)
	for i := 3; i <= 1203; i++ { // more than a batch takes
		r.Steps = append(r.Steps, r.Steps[1])
		r.Steps[i-1].Step = i
	}
	m := &MLflow{URI: server.URL, Token: "secret", Experiment: "clothes"}
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
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") }))
	defer page.Close()
	hangs := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	defer silent.Close()
	defer close(hangs)
	for _, c := range []struct {
		uri, says, hint string
		code            int
	}{
		{locked.URL, "it answered 403 PERMISSION_DENIED", "set MLFLOW_TRACKING_TOKEN", 1},
		{page.URL, "does not answer as an MLflow server does", "", 1},
		{silent.URL, "Client.Timeout", "is the server running?", 1},
		{"http://127.0.0.1:1", "refused", "is the server running?", 1},
		{"", "--uri: must be", "--uri http://localhost:5000", 2},
		{"file:///tmp/mlruns", "--uri: must be", "", 2},
	} {
		m := &MLflow{URI: c.uri, Token: "my-token", Experiment: "x"}
		if client, err := newMLflowClient(m); err == nil {
			client.http.HTTPClient.Timeout, client.http.RetryMax, client.http.RetryWaitMin = 200*time.Millisecond, 1, time.Millisecond
			m.client = client
		}
		_, _, err := m.Export(t.Context(), exported(t))
		if fault.Code(err) != c.code || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.Hint(err), c.hint) {
			t.Errorf("%s: code %d, hint %q: %v", c.uri, fault.Code(err), fault.Hint(err), err)
		}
		if strings.Contains(err.Error()+fault.Hint(err), "my-token") {
			t.Errorf("the token is told: %v", err)
		}
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
