package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// The tries of a post: refused connections, 429 and 5xx are tried again.
const (
	tries   = 4
	tryTime = 5 * time.Second // until the answer is read
	waitMin = 500 * time.Millisecond
	waitMax = 4 * time.Second
)

// webhook is an address that messages are posted to. Its path and query are
// secrets: who knows them can post.
type webhook struct {
	address *url.URL
	form    string
	client  *retryablehttp.Client
}

func newWebhook(address *url.URL, form string) *webhook {
	if form == "auto" {
		form = formOf(address.Hostname())
	}
	c := retryablehttp.NewClient()
	c.Logger = nil // it would log the address
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = tries-1, waitMin, waitMax
	c.Backoff = func(low, high time.Duration, n int, r *http.Response) time.Duration {
		return min(retryablehttp.DefaultBackoff(low, high, n, r), high) // Retry-After may ask for hours
	}
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer's status is the reason
	c.HTTPClient.Timeout = tryTime
	c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a POST would become a GET
	return &webhook{address, form, c}
}

// Name is the webhook without what is secret.
func (w *webhook) Name() string { return "webhook " + w.address.Scheme + "://" + w.address.Host }

// Deliver posts m.
func (w *webhook) Deliver(ctx context.Context, m Message) error {
	body, header := payload(w.form, m)
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, w.address.String(), body)
	if err != nil {
		return w.plain(err)
	}
	req.Header = header
	req.Header.Set("User-Agent", "diffuse")
	resp, err := w.client.Do(req)
	if err != nil {
		return w.plain(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return nil
}

// plain is err without the address.
func (w *webhook) plain(err error) error {
	var inner *url.Error
	for errors.As(err, &inner) {
		if inner.Timeout() {
			return fmt.Errorf("no answer within %v", w.client.HTTPClient.Timeout)
		}
		err = inner.Err
	}
	text := err.Error()
	secrets := []string{w.address.String(), w.address.RequestURI(), w.address.Path, w.address.RawQuery, w.address.User.String()}
	for _, secret := range secrets {
		if len(secret) > 1 {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return errors.New(text)
}
