package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"diffuse/internal/condition"
	"diffuse/internal/fault"
	"diffuse/internal/notify"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// secret is a path that stands nowhere in this file, whose changes may be kept in
// a run's folder.
var secret = strings.Repeat("s3", 8)

// trainTold trains the tiny net with a webhook in the environment and returns
// what was printed, what the run's log holds, and whether the address's secret
// stands there or anywhere else.
func trainTold(t *testing.T, ctx context.Context, address string, args ...string) (printed, log string, err error) {
	t.Helper()
	runs := t.TempDir()
	stdio, _, out, errOut := Test()
	stdio.Env = []string{"DIFFUSE_NOTIFY_WEBHOOK=" + address}
	root := Root(stdio)
	root.SetArgs(append(append([]string{"train", "--runs", runs, "--name", "told", "-v"}, tinyNet...), args...))
	err = root.ExecuteContext(ctx)
	printed = out.String() + errOut.String() + fault.Hint(err)
	if err != nil {
		printed += err.Error()
	}
	everything := printed
	walked := filepath.WalkDir(runs, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			everything += string(readAll(t, path))
		}
		return err
	})
	if walked != nil || strings.Contains(everything, secret) {
		t.Errorf("the webhook is shown or kept; %v", walked)
	}
	return printed, string(readAll(t, filepath.Join(runs, "told", "log.jsonl"))), err
}

func TestWebhookIsPostedAndNowhereShown(t *testing.T) {
	var mutex sync.Mutex
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m struct{ Run, Rule, Status string }
		if err := json.Unmarshal(body, &m); err != nil || r.URL.Path != "/services/"+secret {
			t.Errorf("%s %s: %v", r.URL, body, err)
		}
		mutex.Lock()
		defer mutex.Unlock()
		got = append(got, m.Run+" "+m.Rule+" "+m.Status)
	}))
	defer s.Close()
	printed, log, err := trainTold(t, t.Context(), s.URL+"/services/"+secret, "--set", "notify.when=[\"valid_loss < 1000\", finished]")
	if err != nil {
		t.Fatal(err)
	}
	if want := "told valid_loss < 1000 running, told finished finished"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if strings.Contains(printed, "not delivered") || strings.Count(log, `{"event":"alert"`) != 2 {
		t.Errorf("%s\n%s", printed, log)
	}
}

// A webhook that hangs holds up Ctrl-C for a bounded time, and the record says
// what did not arrive.
func TestInterruptWithAWebhookThatHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the ten seconds that the end of a run waits")
	}
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(stop)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	printed, log, err := trainTold(t, ctx, s.URL+"/services/"+secret, "--set", "notify.when=interrupted", "--until", "valid_loss < 0.01")
	if fault.Code(err) != 130 || !strings.Contains(fault.Hint(err), " --until 'valid_loss < 0.01'") {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
	if took := time.Since(began); took < 9*time.Second || took > 25*time.Second {
		t.Errorf("it took %v, want the 10 s that are waited and the training's start", took)
	}
	for _, want := range []string{
		`"event":"end"`, `"reason":"interrupted"`, `"rule":"interrupted"}`, `"error":"webhook ` + s.URL + `: given up, for the run ended"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in the log", want)
		}
	}
	if !strings.Contains(printed, "alert not delivered") {
		t.Errorf("not said: %s", printed)
	}
}

func TestEndOf(t *testing.T) {
	none := notify.New(notify.Setup{})
	until := notify.New(notify.Setup{Until: &condition.Condition{Metric: "loss", Op: "<", Number: 1}})
	for _, c := range []struct {
		err  error
		n    *notify.Notifier
		want run.Status
	}{
		{nil, none, run.Finished}, {nil, until, run.Missed},
		{fault.New(fault.Interrupted, "", "x"), until, run.Interrupted},
		{fault.New(fault.Diverged, "", "x"), none, run.Diverged},
		{errors.New("x"), until, run.Failed},
	} {
		if got := endOf(c.err, c.n); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

// A panic tells those who want to hear of a crash before it ends the process.
func TestPanicIsTold(t *testing.T) {
	dir := t.TempDir()
	command := "echo \"$DIFFUSE_MESSAGE\" > " + shellWord(filepath.Join(dir, "told"))
	g := &Global{env: os.Environ()}
	r, err := g.LoadConfig("quick.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r.Notify.Command, r.Notify.When = command, []string{"crashed"}
	a, err := newAlerts(&TrainOptions{Global: g}, r)
	if err != nil {
		t.Fatal(err)
	}
	tr := &training{alerts: a}
	n := tr.notifier(run.Folder{Dir: dir, Name: "told"})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = tr.attempt(t.Context(), new(train.Trainer), nil, n) // it has no net
	}()
	if got := string(readAll(t, filepath.Join(dir, "told"))); got != "told: failed before the first step: a panic\n" {
		t.Errorf("%q", got)
	}
}
