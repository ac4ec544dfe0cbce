package web_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"diffuse/internal/index"
	"diffuse/internal/web"
)

// handler is the server over a folder of runs.
func handler(t *testing.T, runs string) http.Handler {
	t.Helper()
	x, err := index.Open(t.Context(), runs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := web.New(web.Config{Index: x, Version: "v0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// page is a tab of a headless Chromium, with what it asked for and what it
// complained of since it was opened.
type page struct {
	ctx context.Context

	mu       sync.Mutex
	all      []string // addresses asked for
	requests []string // those since the last forget
	errors   []string
}

// openBrowser starts a Chromium; a machine without one skips the test.
func openBrowser(t *testing.T) *page {
	t.Helper()
	chromium := findChromium()
	if chromium == "" {
		t.Skip("there is no chromium on this machine: apt-get install chromium")
	}
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(chromium),
		chromedp.NoSandbox, // containers run as root, where Chromium's sandbox refuses to start
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WindowSize(1280, 800),
	))
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	p := &page{ctx: ctx}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatalf("%s does not start: %v", chromium, err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// hear takes down requests, and what the console shows in red.
func (p *page) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.all, p.requests = append(p.all, e.Request.URL), append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		what := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			what = e.ExceptionDetails.Exception.Description
		}
		p.errors = append(p.errors, what)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			p.errors = append(p.errors, fmt.Sprint("console.error: ", e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// asked are the addresses asked for that contain text, since the last forget.
func (p *page) asked(text string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, r := range p.requests {
		if strings.Contains(r, text) {
			found = append(found, r)
		}
	}
	return found
}

// forget starts a new list of requests.
func (p *page) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// complaints are the errors so far.
func (p *page) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.errors)
}

func (p *page) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// open goes to an address as if for the first time: one that differs from the
// last only after '#' would not load the page.
func (p *page) open(t *testing.T, address string) {
	t.Helper()
	p.do(t, chromedp.Navigate("about:blank"))
	p.forget()
	p.do(t, chromedp.Navigate(address))
}

// evaluate is the value of an expression of JavaScript.
func evaluate[T any](t *testing.T, p *page, js string) T {
	t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for an expression to become true, and says what the page shows
// where it does not.
func (p *page) until(t *testing.T, js string) {
	t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool](js, chromedp.WithPollingTimeout(30*time.Second)))
	if err == nil {
		return
	}
	if errors.Is(err, chromedp.ErrPollingTimeout) {
		t.Fatalf("never true: %s\nthe page shows:\n%s\nerrors: %v", js, evaluate[string](t, p, `document.body.innerText`), p.complaints())
	}
	t.Fatalf("%s: %v", js, err)
}
