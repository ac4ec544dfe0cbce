package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// MLflow is a tracking server, reached by its REST API 2.0
// (mlflow.org/docs/latest/rest-api.html).
type MLflow struct {
	URI            string // http://host:5000
	Token          string // or
	User, Password string
	Experiment     string // made where there is none
	Unsent         int    // grids left out because the server stores no artifacts itself

	client *mlflowClient
}

// The most that one runs/log-batch takes, and how many bytes a value may have.
const (
	maxEntities = 1000 // metrics and tags
	maxParams   = 100
	maxParam    = 6000
	maxTag      = 5000
)

// The tags that find a run again, and tell what of it was sent.
const (
	tagRun   = "diffuse.run"
	tagBegan = "diffuse.began"
	tagHost  = "diffuse.host" // where it began, if that is known
	tagSent  = "diffuse.sent"
)

// Export sends a run and returns the address of its page. What an earlier export
// sent is not sent again: how many values of each tag that is, is a tag of the run
// there, written with each batch. grids are those that could not be read.
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
		err = m.params(ctx, there, r)
	}
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
		Params []mlflowPair `json:"params"`
		Tags   []mlflowPair `json:"tags"`
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
	type experiment struct {
		ID    string `json:"experiment_id"`
		Stage string `json:"lifecycle_stage"`
	}
	var found struct {
		Experiment experiment `json:"experiment"`
	}
	err := m.client.get(ctx, "experiments/get-by-name", url.Values{"experiment_name": {m.Experiment}}, &found)
	if refused, ok := errors.AsType[*mlflowError](err); ok && refused.Code == "RESOURCE_DOES_NOT_EXIST" {
		err = m.client.post(ctx, "experiments/create", map[string]string{"name": m.Experiment}, &found.Experiment)
	}
	switch {
	case err != nil:
		return "", err
	case found.Experiment.ID == "":
		return "", m.client.unlike(errors.New("it names no experiment"))
	case found.Experiment.Stage == "deleted":
		return "", fault.New(fault.Usage, "restore it there, or name another: --experiment NAME",
			"MLflow at %s: the experiment %s is deleted", m.client.base.Host, m.Experiment)
	}
	return found.Experiment.ID, nil
}

// find is the run that an earlier export made; nil where there is none.
func (m *MLflow) find(ctx context.Context, experiment string, r Run) (*mlflowRun, error) {
	var found struct {
		Runs []*mlflowRun `json:"runs"`
	}
	var terms []string
	for _, t := range r.identity() {
		terms = append(terms, "tags.`"+t.Key+"` = "+quoted(t.Value))
	}
	err := m.client.post(ctx, "runs/search", map[string]any{
		"experiment_ids": []string{experiment}, "max_results": 1, "filter": strings.Join(terms, " and "),
	}, &found)
	if err != nil || len(found.Runs) == 0 {
		return nil, err
	}
	if found.Runs[0] == nil || found.Runs[0].Info.ID == "" {
		return nil, m.client.unlike(errors.New("it found a run without an id"))
	}
	return found.Runs[0], nil
}

// quoted is a text in a filter, which knows no escapes.
func quoted(text string) string {
	if strings.Contains(text, "'") {
		return `"` + text + `"`
	}
	return "'" + text + "'"
}

// identity are the tags that tell a run from all others: runs of one name began
// at other times, or on other machines.
func (r Run) identity() []mlflowPair {
	tags := []mlflowPair{{tagRun, r.Name}, {tagBegan, r.Began().UTC().Format(time.RFC3339)}}
	if len(r.Starts) > 0 && r.Starts[0].Machine.Host != "" {
		tags = append(tags, mlflowPair{tagHost, r.Starts[0].Machine.Host})
	}
	return tags
}

// create makes the run.
func (m *MLflow) create(ctx context.Context, experiment string, r Run) (*mlflowRun, error) {
	var made struct {
		Run *mlflowRun `json:"run"`
	}
	err := m.client.post(ctx, "runs/create", map[string]any{
		"experiment_id": experiment, "run_name": r.Name, "start_time": unixMS(r.Began()), "tags": r.identity(),
	}, &made)
	if err == nil && (made.Run == nil || made.Run.Info.ID == "") {
		err = m.client.unlike(errors.New("it made no run"))
	}
	return made.Run, err
}

// unixMS is a time in ms; 0 where it is not known: MLflow takes no negative ones.
func unixMS(t time.Time) int64 { return max(t.UnixMilli(), 0) }

// unnamed is what MLflow allows in no name.
var unnamed = regexp.MustCompile(`[^\w\-. /]`)

// params sends the config's keys that the server does not have: it lets nobody
// change a value.
func (m *MLflow) params(ctx context.Context, there *mlflowRun, r Run) error {
	known := map[string]bool{}
	for _, p := range there.Data.Params {
		known[p.Key] = true
	}
	var params []mlflowPair
	for _, key := range slices.Sorted(maps.Keys(r.Config)) {
		if name := unnamed.ReplaceAllString(key, "_"); !known[name] {
			known[name] = true
			params = append(params, mlflowPair{name, cut(r.Config[key], maxParam)})
		}
	}
	for some := range slices.Chunk(params, maxParams) {
		if err := m.client.post(ctx, "runs/log-batch", map[string]any{"run_id": there.Info.ID, "params": some}, nil); err != nil {
			return err
		}
	}
	return nil
}

// cut is the beginning of a text, n bytes at most.
func cut(text string, n int) string { return strings.ToValidUTF8(text[:min(len(text), n)], "") }

// metrics sends the values of each tag that were not sent before; each batch says
// how many the server has with it, so that one that fails takes none of the
// earlier ones along. JSON has no number for what is not finite.
func (m *MLflow) metrics(ctx context.Context, id string, r Run, sent map[string]int) error {
	var batch []mlflowMetric
	seen := map[string]int{}
	for _, s := range r.Scalars() {
		if seen[s.Tag]++; seen[s.Tag] <= sent[s.Tag] {
			continue
		}
		sent[s.Tag] = seen[s.Tag]
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			continue
		}
		batch = append(batch, mlflowMetric{s.Tag, s.Value, unixMS(s.Time), int64(s.Step)})
		if len(batch) == maxEntities-1 { // and the tag
			if err := m.log(ctx, id, batch, sent); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return m.log(ctx, id, batch, sent)
}

// log sends a batch of metrics and more tags, and what was sent with them.
func (m *MLflow) log(ctx context.Context, id string, metrics []mlflowMetric, sent map[string]int, tags ...mlflowPair) error {
	count, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	batch := map[string]any{"run_id": id, "tags": append(tags, mlflowPair{tagSent, string(count)})}
	if len(metrics) > 0 {
		batch["metrics"] = metrics
	}
	return m.client.post(ctx, "runs/log-batch", batch, nil)
}

// grids uploads the sample grids that were not before, where the server stores
// artifacts itself. It returns those that cannot be read.
func (m *MLflow) grids(ctx context.Context, there *mlflowRun, r Run, sent map[string]int) (missing []string, err error) {
	const tag = "samples"
	to, ok := strings.CutPrefix(there.Info.Artifact, "mlflow-artifacts:")
	if !ok {
		m.Unsent += len(r.Grids)
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
	err := m.log(ctx, id, nil, sent, mlflowPair{"mlflow.note.content", cut(r.Note, maxTag)},
		mlflowPair{"diffuse.tags", cut(strings.Join(r.Tags, ", "), maxTag)}, mlflowPair{"diffuse.status", string(r.Status)})
	if err != nil {
		return err
	}
	update := map[string]any{"run_id": id, "status": mlflowStatus(r.Status)}
	if r.End != nil {
		if ended, err := time.Parse(time.RFC3339, r.End.Time); err == nil {
			update["end_time"] = unixMS(ended)
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
