package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"diffuse/internal/fault"
)

// serving starts `diffuse serve` on a free port, and returns the address that it
// printed.
func serving(ctx context.Context, t *testing.T, args ...string) (at string, ended chan error) {
	t.Helper()
	stdio, _, _, _ := Test()
	r, w := io.Pipe()
	stdio.Out = w
	root := Root(stdio)
	root.SetArgs(append([]string{"serve", "--addr", "127.0.0.1:0", "--runs", t.TempDir()}, args...))
	ended = make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, at, _ = strings.Cut(strings.TrimSpace(line), ": ")
	return at, ended
}

// It says where it listens, answers, and ends with Ctrl-C as a success.
func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	at, ended := serving(ctx, t)
	response, err := http.Get(at + "api/runs")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != `{"runs":[],"total":0}` {
		t.Errorf("%s, %v", body, err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
}

// With a token the address that is printed carries it.
func TestServeToken(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	at, ended := serving(ctx, t, "--token", "a long & odd token")
	response, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(at)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusSeeOther || len(response.Cookies()) != 1 {
		t.Errorf("%s: %s", at, response.Status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	stdio, _, _, _ := Test()
	root := Root(stdio)
	root.SetArgs([]string{"serve", "--addr", taken.Addr().String(), "--runs", t.TempDir()})
	err = root.Execute()
	if fault.Code(err) != int(fault.Failure) || !strings.Contains(err.Error(), "another program listens on "+taken.Addr().String()) || !strings.Contains(fault.Hint(err), "diffuse serve --addr 127.0.0.1:") {
		t.Errorf("%v, hint %q", err, fault.Hint(err))
	}
}

// A terminal gets a table that is drawn, with lines for eyes.
func TestListOnATerminal(t *testing.T) {
	stdio, _, out, _ := Test()
	stdio.OutIsTerminal = true
	table := newTable(stdio)
	table.header([]string{"name", "fid"})
	table.AppendRow([]any{"clothes", "3.5"})
	if err := table.print(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out.Bytes(), []byte(" name     fid ")) || !strings.Contains(out.String(), "───") {
		t.Errorf("%s", out)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "0s", 59 * time.Second: "59s", 90 * time.Second: "1m", 47 * time.Hour: "47h", 49 * time.Hour: "2d", 900 * time.Hour: "37d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
