package web

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"diffuse/internal/fault"
	"diffuse/internal/index"
)

// Bounds of what a request may ask for.
const (
	maxWidth = 4000
	maxRuns  = 1000 // of one request for curves
	maxQuery = 32 << 10
)

// badRequest is an error of what was asked.
func badRequest(format string, args ...any) error { return fault.New(fault.Usage, "", format, args...) }

// answer writes what a handler returns as JSON.
func (s *Server) answer(handler func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.RawQuery) > maxQuery {
			writeError(w, http.StatusBadRequest, "the query is too long", "")
			return
		}
		v, err := handler(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.writeJSON(w, r, v)
	}
}

// fail writes an error with the status that fits it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch e, _ := errors.AsType[*fault.Error](err); {
	case r.Context().Err() != nil:
		return // nobody listens any more
	case e != nil && e.Kind == fault.Usage:
		status = http.StatusBadRequest
	case e != nil && e.Kind == fault.Checkpoint:
		status = http.StatusNotFound
	default:
		s.Log.Error("answer a request", "path", r.URL.Path, "error", err)
	}
	writeError(w, status, err.Error(), fault.Hint(err))
}

// writeError writes an error as docs/api.md has it.
func writeError(w http.ResponseWriter, status int, text, hint string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text, "hint": hint}) // to whoever is still there
}

// worthZipping is from how many bytes on an answer is compressed.
const worthZipping = 1 << 10

func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding")
	if len(body) < worthZipping || !acceptsGzip(r) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // to whoever is still there
		return
	}
	h.Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a constant
	_, _ = z.Write(body)
	_ = z.Close()
}

// acceptsGzip tells whether the client reads gzip.
func acceptsGzip(r *http.Request) bool {
	for word := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(word), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}

func (s *Server) version(*http.Request) (any, error) {
	return map[string]any{"version": s.Version, "commit": s.Commit, "api": API}, nil
}

func (s *Server) runs(r *http.Request) (any, error) {
	s.refresh(r.Context())
	p := r.URL.Query()
	q := index.Query{Filter: p.Get("filter"), Sort: p.Get("sort")}
	var err error
	if q.Limit, err = whole(p, "limit", 0); err != nil {
		return nil, err
	}
	if q.Offset, err = whole(p, "offset", 0); err != nil {
		return nil, err
	}
	runs, total, err := s.Index.Runs(r.Context(), q)
	return map[string]any{"runs": runs, "total": total}, err
}

func (s *Server) detail(r *http.Request) (any, error) {
	s.refresh(r.Context())
	return s.Index.Detail(r.Context(), r.PathValue("name"))
}

func (s *Server) diff(r *http.Request) (any, error) {
	p := r.URL.Query()
	if p.Get("a") == "" || p.Get("b") == "" {
		return nil, badRequest("a and b must name two runs")
	}
	diff, err := s.Index.Diff(r.Context(), p.Get("a"), p.Get("b"))
	return map[string]any{"config": diff}, err
}

// seriesAnswer is the answer of /api/series.
type seriesAnswer struct {
	Metric string        `json:"metric"`
	X      string        `json:"x"`
	Series []index.Curve `json:"series"`
}

func (s *Server) series(r *http.Request) (any, error) {
	s.refresh(r.Context())
	p := r.URL.Query()
	q := index.SeriesQuery{Metric: p.Get("metric"), X: p.Get("x")}
	if q.X == "" {
		q.X = "step"
	}
	for name := range strings.SplitSeq(p.Get("runs"), ",") {
		if name != "" {
			q.Runs = append(q.Runs, name)
		}
	}
	if len(q.Runs) > maxRuns {
		return nil, badRequest("at most %d runs can be asked for at once, got %d", maxRuns, len(q.Runs))
	}
	var err error
	if q.Width, err = whole(p, "width", 600); err != nil {
		return nil, err
	}
	if q.Width > maxWidth {
		return nil, badRequest("width must be at most %d, got %d", maxWidth, q.Width)
	}
	for name, to := range map[string]**float64{"from": &q.From, "to": &q.To, "after": &q.After} {
		if *to, err = number(p, name); err != nil {
			return nil, err
		}
	}
	curves, err := s.Index.Series(r.Context(), q)
	return seriesAnswer{q.Metric, q.X, curves}, err
}

// whole is a parameter that is a whole number from 0 on.
func whole(p url.Values, name string, without int) (int, error) {
	if !p.Has(name) {
		return without, nil
	}
	n, err := strconv.Atoi(p.Get(name))
	if err != nil || n < 0 {
		return 0, badRequest("%s must be a whole number from 0 on, got %q", name, p.Get(name))
	}
	return n, nil
}

// number is a parameter that is a number, nil where it is not given.
func number(p url.Values, name string) (*float64, error) {
	if !p.Has(name) {
		return nil, nil
	}
	x, err := strconv.ParseFloat(p.Get(name), 64)
	if err != nil || x != x {
		return nil, badRequest("%s must be a number, got %q", name, p.Get(name))
	}
	return &x, nil
}

// isPicture tells whether a path in a run's folder may be served: no hidden file,
// and none but pictures.
func isPicture(p string) bool {
	return path.Ext(p) == ".png" && !strings.HasPrefix(p, ".") && !strings.Contains(p, "/.")
}
