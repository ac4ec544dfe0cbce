package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"diffuse/internal/fault"
)

// mlflowClient asks a server. Refused connections, 429 and 5xx are tried again.
type mlflowClient struct {
	base  *url.URL
	login func(*http.Request)
	http  *retryablehttp.Client
}

// The tries of a request.
const (
	mlflowTries = 4
	mlflowTime  = 10 * time.Second // until the answer is read
)

// maxAnswer bounds what is read of an answer, bytes.
const maxAnswer = 4 << 20

func newMLflowClient(m *MLflow) (*mlflowClient, error) {
	base, err := url.Parse(m.URI)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fault.New(fault.Usage, "diffuse runs export --to mlflow --uri http://localhost:5000",
			"--uri: must be the http address of an MLflow server")
	}
	login := func(*http.Request) {}
	switch {
	case m.Token != "":
		login = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+m.Token) }
	case m.User != "":
		login = func(r *http.Request) { r.SetBasicAuth(m.User, m.Password) }
	case base.User != nil:
		password, _ := base.User.Password()
		user := base.User.Username()
		login = func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	base.User = nil // it is in no message
	base = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path}
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = mlflowTries-1, 250*time.Millisecond, 2*time.Second
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer says why
	c.HTTPClient.Timeout = mlflowTime
	return &mlflowClient{base, login, c}, nil
}

// mlflowError is an error that the server answers with.
type mlflowError struct {
	Status  int
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

func (e *mlflowError) Error() string {
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
		return fault.New(fault.Failure, "is the server running? name it by --uri", "MLflow at %s: %w", c.base.Host, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("MLflow at %s: %w", c.base.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		refused := &mlflowError{Status: resp.StatusCode}
		if json.Unmarshal(text, refused) != nil { // a proxy's page, perhaps
			refused.Message = string(bytes.TrimSpace(text[:min(len(text), 200)]))
		}
		return fault.New(fault.Failure, loggedIn(resp.StatusCode), "MLflow at %s: %w", c.base.Host, refused)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fault.New(fault.Failure, "", "%s does not answer as an MLflow server does: %w", c.base.Host, err)
	}
	return nil
}
