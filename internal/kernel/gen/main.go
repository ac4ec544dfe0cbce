// Command gen turns the C kernels of ../csrc into Go assembly. It is run by
// "make kernels", from the repository's root, on linux/amd64 with gcc and
// binutils.
//
// Every function opened with KERNEL(name, args) becomes one TEXT block per
// instruction set, with the constants it refers to behind its code, and a Go
// declaration "func name<SET>(a *args)". The struct args must have a twin of
// the same layout in Go.
//
// gcc is told to leave the frame pointer alone and to treat every other
// register as free, which is what Go's ABI0 wants; what it cannot be told is
// checked: code that touches the stack, calls, refers to writable memory, or
// returns without VZEROUPPER is refused.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", "internal/kernel", "the package's folder; C sources in its csrc")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes all generated files of the package in dir.
func run(dir string) error {
	files, err := generate(filepath.Join(dir, "csrc"))
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
