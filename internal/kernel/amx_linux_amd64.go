package kernel

import "syscall"

// What asks Linux for the tiles' data, 8 KB a thread, on behalf of the process:
// without it their first use is a fault (Documentation/arch/x86/xstate.rst).
const (
	archRequestPermission = 0x1023
	tileData              = 18
)

// tilesGranted asks the operating system for AMX's tiles.
func tilesGranted() bool {
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archRequestPermission, tileData, 0)
	return errno == 0
}
