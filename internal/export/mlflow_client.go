package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-retryablehttp"

	"diffuse/internal/fault"
)

// mlflowClient asks a server. Refused connections, 429 and 5xx are tried again; one
// that hangs is given up.
type mlflowClient struct {
	base    *url.URL
	login   func(*http.Request)
	secrets []string
	http    *retryablehttp.Client
}

// The tries of a request.
const (
	mlflowTries = 4
	mlflowTime  = 10 * time.Second // until the answer is read
	mlflowWait  = 2 * time.Second  // between tries, at most
)

// What is read of an answer, and told of its message, in bytes.
const (
	maxAnswer  = 4 << 20
	maxMessage = 500
)

func newMLflowClient(m *MLflow) (*mlflowClient, error) {
	base, err := url.Parse(m.URI)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fault.New(fault.Usage, "diffuse runs export --to mlflow --uri http://localhost:5000",
			"--uri: must be the http address of an MLflow server")
	}
	user, password := m.User, m.Password
	if user == "" && base.User != nil {
		user = base.User.Username()
		password, _ = base.User.Password()
	}
	login := func(*http.Request) {}
	switch {
	case m.Token != "":
		login = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+m.Token) }
	case user != "":
		login = func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	base = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path} // its user is in no message
	return &mlflowClient{base, login, []string{m.Token, password}, newRetrying()}, nil
}

// newRetrying is a client that tries a few times, within bounded time.
func newRetrying() *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = mlflowTries-1, 250*time.Millisecond, mlflowWait
	c.Backoff = func(low, high time.Duration, n int, r *http.Response) time.Duration {
		return min(retryablehttp.DefaultBackoff(low, high, n, r), high) // Retry-After may ask for hours
	}
	c.CheckRetry = func(ctx context.Context, r *http.Response, err error) (bool, error) {
		if timedOut(err) {
			return false, err
		}
		return retryablehttp.DefaultRetryPolicy(ctx, r, err)
	}
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer says why
	c.HTTPClient.Timeout = mlflowTime
	c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a POST would become a GET
	return c
}

// timedOut tells whether err is of a server that hangs.
func timedOut(err error) bool {
	late, ok := errors.AsType[net.Error](err)
	return ok && late.Timeout()
}

// mlflowError is an error that the server answers with.
type mlflowError struct {
	Status  int
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

func (e *mlflowError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("it answered %d %s", e.Status, e.Message)
	}
	return fmt.Sprintf("it answered %d %s: %s", e.Status, e.Code, e.Message)
}

func (c *mlflowClient) get(ctx context.Context, endpoint string, query url.Values, answer any) error {
	u := c.base.JoinPath("api/2.0/mlflow", endpoint)
	u.RawQuery = query.Encode()
	return c.ask(ctx, http.MethodGet, u, "", nil, answer)
}

func (c *mlflowClient) post(ctx context.Context, endpoint string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, c.base.JoinPath("api/2.0/mlflow", endpoint), "application/json", body, answer)
}

// upload stores a file as an artifact.
func (c *mlflowClient) upload(ctx context.Context, path string, file []byte) error {
	return c.ask(ctx, http.MethodPut, c.base.JoinPath("api/2.0/mlflow-artifacts/artifacts", path), "image/png", file, nil)
}

// ask sends a request and decodes the answer, unless that is nil.
func (c *mlflowClient) ask(ctx context.Context, method string, u *url.URL, kind string, body []byte, answer any) error {
	req, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return fmt.Errorf("MLflow at %s: %w", c.base.Host, err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	c.login(req.Request)
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		return c.refusal(resp, text)
	}
	if answer == nil {
		if len(text) == 0 {
			return nil
		}
		answer = &struct{}{} // a page that asks to log in is no success
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return c.unlike(err)
	}
	return nil
}

// unlike is the error of a server that is no MLflow server.
func (c *mlflowClient) unlike(err error) error {
	return fault.New(fault.Failure, "name MLflow's address: --uri", "%s does not answer as an MLflow server does: %w", c.base.Host, err)
}

// unreachable is the error of a request without a whole answer.
func (c *mlflowClient) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Interrupted, "the same command goes on where it stopped", "interrupted: %w", ctx.Err())
	}
	if timedOut(err) {
		err = fmt.Errorf("no answer within %v", c.http.HTTPClient.Timeout)
	}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // the address is no help
	}
	return fault.New(fault.Failure, "is the server running? name it by --uri", "MLflow at %s: %w", c.base.Host, err)
}

// refusal is the error that a server answers with, without what logs in there.
func (c *mlflowClient) refusal(resp *http.Response, text []byte) error {
	refused, hint := &mlflowError{}, ""
	if json.Unmarshal(text, refused) != nil {
		refused = &mlflowError{Message: http.StatusText(resp.StatusCode)} // a proxy's page, perhaps
	}
	refused.Status = resp.StatusCode
	for _, secret := range c.secrets {
		if secret != "" {
			refused.Message = strings.ReplaceAll(refused.Message, secret, "…")
		}
	}
	refused.Message = cut(strings.Join(strings.FieldsFunc(refused.Message, notPlain), " "), maxMessage)
	switch to, err := resp.Location(); {
	case err == nil:
		hint = "name the address that it redirects to, at " + to.Host + ": --uri"
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		hint = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
	}
	return fault.New(fault.Failure, hint, "MLflow at %s: %w", c.base.Host, refused)
}

// notPlain tells what a message on a terminal has between its words.
func notPlain(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
