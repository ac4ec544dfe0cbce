package notify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"diffuse/internal/condition"
	"diffuse/internal/config"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// ear keeps what it is told.
type ear struct {
	alerts      []run.Alert
	undelivered []run.Undelivered
}

func (e *ear) Observe(_ context.Context, event train.Event) error {
	switch event := event.(type) {
	case run.Alert:
		e.alerts = append(e.alerts, event)
	case run.Undelivered:
		e.undelivered = append(e.undelivered, event)
	}
	return nil
}

func (e *ear) messages() (all []string) {
	for _, a := range e.alerts {
		all = append(all, a.Message)
	}
	return all
}

// inbox is a target that keeps what it gets, after do.
type inbox struct {
	mutex sync.Mutex
	got   []Message
	do    func(ctx context.Context, m Message) error
}

func (i *inbox) Name() string { return "inbox" }

func (i *inbox) Deliver(ctx context.Context, m Message) error {
	if i.do != nil {
		if err := i.do(ctx, m); err != nil {
			return err
		}
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.got = append(i.got, m)
	return nil
}

func (i *inbox) rules() (all []string) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	for _, m := range i.got {
		all = append(all, m.Rule)
	}
	return all
}

func conditions(t *testing.T, texts ...string) (all []condition.Condition) {
	t.Helper()
	for _, text := range texts {
		c, err := condition.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// watched is a notifier of a run called clothes with 8 steps an epoch.
func watched(t *testing.T, until string, targets []Target, when ...string) (*Notifier, *ear) {
	t.Helper()
	e := new(ear)
	s := Setup{
		Folder: run.Folder{Dir: t.TempDir(), Name: "clothes"}, When: conditions(t, when...), Targets: targets, Told: []train.Observer{e},
	}
	if until != "" {
		s.Until = &conditions(t, until)[0]
	}
	n := New(s)
	return n, e
}

// observe passes events on and returns the last one's error.
func observe(t *testing.T, n *Notifier, events ...train.Event) (last error) {
	t.Helper()
	for i, e := range events {
		last = n.Observe(t.Context(), e)
		if last != nil && i < len(events)-1 {
			t.Fatalf("%+v: %v", e, last)
		}
	}
	return last
}

var began = train.Started{Total: 800, StepsPerEpoch: 8}

func step(n int, loss float64) train.Step {
	return train.Step{Step: n, Total: 800, Epoch: (n + 7) / 8, Images: 16, Loss: loss, LR: float64(n) / 1000, GradNorm: 1, Seconds: .5}
}

// steps are those up to n, each of the same loss.
func steps(n int, loss float64) (all []train.Event) {
	for i := 1; i <= n; i++ {
		all = append(all, step(i, loss))
	}
	return all
}

func scored(step int, fid, kid float64) run.Scored {
	return run.Scored{Epoch: step / 8, Step: step, Score: &eval.Score{FID: &fid, KID: &kid}}
}

func TestEachRuleFiresOnce(t *testing.T) {
	in := new(inbox)
	n, e := watched(t, "", []Target{in}, "fid < 4", "lr >= 0.003", "kid <= -0.001", "accuracy > 0.5", "valid_loss_ema < 0.03", "valid_loss < 0.02", "train_loss < 0.02", "nan", "finished", "crashed")
	confusion := train.Confusion{{3, 1}, {0, 4}}
	err := observe(t, n,
		began, step(2, 1), step(3, 1), step(4, 1),
		train.NonFinite{Step: 5, Epoch: 1, What: "loss", Layer: "conv_in"}, train.NonFinite{Step: 6, Epoch: 1, What: "loss", Layer: "conv_in"},
		train.Epoch{Epoch: 1, Step: 8, TrainLoss: .03, ValidLoss: .025, ValidEMA: .01}, // there is no average
		scored(8, 4, 0),
		train.Epoch{Epoch: 2, Step: 16, TrainLoss: .03, ValidLoss: .02, AverageOn: true, ValidEMA: .0299, Confusion: confusion},
		scored(16, 3.9, -.002), scored(24, 3.8, -.002),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ended(t.Context(), run.Finished, 24, nil); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"clothes: lr 0.003 >= 0.003 at step 3 (epoch 1)",
		"clothes: the loss is not finite, first in conv_in, at step 5 (epoch 1)",
		"clothes: valid_loss_ema 0.0299 < 0.03 at step 16 (epoch 2)",
		"clothes: accuracy 0.875 > 0.5 at step 16 (epoch 2)",
		"clothes: fid 3.9 < 4 at step 16 (epoch 2)",
		"clothes: kid -0.002 <= -0.001 at step 16 (epoch 2)",
		"clothes: finished at step 24 (epoch 3)",
	}
	if d := cmp.Diff(want, e.messages()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"lr >= 0.003", "nan", "valid_loss_ema < 0.03", "accuracy > 0.5", "fid < 4", "kid <= -0.001", "finished"}, in.rules()); d != "" {
		t.Error(d)
	}
	if last := in.got[len(in.got)-1]; last.Status != run.Finished || last.Run != "clothes" || last.Value != nil || in.got[0].Status != run.Running || *in.got[4].Value != 3.9 {
		t.Errorf("%+v", in.got)
	}
}

// The loss is the mean of the last 20 steps: one good step is no good loss, and
// a bad one that is long ago does not count.
func TestLossIsSmoothed(t *testing.T) {
	n, e := watched(t, "", nil, "loss < 0.5", "img_per_s > 31")
	if err := observe(t, n, append([]train.Event{began}, steps(19, .1)...)...); err != nil || len(e.alerts) != 0 {
		t.Fatalf("told after 19 steps: %v, %v", e.messages(), err)
	}
	if err := observe(t, n, step(20, 8.2)); err != nil || len(e.alerts) != 0 { // (19·0.1 + 8.2)/20 = 0.505
		t.Fatalf("one step counts for nothing: %v, %v", e.messages(), err)
	}
	if err := observe(t, n, step(21, 0)); err != nil {
		t.Fatal(err)
	}
	// 18·0.1 + 8.2 + 0 = 10, over 20 is 0.5: not less. img_per_s: 20 steps without the first, 16/0.5 = 32.
	if d := cmp.Diff([]string{"clothes: img_per_s 32 > 31 at step 21 (epoch 3)"}, e.messages()); d != "" {
		t.Fatal(d)
	}
	if err := observe(t, n, step(22, 0)); err != nil {
		t.Fatal(err)
	}
	if got := e.messages(); len(got) != 2 || got[1] != "clothes: loss 0.495 < 0.5 at step 22 (epoch 3)" {
		t.Error(got)
	}
}

// A run of fewer steps than the window has its loss at its last one.
func TestLossOfAShortRun(t *testing.T) {
	n, e := watched(t, "", nil, "loss < 0.5")
	if err := observe(t, n, train.Started{Total: 3, StepsPerEpoch: 3}, step(1, .1), step(2, .1)); err != nil || len(e.alerts) != 0 {
		t.Fatal(e.messages(), err)
	}
	if err := observe(t, n, step(3, .1)); err != nil || len(e.alerts) != 1 {
		t.Error(e.messages(), err)
	}
}

func TestValuesThatAreNotFinite(t *testing.T) {
	n, e := watched(t, "train_loss > 0", nil, "nan", "train_loss > 0")
	err := observe(t, n, began, train.Epoch{Epoch: 1, Step: 8, TrainLoss: math.NaN(), ValidLoss: math.Inf(1)})
	if d := cmp.Diff([]string{"clothes: the validation loss is not finite at step 8 (epoch 1)"}, e.messages()); d != "" || err != nil || n.Last() != nil {
		t.Error(d, err, n.Last())
	}
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		status run.Status
		cause  error
		want   string // rule, and message
	}{
		{run.Finished, nil, "finished|clothes: finished at step 12 (epoch 2)"},
		{run.Reached, nil, "finished|clothes: reached fid < 4 at step 12 (epoch 2)"},
		{run.Missed, nil, "finished|clothes: missed fid < 4 at step 12 (epoch 2)"},
		{run.Interrupted, errors.New("stopped"), "interrupted|clothes: interrupted at step 12 (epoch 2)"},
		{run.Diverged, errors.New("the loss\nwas not finite"), "crashed|clothes: diverged at step 12 (epoch 2): the loss was not finite"},
		{run.Failed, errors.New("no space"), "crashed|clothes: failed at step 12 (epoch 2): no space"},
	} {
		n, e := watched(t, "fid < 4", nil, "interrupted", "crashed", "finished")
		if err := observe(t, n, began); err != nil {
			t.Fatal(err)
		}
		if err := n.Ended(t.Context(), c.status, 12, c.cause); err != nil {
			t.Fatal(err)
		}
		if len(e.alerts) != 1 || e.alerts[0].Rule+"|"+e.alerts[0].Message != c.want || e.alerts[0].Bad != strings.HasPrefix(c.want, "crashed") {
			t.Errorf("%s: %+v, want %s", c.status, e.alerts, c.want)
		}
	}
	n, e := watched(t, "", nil, "nan")
	if err := n.Ended(t.Context(), run.Finished, 0, nil); err != nil || len(e.alerts) != 0 {
		t.Error(e.alerts, err)
	}
}

func TestUntil(t *testing.T) {
	n, e := watched(t, "fid < 4", nil)
	if err := observe(t, n, began, step(1, 0), scored(8, 4, 0)); err != nil || n.End() != run.Missed || *n.Last() != 4 {
		t.Errorf("%v, %s, %v", err, n.End(), n.Last())
	}
	if err := observe(t, n, scored(16, 3.9999, 0)); !errors.Is(err, train.ErrStop) || n.End() != run.Reached || *n.Last() != 3.9999 {
		t.Errorf("%v, %s, %v", err, n.End(), n.Last())
	}
	if err := observe(t, n, scored(24, 3, 0)); err != nil {
		t.Errorf("asked twice: %v", err)
	}
	if d := cmp.Diff([]string{"clothes: fid 3.9999 < 4 at step 16 (epoch 2)"}, e.messages()); d != "" {
		t.Error(d)
	}
	if n, _ := watched(t, "", nil); n.End() != run.Finished {
		t.Error(n.End())
	}
}

// A resumed run has the record's losses and latest values.
func TestResumedRunKnowsItsRecord(t *testing.T) {
	log := `{"event":"start","format":2,"step":0,"total":800,"steps_per_epoch":8}` + "\n"
	for i := 1; i <= 30; i++ { // those after step 24 are done anew
		log += fmt.Sprintf(`{"event":"step","step":%d,"epoch":%d,"loss":%v,"lr":0.1,"grad_norm":2}`+"\n", i, (i+7)/8, map[bool]float64{true: .2, false: 9}[i <= 24])
	}
	log += `{"event":"epoch","step":24,"epoch":3,"train_loss":0.2,"valid_loss":0.3}` + "\n" +
		`{"event":"score","step":24,"epoch":3,"fid":3.5}` + "\n" +
		`{"event":"start","format":2,"step":24,"total":800,"steps_per_epoch":8}` + "\n"
	resumed := train.Started{Step: 24, Total: 800, StepsPerEpoch: 8, Resumed: true}
	for until, value := range map[string]float64{"fid < 4": 3.5, "valid_loss < 0.4": .3, "train_loss <= 0.2": .2, "loss < 0.21": .2, "grad_norm > 1": 2} {
		n, e := watched(t, until, nil)
		if err := os.WriteFile(n.Folder.LogPath(), []byte(log), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := observe(t, n, resumed); !errors.Is(err, train.ErrStop) || math.Abs(*n.Last()-value) > 1e-12 || len(e.alerts) != 1 || e.alerts[0].Step != 24 || e.alerts[0].Epoch != 3 {
			t.Errorf("%s: %v, %v, %+v", until, err, n.Last(), e.alerts)
		}
	}
	n, e := watched(t, "", nil, "fid < 4", "loss < 0.2") // alerts are of what this attempt does
	if err := os.WriteFile(n.Folder.LogPath(), []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := observe(t, n, resumed, step(25, .19)); err != nil { // (19·0.2 + 0.19)/20
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"clothes: loss 0.1995 < 0.2 at step 25 (epoch 4)"}, e.messages()); d != "" {
		t.Error(d)
	}
}

func TestShortShowsThatAConditionIsMet(t *testing.T) {
	for value, want := range map[float64]string{3.9: "3.9", 3.99999: "3.99999", 0.123456789: "0.1235", 4: "4"} {
		if got := short(condition.Condition{Metric: "fid", Op: "<", Number: 4}, value); got != want {
			t.Errorf("%v: %s, want %s", value, got, want)
		}
	}
}

// A target that hangs, fails or panics holds up neither the training nor another
// target; what did not arrive is told.
func TestTargetsThatFail(t *testing.T) {
	hangs := &inbox{do: func(ctx context.Context, _ Message) error { <-ctx.Done(); return ctx.Err() }}
	stuck := &inbox{do: func(context.Context, Message) error { select {} }}
	fails := &inbox{do: func(context.Context, Message) error { return errors.New("no") }}
	panics := &inbox{do: func(context.Context, Message) error { panic("oh") }}
	works := new(inbox)
	all := []Target{hangs, stuck, fails, panics, works}
	n, e := watched(t, "", nil, "nan", "lr > 0.001", "finished")
	n.courier = newCourier(all, 3, limits{deliver: 50 * time.Millisecond, end: 300 * time.Millisecond, killed: 100 * time.Millisecond})

	start := time.Now()
	if err := observe(t, n, began, train.NonFinite{Step: 1, Epoch: 1}, step(2, 1)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 50*time.Millisecond {
		t.Errorf("the training waited %v", took)
	}
	if err := n.Ended(t.Context(), run.Finished, 2, nil); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the end took %v", took)
	}
	if len(works.rules()) != 3 {
		t.Errorf("the one that works got %v", works.rules())
	}
	count := map[string]int{}
	for _, u := range e.undelivered {
		count[u.Err.Error()]++
	}
	want := map[string]int{"given up after 50ms": 3, errEnded.Error(): 3, "no": 3, "panic: oh": 3}
	if d := cmp.Diff(want, count); d != "" {
		t.Error(d)
	}
}

// What failed is told while the training goes on.
func TestUndeliveredIsToldSoon(t *testing.T) {
	failed := make(chan struct{})
	n, e := watched(t, "", []Target{&inbox{do: func(context.Context, Message) error { defer close(failed); return errors.New("no") }}}, "nan")
	if err := observe(t, n, began, train.NonFinite{Step: 1, Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	<-failed
	for range 100 {
		if err := observe(t, n, step(2, 1)); err != nil {
			t.Fatal(err)
		}
		if len(e.undelivered) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(e.undelivered) != 1 || e.undelivered[0].Rule != "nan" || e.undelivered[0].To != "inbox" {
		t.Errorf("%+v", e.undelivered)
	}
}

func TestAnEndWithoutTargetsDoesNotWait(t *testing.T) {
	n, _ := watched(t, "", nil, "finished")
	began := time.Now()
	if err := n.Close(t.Context()); err != nil || time.Since(began) > time.Second {
		t.Error(time.Since(began), err)
	}
}

func TestPossible(t *testing.T) {
	unet := config.Default()
	resnet := config.Default()
	resnet.Model.Kind = config.ResNet
	scored := config.Default()
	scored.Eval.Every, scored.Train.EMA = 1, .9
	for _, c := range []struct {
		condition string
		config    *config.Config
		want      string
	}{
		{"fid < 4", &unet, "eval.every"}, {"kid < 4", &unet, "eval.every"}, {"fid < 4", &scored, ""}, {"fid < 4", &resnet, "classifier"},
		{"accuracy > 0.9", &unet, "classifier"}, {"accuracy > 0.9", &resnet, ""},
		{"valid_loss_ema < 1", &unet, "train.ema"}, {"valid_loss_ema < 1", &scored, ""}, {"loss < 1", &unet, ""},
	} {
		err := Possible(conditions(t, c.condition)[0], c.config)
		if c.want == "" && err != nil || c.want != "" && (fault.Code(err) != int(fault.Usage) || !strings.Contains(err.Error(), c.want) || fault.Hint(err) == "") {
			t.Errorf("%s: %v, want %q", c.condition, err, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	lookup := func(name string) string {
		return map[string]string{"HOOK": "https://discord.com/api/webhooks/1/SECRET", "BAD": "hooks/SECRET"}[name]
	}
	when, targets, err := Rules(config.Notify{Webhook: "${HOOK}", Form: "auto", Command: "true"}, nil, lookup)
	if err != nil || len(targets) != 2 || targets[0].Name() != "webhook https://discord.com" || targets[1].Name() != "command" {
		t.Fatal(targets, err)
	}
	if d := cmp.Diff(conditions(t, "nan", "finished", "crashed"), when); d != "" {
		t.Errorf("of a target and no rules: %s", d)
	}
	if when, targets, err := Rules(config.Notify{}, nil, lookup); len(when)+len(targets) != 0 || err != nil {
		t.Error(when, targets, err)
	}
	for _, c := range []config.Notify{{Webhook: "${BAD}"}, {Webhook: "${NONE}"}, {Webhook: "https://x/${NONE}"}, {When: []string{"los < 1"}}} {
		_, _, err := Rules(c, nil, lookup)
		if fault.Code(err) != int(fault.Usage) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	value := 3.9
	m := Message{Run: "clothes", Dir: dir, Alert: run.Alert{Step: 16, Rule: "fid < 4", Value: &value, Message: "it's \"3.9\" < 4\n$HOME"}}
	c := &command{line: `printf '%s|' "$DIFFUSE_RUN" "$DIFFUSE_RULE" "$DIFFUSE_VALUE" "$DIFFUSE_STEP" "$DIFFUSE_MESSAGE" "$DIFFUSE_DIR" "$OTHER" > "$DIFFUSE_DIR/out"`, env: append(os.Environ(), "OTHER=x")}
	if err := c.Deliver(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "out"))
	if want := "clothes|fid < 4|3.9|16|it's \"3.9\" < 4\n$HOME|" + dir + "|x|"; err != nil || string(got) != want {
		t.Errorf("%q, want %q; %v", got, want, err)
	}
	if err := (&command{line: "echo SECRET >&2; exit 3"}).Deliver(t.Context(), m); err == nil || err.Error() != "exit status 3" {
		t.Error(err)
	}
	// What a command began dies with it, and is not waited for.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	late := filepath.Join(dir, "late")
	if err := (&command{line: "(sleep 1; touch '" + late + "') & sleep 60", env: os.Environ()}).Deliver(ctx, m); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	time.Sleep(1200 * time.Millisecond)
	if _, err := os.Stat(late); err == nil {
		t.Error("what the command began goes on")
	}
}

// What a step costs where three rules and --until are watched.
func BenchmarkStep(b *testing.B) {
	s := Setup{Folder: run.Folder{Name: "clothes"}}
	for _, metric := range []string{"loss", "fid", "grad_norm"} {
		s.When = append(s.When, condition.Condition{Metric: metric, Op: "<", Number: -1})
	}
	s.Until = &s.When[0]
	n := New(s)
	if err := n.Observe(b.Context(), began); err != nil {
		b.Fatal(err)
	}
	e := step(30, 1)
	for b.Loop() {
		if err := n.Observe(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}
