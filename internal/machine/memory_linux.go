package machine

import "golang.org/x/sys/unix"

// Memory is the size of the machine's memory in bytes.
func Memory() int64 {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 0
	}
	return int64(s.Totalram) * int64(s.Unit)
}
