package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

// asset is a file of the page.
type asset struct {
	kind   string // its media type
	text   []byte
	zipped []byte // nil where that would save nothing
	tag    string // of the content
}

// kinds are the media types of the page's files, whatever the machine thinks of
// them.
var kinds = map[string]string{
	".html":        "text/html; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".mjs":         "text/javascript; charset=utf-8",
	".json":        "application/json",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".ico":         "image/x-icon",
	".txt":         "text/plain; charset=utf-8",
	".md":          "text/plain; charset=utf-8",
	"":             "text/plain; charset=utf-8", // a license
	".woff2":       "font/woff2",
	".webmanifest": "application/manifest+json",
}

// loadPage reads the embedded page: / is index.html, all else lies under /assets/.
func loadPage() (map[string]*asset, error) {
	page := map[string]*asset{}
	err := fs.WalkDir(pageFiles, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := pageFiles.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		a := &asset{kind: kinds[path.Ext(name)], text: text, tag: hex.EncodeToString(sum[:8])}
		if a.kind == "" {
			a.kind = "application/octet-stream"
		}
		if a.zipped, err = zip(text); err != nil {
			return err
		}
		at := strings.TrimPrefix(name, "page")
		if at == "/index.html" {
			at = "/"
		}
		page[at] = a
		return nil
	})
	return page, err
}

// zip compresses a text, where that saves something.
func zip(text []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil || b.Len() > len(text)*9/10 {
		return nil, err
	}
	return b.Bytes(), nil
}

// static serves the page. A browser asks each time whether its copy is the newest.
func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	a := s.page[r.URL.Path]
	if a == nil {
		writeError(w, http.StatusNotFound, "there is no "+r.URL.Path, "docs/api.md lists what can be asked")
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	text, tag := a.text, a.tag
	if a.zipped != nil && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		text, tag = a.zipped, a.tag+"-gzip"
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// Paths are those of the page and its files, sorted.
func (s *Server) Paths() []string { return slices.Sorted(maps.Keys(s.page)) }
