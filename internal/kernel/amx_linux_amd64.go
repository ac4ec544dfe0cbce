package kernel

import "syscall"

// What asks Linux for the tiles' data, 8 KB a thread, on behalf of the process:
// without it their first use is a fault (Documentation/arch/x86/xstate.rst).
const (
	archRequestPermission = 0x1023
	tileData              = 18
)

// tilesRefused asks the operating system for AMX's tiles; it is what is missing, if
// anything.
func tilesRefused() string {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archRequestPermission, tileData, 0); errno != 0 {
		return noTiles
	}
	return ""
}
