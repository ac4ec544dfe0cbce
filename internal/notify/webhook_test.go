package notify

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"diffuse/internal/run"
)

var fid = 3.9

var message = Message{
	Run: "clothes", Dir: "runs/clothes", Status: run.Running, Time: time.Date(2026, 11, 26, 9, 0, 0, 0, time.FixedZone("", 3600)),
	Alert: run.Alert{Epoch: 25, Step: 2950, Rule: "fid < 4", Value: &fid, Message: "clothes: fid 3.9 < 4 & more"},
}

// post delivers message to a server at a secret path.
func post(t *testing.T, form string, handler http.HandlerFunc) error {
	t.Helper()
	s := httptest.NewServer(handler)
	defer s.Close()
	return hook(t, s.URL+"/services/SECRET?token=SECRET", form).Deliver(t.Context(), message)
}

// hook is a webhook that does not wait long.
func hook(t *testing.T, address, form string) *webhook {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w := newWebhook(u, form)
	w.client.RetryWaitMin, w.client.RetryWaitMax = time.Millisecond, 5*time.Millisecond
	w.client.HTTPClient.Timeout = 200 * time.Millisecond
	return w
}

func TestForms(t *testing.T) {
	abs, err := filepath.Abs("runs/clothes")
	if err != nil {
		t.Fatal(err)
	}
	for form, want := range map[string]any{
		"slack":   map[string]any{"text": "clothes: fid 3.9 &lt; 4 &amp; more"},
		"discord": map[string]any{"content": "clothes: fid 3.9 < 4 & more", "allowed_mentions": map[string]any{"parse": []any{}}},
		"json": map[string]any{
			"run": "clothes", "rule": "fid < 4", "value": 3.9, "step": 2950.0, "epoch": 25.0, "message": "clothes: fid 3.9 < 4 & more",
			"status": "running", "dir": abs, "time": "2026-11-26T08:00:00Z",
		},
		"auto": nil, // JSON, for this host
		"ntfy": nil,
	} {
		err := post(t, form, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Method != http.MethodPost || r.URL.RequestURI() != "/services/SECRET?token=SECRET" || r.UserAgent() != "diffuse" {
				t.Errorf("%s: %s %s, %v", form, r.Method, r.URL, err)
			}
			if form == "ntfy" {
				if string(body) != message.Message || r.Header.Get("Title") != "diffuse: clothes" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
					t.Errorf("ntfy: %q, %v", body, r.Header)
				}
				return
			}
			var got map[string]any
			if err := json.Unmarshal(body, &got); err != nil || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %s: %v", form, body, err)
			}
			if want != nil {
				if d := cmp.Diff(want, any(got)); d != "" {
					t.Errorf("%s: %s", form, d)
				}
			} else if got["run"] != "clothes" {
				t.Errorf("%s: %s", form, body)
			}
		})
		if err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestFormFollowsTheHost(t *testing.T) {
	for host, want := range map[string]string{
		"hooks.slack.com": "slack", "Hooks.Slack.Com": "slack", "notslack.com": "json", "slack.com.evil.org": "json",
		"discord.com": "discord", "ptb.discord.com": "discord", "discordapp.com": "discord",
		"ntfy.sh": "ntfy", "ntfy.example.org": "ntfy", "127.0.0.1": "json", "example.org": "json",
	} {
		if got := formOf(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	m := message
	m.Message = strings.Repeat("ä", 3000)
	body, _ := payload("discord", m)
	var got struct{ Content string }
	if err := json.Unmarshal(body, &got); err != nil || len([]rune(got.Content)) != mostRunes+1 {
		t.Errorf("%d runes, %v", len([]rune(got.Content)), err)
	}
	m.Run = "größe"
	if _, header := payload("ntfy", m); header.Get("Title") != "=?utf-8?q?diffuse:_gr=C3=B6=C3=9Fe?=" {
		t.Error(header)
	}
}

func TestWebhookTriesAgain(t *testing.T) {
	var calls atomic.Int32
	err := post(t, "slack", func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), "clothes") {
			t.Errorf("the body of call %d is %q", calls.Load(), body)
		}
		if calls.Add(1) <= 2 {
			w.Header().Set("Retry-After", "3600") // not heeded
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if err != nil || calls.Load() != 3 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

// Each way to fail ends, after as many tries as make sense, in an error that
// names no secret.
func TestWebhookFails(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		calls   int32
		want    string
	}{
		{"500", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.URL.String(), http.StatusInternalServerError)
		}, tries, "answered 500 Internal Server Error"},
		{"404", func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.String(), http.StatusNotFound) }, 1, "answered 404 Not Found"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/SECRET/2", http.StatusFound) }, 1, "answered 302 Found"},
		{"hangs", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-stop:
			case <-r.Context().Done():
			case <-time.After(2 * time.Second):
			}
		}, tries, "no answer within 200ms"},
		{"closes", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, tries, "EOF"},
		{"garbage", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, r.URL.RequestURI()+"\r\n\r\n")
				_ = conn.Close()
			}
		}, tries, "malformed HTTP"},
	} {
		var calls atomic.Int32
		err := post(t, "json", func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			c.handler(w, r)
		})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "services") {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if calls.Load() != c.calls {
			t.Errorf("%s: %d calls, want %d", c.name, calls.Load(), c.calls)
		}
	}
}

func TestWebhookThatIsNotThere(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	w := hook(t, strings.Replace(s.URL, "http://", "http://me:SECRET@", 1)+"/SECRET?x=SECRET", "auto")
	err := w.Deliver(t.Context(), message)
	if err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error()+w.Name(), "SECRET") {
		t.Errorf("%s: %v", w.Name(), err)
	}
	if want := "webhook " + s.URL; w.Name() != want {
		t.Errorf("called %s, want %s", w.Name(), want)
	}
}

func TestWebhookEndsWithItsContext(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	defer hangs.Close()
	w := hook(t, hangs.URL, "json")
	w.client.HTTPClient.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := w.Deliver(ctx, message); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
