// Package web serves the dashboard: its page, and the API of docs/api.md over an
// index of runs. It reads and never writes.
package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"diffuse/internal/index"
)

// API is the version of the API.
const API = 1

// Config is what a server is made of.
type Config struct {
	Index   *index.Index
	Version string
	Commit  string
	Token   string // who asks must know it; empty where only this machine can ask
	Hosts   []string
	Log     *slog.Logger
}

// Server answers requests. Hosts of the config are the names, without port, that
// a request may name besides those of this machine; with a token any will do.
type Server struct {
	Config
	token  [sha256.Size]byte
	page   map[string]*asset
	live   *live
	handle http.Handler

	refreshing sync.Mutex
	refreshed  time.Time
}

// New makes a server. Its index does not wait for other processes.
func New(c Config) (*Server, error) {
	c.Index.Patience = 0
	page, err := loadPage()
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, token: sha256.Sum256([]byte(c.Token)), page: page}
	s.live = newLive(s)
	mux := http.NewServeMux()
	mux.HandleFunc("/api/runs", s.answer(s.runs))
	mux.HandleFunc("/api/runs/{name}", s.answer(s.detail))
	mux.HandleFunc("/api/runs/{name}/files/{path...}", s.picture)
	mux.HandleFunc("/api/series", s.answer(s.series))
	mux.HandleFunc("/api/diff", s.answer(s.diff))
	mux.HandleFunc("/api/version", s.answer(s.version))
	mux.HandleFunc("/api/events", s.events)
	mux.HandleFunc("/", s.static)
	s.handle = s.guard(mux)
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handle.ServeHTTP(w, r) }

// Serve answers the requests of a listener until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute, // events extend theirs
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { s.refresh(ctx) }) // the first reading may take a while
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			_ = server.Close() // somebody does not let go
		}
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// refreshEvery is how often the runs' folders are looked at, at most.
const refreshEvery = 500 * time.Millisecond

// refresh catches up with the runs' folders and tells the listeners. Where that is
// under way already, or was a moment ago, what is there counts.
func (s *Server) refresh(ctx context.Context) {
	if !s.refreshing.TryLock() {
		return
	}
	defer s.refreshing.Unlock()
	if time.Since(s.refreshed) < refreshEvery {
		return
	}
	changes, err := s.Index.Refresh(ctx)
	for _, warning := range s.Index.Warnings() {
		s.Log.Warn(warning)
	}
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Error("read the runs", "error", err)
		}
		return
	}
	s.refreshed = time.Now()
	s.live.tell(ctx, changes)
}

// picture serves a picture of a run's folder. os.Root keeps out of other folders,
// whatever the path and the links in the folder say.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	name, path := r.PathValue("name"), r.PathValue("path")
	if !fs.ValidPath(path) || !isPicture(path) {
		writeError(w, http.StatusNotFound, "only pictures of a run are served", "")
		return
	}
	if _, err := s.Index.Run(r.Context(), name); err != nil {
		s.fail(w, r, err)
		return
	}
	file, info, err := openPicture(s.Index.Folder(name).Dir, path)
	if err != nil {
		writeError(w, http.StatusNotFound, "run "+name+" has no picture "+path, "")
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "private, no-cache") // a resumed run draws its grids anew
	http.ServeContent(w, r, "", info.ModTime(), file)
}

func openPicture(dir, path string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	if info, err := root.Stat(path); err != nil || !info.Mode().IsRegular() { // opening a pipe would wait
		return nil, nil, cmp.Or(err, fs.ErrNotExist)
	}
	file, err := root.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = file.Close() // it was only opened
		return nil, nil, cmp.Or(err, fs.ErrNotExist)
	}
	return file, info, nil
}
