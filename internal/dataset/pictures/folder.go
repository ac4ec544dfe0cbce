package pictures

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"diffuse/internal/fault"
)

// The endings of files that are read, and of pictures that are not: passing those
// over would score a part of the folder as if it were all.
var (
	readable   = []string{".png", ".jpg", ".jpeg", ".gif", ".bmp"}
	unreadable = []string{".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".heic", ".jxl", ".jp2"}
)

// folder is a source of files.
type folder struct {
	dir     string
	names   []string
	h, w, c int
}

func (p *Pictures) openFolder(o Options) error {
	names, folders, err := list(p.Path)
	if err != nil {
		return fault.New(fault.Data, "", "%w", err)
	}
	if len(names) == 0 {
		hint := ""
		if len(folders) > 0 {
			hint = fmt.Sprintf("name the folder that holds them, such as %s", filepath.Join(p.Path, folders[0]))
		}
		return fault.New(fault.Data, hint, "%s: holds no pictures (%s)", p.Path, strings.Join(readable, ", "))
	}
	p.N = len(names)
	if err := p.limit(o.N); err != nil {
		return err
	}
	f := &folder{dir: p.Path, names: names[:p.N]}
	if err := f.readHeaders(); err != nil {
		return fault.New(fault.Data, "", "%w", err)
	}
	p.H, p.W, p.C, p.source = f.h, f.w, f.c, f
	return nil
}

// list are the pictures in dir and the folders in it, sorted by name.
func list(dir string) (names, folders []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case slices.Contains(readable, ext):
			names = append(names, e.Name())
		case slices.Contains(unreadable, ext):
			return nil, nil, fmt.Errorf("%s: pictures of this kind are not read, only %s: convert it, or take it away",
				filepath.Join(dir, e.Name()), strings.Join(readable, ", "))
		case e.IsDir():
			folders = append(folders, e.Name())
		}
	}
	return names, folders, nil
}

// readHeaders finds the pictures' size, which must be one, and channels.
func (f *folder) readHeaders() error {
	headers := make([]header, len(f.names))
	err := eachInParallel(len(f.names), func(i int) (err error) {
		headers[i], err = readHeader(filepath.Join(f.dir, f.names[i]))
		return err
	})
	if err != nil {
		return err
	}
	f.h, f.w, f.c = headers[0].h, headers[0].w, 1
	for i, h := range headers {
		if h.h != f.h || h.w != f.w {
			return fmt.Errorf("%s: has %d×%d pixels, %s has %d×%d: all must have one size",
				filepath.Join(f.dir, f.names[i]), h.w, h.h, f.names[0], f.w, f.h)
		}
		if !h.gray {
			f.c = 3
		}
	}
	return nil
}

func (f *folder) read(dst []uint8, lo int) error {
	size := f.h * f.w * f.c
	return eachInParallel(len(dst)/size, func(i int) error {
		return decode(dst[i*size:(i+1)*size], filepath.Join(f.dir, f.names[lo+i]), f.h, f.w)
	})
}

func (f *folder) close() error { return nil }

// eachInParallel calls do for 0…n-1 on all cores, beginning in order. After an
// error it begins no more; of several errors it returns that of the lowest i.
func eachInParallel(n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
