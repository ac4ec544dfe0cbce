package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// errWrong marks content that is not the file's: what has arrived is worth nothing.
var errWrong = errors.New("the content is wrong")

// refusal is an error that asking the same mirror again does not cure.
type refusal struct{ error }

func (e *refusal) Unwrap() error { return e.error }

// diskError is an error of this machine's disk, which no other mirror cures.
type diskError struct{ error }

func (e *diskError) Unwrap() error { return e.error }

// transfer is one file on its way.
type transfer struct {
	*Fetcher
	client *retryablehttp.Client
	file   File
	path   string
}

func (t *transfer) part() string { return t.path + partSuffix }

// arrived is how many bytes of the file are here.
func (t *transfer) arrived() int64 {
	info, err := os.Stat(t.part())
	if err != nil {
		return 0
	}
	return info.Size()
}

// client asks again after refused connections and answers 429 and 5xx.
func (f *Fetcher) client() *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.RetryMax = f.Tries - 1
	c.RetryWaitMin, c.RetryWaitMax = f.WaitMin, f.WaitMax
	c.Backoff = func(low, high time.Duration, n int, r *http.Response) time.Duration {
		return min(retryablehttp.DefaultBackoff(low, high, n, r), high) // Retry-After may ask for hours
	}
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer's status is the reason
	c.HTTPClient.Transport = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: f.Stall}).DialContext,
		TLSHandshakeTimeout:   f.Stall,
		ResponseHeaderTimeout: f.Stall,
		DisableKeepAlives:     true, // a few large files: nothing to reuse
	}
	return c
}

// once asks the address for the bytes that are missing and appends what comes to .part.
// It returns nil when as many bytes are here as the file has.
func (t *transfer) once(ctx context.Context, address string) error {
	have := t.arrived()
	if have == t.file.Size {
		return nil
	}
	if have > t.file.Size {
		t.discard()
		have = 0
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, err := t.ask(ctx, address, have)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK { // the whole file: Range was ignored, or the version is another
		have = 0
	}
	if err := t.checkAnswer(resp, have); err != nil {
		return err
	}
	if err := t.rememberVersion(address, resp.Header); err != nil {
		return err
	}
	t.Observer.Start(t.file.Name, address, have, t.file.Size)
	stall := time.AfterFunc(t.Stall, func() { cancel(fmt.Errorf("no byte came for %v", t.Stall)) })
	defer stall.Stop()
	err = t.receive(resp.Body, have, func() { stall.Reset(t.Stall) })
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// ask sends the request; with bytes here already, for the rest only.
func (t *transfer) ask(ctx context.Context, address string, have int64) (*http.Response, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, &refusal{err}
	}
	req.Header.Set("Accept-Encoding", "identity") // the .gz itself, not what is in it
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		if version := t.version(address); version != "" {
			req.Header.Set("If-Range", version)
		}
	}
	resp, err := t.client.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // the address is named beside the error anyway
	}
	if err != nil {
		return nil, &refusal{err} // the client has asked often enough
	}
	return resp, nil
}

// checkAnswer refuses an answer that is not have bytes' rest of the file.
func (t *transfer) checkAnswer(resp *http.Response, have int64) error {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/", have, t.file.Size-1)
		if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, want) {
			return fmt.Errorf("%w: it sends %q, not %q", errWrong, got, want)
		}
	case http.StatusRequestedRangeNotSatisfiable: // its file is shorter than what is here
		return fmt.Errorf("%w: the mirror's file is shorter", errWrong)
	default:
		return &refusal{errors.New(resp.Status)}
	}
	if n := resp.ContentLength; n >= 0 && n != t.file.Size-have {
		return &refusal{fmt.Errorf("it sends %d bytes, not %d", n, t.file.Size-have)}
	}
	return nil
}

// receive writes body behind the first have bytes of .part and flushes it to the
// disk however the transfer ends.
func (t *transfer) receive(body io.Reader, have int64, alive func()) (err error) {
	w, err := os.OpenFile(t.part(), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return &diskError{err}
	}
	defer func() {
		if syncErr := errors.Join(w.Sync(), w.Close()); err == nil && syncErr != nil {
			err = &diskError{syncErr}
		}
	}()
	if err := w.Truncate(have); err != nil {
		return &diskError{err}
	}
	if _, err := w.Seek(have, io.SeekStart); err != nil {
		return &diskError{err}
	}
	buf := make([]byte, 1<<16)
	for missing := t.file.Size - have; ; {
		n, readErr := body.Read(buf)
		if int64(n) > missing {
			return fmt.Errorf("%w: it sends more than %d bytes", errWrong, t.file.Size)
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return &diskError{err}
		}
		missing -= int64(n)
		alive()
		t.Observer.Advance(n)
		switch {
		case readErr == io.EOF && missing > 0:
			return fmt.Errorf("the transfer broke off, %d bytes are missing", missing)
		case readErr == io.EOF:
			return nil
		case readErr != nil:
			return fmt.Errorf("the transfer broke off: %w", readErr)
		}
	}
}

// rememberVersion notes which version of the address's file is arriving, by its strong
// ETag, for If-Range (RFC 9110, 13.1.5). A weak one must not be used there.
func (t *transfer) rememberVersion(address string, h http.Header) error {
	etag := h.Get("ETag")
	if etag == "" || strings.HasPrefix(etag, "W/") {
		_ = os.Remove(t.path + etagSuffix)
		return nil
	}
	if err := os.WriteFile(t.path+etagSuffix, []byte(address+"\n"+etag), 0o666); err != nil {
		return &diskError{err}
	}
	return nil
}

// version is the ETag under which bytes have come from the address, else empty: bytes of
// another mirror go on without, as the SHA-256 at the end judges them anyway.
func (t *transfer) version(address string) string {
	text, err := os.ReadFile(t.path + etagSuffix)
	if err != nil {
		return ""
	}
	from, etag, _ := strings.Cut(string(text), "\n")
	if from != address {
		return ""
	}
	return etag
}
