package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"diffuse/internal/run"
)

// MLflow is a tracking server, reached by its REST API 2.0
// (mlflow.org/docs/latest/rest-api.html).
type MLflow struct {
	URI            string // http://host:5000
	Token          string // or
	User, Password string
	Experiment     string // made where there is none

	client *mlflowClient
}

// The most that one runs/log-batch takes.
const (
	maxMetrics = 1000
	maxParams  = 100
)

// The tags that find a run again, and tell what of it was sent.
const (
	tagRun   = "diffuse.run"
	tagBegan = "diffuse.began"
	tagSent  = "diffuse.sent"
)

// Export sends a run and returns the address of its page. What an earlier export
// sent is not sent again: that is how many values of each tag, kept as a tag of
// the run there. grids are those that could not be read.
func (m *MLflow) Export(ctx context.Context, r Run) (page string, grids []string, err error) {
	if m.client == nil {
		if m.client, err = newMLflowClient(m); err != nil {
			return "", nil, err
		}
	}
	experiment, err := m.experiment(ctx)
	if err != nil {
		return "", nil, err
	}
	there, err := m.find(ctx, experiment, r)
	if err == nil && there == nil {
		there, err = m.create(ctx, experiment, r)
	}
	if err != nil {
		return "", nil, err
	}
	sent, err := there.sent()
	if err == nil {
		err = m.metrics(ctx, there.Info.ID, r, sent)
	}
	if err == nil {
		grids, err = m.grids(ctx, there, r, sent)
	}
	if err == nil {
		err = m.finish(ctx, there.Info.ID, r, sent)
	}
	return m.client.base.String() + "/#/experiments/" + experiment + "/runs/" + there.Info.ID, grids, err
}

// mlflowRun is a run as the server has it.
type mlflowRun struct {
	Info struct {
		ID       string `json:"run_id"`
		Artifact string `json:"artifact_uri"`
	} `json:"info"`
	Data struct {
		Tags []mlflowPair `json:"tags"`
	} `json:"data"`
}

// mlflowPair is a tag or a parameter.
type mlflowPair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// mlflowMetric is a value of a curve; times are in ms.
type mlflowMetric struct {
	Key       string  `json:"key"`
	Value     float64 `json:"value"`
	Timestamp int64   `json:"timestamp"`
	Step      int64   `json:"step"`
}

// sent is how many values of each tag the server has.
func (r *mlflowRun) sent() (map[string]int, error) {
	sent := map[string]int{}
	for _, t := range r.Data.Tags {
		if t.Key == tagSent {
			if err := json.Unmarshal([]byte(t.Value), &sent); err != nil {
				return nil, fmt.Errorf("MLflow's run %s has a damaged tag %s: %w", r.Info.ID, tagSent, err)
			}
		}
	}
	return sent, nil
}

// experiment is the experiment's id.
func (m *MLflow) experiment(ctx context.Context) (string, error) {
	var found struct {
		Experiment struct {
			ID string `json:"experiment_id"`
		} `json:"experiment"`
	}
	err := m.client.get(ctx, "experiments/get-by-name", url.Values{"experiment_name": {m.Experiment}}, &found)
	if refused, ok := errors.AsType[*mlflowError](err); ok && refused.Code == "RESOURCE_DOES_NOT_EXIST" {
		var made struct {
			ID string `json:"experiment_id"`
		}
		err = m.client.post(ctx, "experiments/create", map[string]string{"name": m.Experiment}, &made)
		return made.ID, err
	}
	return found.Experiment.ID, err
}

// find is the run that an earlier export made; nil where there is none.
func (m *MLflow) find(ctx context.Context, experiment string, r Run) (*mlflowRun, error) {
	var found struct {
		Runs []*mlflowRun `json:"runs"`
	}
	err := m.client.post(ctx, "runs/search", map[string]any{
		"experiment_ids": []string{experiment}, "max_results": 1,
		"filter": fmt.Sprintf("tags.`%s` = '%s' and tags.`%s` = '%s'", tagRun, r.Name, tagBegan, r.began()),
	}, &found)
	if err != nil || len(found.Runs) == 0 {
		return nil, err
	}
	return found.Runs[0], nil
}

// began is what tells runs of one name apart.
func (r Run) began() string { return r.Began().UTC().Format(time.RFC3339) }

// create makes the run with its parameters, which MLflow lets nobody change.
func (m *MLflow) create(ctx context.Context, experiment string, r Run) (*mlflowRun, error) {
	var made struct {
		Run *mlflowRun `json:"run"`
	}
	err := m.client.post(ctx, "runs/create", map[string]any{
		"experiment_id": experiment, "run_name": r.Name, "start_time": r.Began().UnixMilli(),
		"tags": []mlflowPair{{tagRun, r.Name}, {tagBegan, r.began()}},
	}, &made)
	if err != nil {
		return nil, err
	}
	if made.Run == nil || made.Run.Info.ID == "" {
		return nil, fmt.Errorf("%s made no run: is it an MLflow server?", m.client.base.Host)
	}
	var params []mlflowPair
	for _, row := range configRows([]Run{r})[1:] {
		params = append(params, mlflowPair{row[1], row[2]})
	}
	for some := range slices.Chunk(params, maxParams) {
		if err := m.client.post(ctx, "runs/log-batch", map[string]any{"run_id": made.Run.Info.ID, "params": some}, nil); err != nil {
			return nil, err
		}
	}
	return made.Run, nil
}

// metrics sends the values of each tag that were not sent before, and counts them
// as sent once the server has them. JSON has no number for what is not finite.
func (m *MLflow) metrics(ctx context.Context, id string, r Run, sent map[string]int) error {
	seen := map[string]int{}
	var metrics []mlflowMetric
	for _, s := range r.Scalars() {
		seen[s.Tag]++
		if seen[s.Tag] > sent[s.Tag] && !math.IsNaN(s.Value) && !math.IsInf(s.Value, 0) {
			metrics = append(metrics, mlflowMetric{s.Tag, s.Value, s.Time.UnixMilli(), int64(s.Step)})
		}
	}
	for some := range slices.Chunk(metrics, maxMetrics) {
		if err := m.client.post(ctx, "runs/log-batch", map[string]any{"run_id": id, "metrics": some}, nil); err != nil {
			return err
		}
	}
	for tag, n := range seen {
		sent[tag] = max(sent[tag], n)
	}
	return nil
}

// grids uploads the sample grids that were not before, where the server stores
// artifacts itself. It returns those that cannot be read.
func (m *MLflow) grids(ctx context.Context, there *mlflowRun, r Run, sent map[string]int) (missing []string, err error) {
	const tag = "samples"
	to, ok := strings.CutPrefix(there.Info.Artifact, "mlflow-artifacts:")
	if !ok {
		return nil, nil
	}
	if u, err := url.Parse(to); err == nil { // //host/path or /path
		to = u.Path
	}
	for _, g := range r.Grids[min(sent[tag], len(r.Grids)):] {
		png, err := r.ReadPicture(g.Path)
		if err != nil {
			missing = append(missing, g.Path)
			continue
		}
		if err := m.client.upload(ctx, path.Join("/", to, tag, path.Base(g.Path)), png); err != nil {
			return missing, err
		}
	}
	sent[tag] = max(sent[tag], len(r.Grids))
	return missing, nil
}

// finish writes what was sent, the run's tags and note, and how it stands.
func (m *MLflow) finish(ctx context.Context, id string, r Run, sent map[string]int) error {
	count, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	tags := []mlflowPair{{tagSent, string(count)}, {"mlflow.note.content", r.Note}, {"diffuse.tags", strings.Join(r.Tags, ", ")}}
	if err := m.client.post(ctx, "runs/log-batch", map[string]any{"run_id": id, "tags": tags}, nil); err != nil {
		return err
	}
	update := map[string]any{"run_id": id, "status": mlflowStatus(r.Status)}
	if r.End != nil {
		if ended, err := time.Parse(time.RFC3339, r.End.Time); err == nil {
			update["end_time"] = ended.UnixMilli()
		}
	}
	return m.client.post(ctx, "runs/update", update, nil)
}

// mlflowStatus is a run's status as MLflow knows it.
func mlflowStatus(s run.Status) string {
	switch s {
	case run.Running:
		return "RUNNING"
	case run.Finished, run.Reached, run.Missed, run.Unknown:
		return "FINISHED"
	case run.Interrupted, run.Crashed:
		return "KILLED"
	}
	return "FAILED"
}

// loggedIn says how to log in where the server wants one to.
func loggedIn(status int) string {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
	}
	return ""
}
