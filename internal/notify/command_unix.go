//go:build unix

package notify

import (
	"os/exec"
	"syscall"
)

// shell runs a command line.
var shell = [2]string{"sh", "-c"}

// ownGroup makes a group of the command and what it starts: Ctrl-C in the
// terminal does not reach them, and they are killed together.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
