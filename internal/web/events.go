package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"diffuse/internal/index"
)

const (
	pollEvery    = time.Second      // while somebody listens
	beatEvery    = 15 * time.Second // a comment keeps the connection open
	maxListeners = 100
	writeWithin  = 20 * time.Second // a listener that does not read is let go
)

// live are those who listen to what changes, and the one who looks for it.
type live struct {
	server *Server

	mu        sync.Mutex
	listeners map[*listener]bool
	stop      context.CancelFunc // ends the polling
}

func newLive(s *Server) *live { return &live{server: s, listeners: map[*listener]bool{}} }

// listener is one open stream. Of a run that changes faster than it is read only
// the last state waits.
type listener struct {
	mu      sync.Mutex
	waiting map[string][]byte // events, by the run's name
	wake    chan struct{}
}

// join adds a listener, and begins to poll for the first; it is nil where there
// are too many.
func (l *live) join() *listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.listeners) >= maxListeners {
		return nil
	}
	who := &listener{waiting: map[string][]byte{}, wake: make(chan struct{}, 1)}
	l.listeners[who] = true
	if l.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		l.stop = stop
		go l.poll(ctx)
	}
	return who
}

// leave removes a listener, and ends the polling after the last.
func (l *live) leave(who *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.listeners, who)
	if len(l.listeners) == 0 && l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

// poll looks for changes until ctx ends.
func (l *live) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.server.refresh(ctx)
		}
	}
}

// tell passes changes on to all listeners.
func (l *live) tell(ctx context.Context, c index.Changes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.listeners) == 0 {
		return
	}
	for _, name := range c.Gone {
		l.send("gone", name, map[string]string{"name": name})
	}
	for _, name := range c.Changed {
		if r, err := l.server.Index.Run(ctx, name); err == nil { // else it has gone in the meantime
			l.send("run", name, r)
		}
	}
}

// send leaves an event with each listener.
func (l *live) send(event, name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		l.server.Log.Error("tell of a change", "run", name, "error", err)
		return
	}
	text := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, data)
	for who := range l.listeners {
		who.mu.Lock()
		who.waiting[name] = text
		who.mu.Unlock()
		select {
		case who.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// take are the events that wait, by the runs' names.
func (who *listener) take() (all []byte) {
	who.mu.Lock()
	defer who.mu.Unlock()
	names := make([]string, 0, len(who.waiting))
	for name := range who.waiting {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		all = append(all, who.waiting[name]...)
	}
	clear(who.waiting)
	return all
}

// events streams what changes until the client goes.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	who := s.live.join()
	if who == nil {
		writeError(w, http.StatusServiceUnavailable, "too many pages listen already", "close some")
		return
	}
	defer s.live.leave(who)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy in between passes events on at once
	control := http.NewResponseController(w)
	write := func(text []byte) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writeWithin)) // a recorder in a test has none
		_, err := w.Write(text)
		return err == nil && control.Flush() == nil
	}
	_ = control.SetReadDeadline(time.Time{}) // the server's would end the stream
	if r.Method == http.MethodHead || !write([]byte("retry: 2000\n\n")) {
		return
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			if !write([]byte(": still here\n\n")) {
				return
			}
		case <-who.wake:
			if !write(who.take()) || !pause(r.Context(), pollEvery) {
				return
			}
		}
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
