//go:build unix

package machine

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// PeakRSS is the most memory the process has had resident, in bytes; 0 where
// the system does not tell.
func PeakRSS() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" { // the others count kilobytes
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) * 1024
}
