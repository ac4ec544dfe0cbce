package notify

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// command is a command line that the shell runs for each message.
type command struct {
	line string
	env  []string // NAME=value
}

// Name is what errors call it.
func (c *command) Name() string { return "command" }

// Deliver runs the command; when ctx ends it is killed, with all that it started.
func (c *command) Deliver(ctx context.Context, m Message) error {
	dir, err := filepath.Abs(m.Dir)
	if err != nil {
		dir = m.Dir
	}
	value := ""
	if m.Value != nil {
		value = strconv.FormatFloat(*m.Value, 'g', -1, 64)
	}
	cmd := exec.CommandContext(ctx, shell[0], shell[1], c.line)
	// The names are config.AlertEnv.
	cmd.Env = append(slices.Clone(c.env),
		"DIFFUSE_RULE="+m.Rule, "DIFFUSE_RUN="+m.Run, "DIFFUSE_VALUE="+value, "DIFFUSE_STEP="+strconv.Itoa(m.Step),
		"DIFFUSE_MESSAGE="+m.Message, "DIFFUSE_DIR="+dir)
	ownGroup(cmd)
	return cmd.Run() // it reads and prints nothing: its output could hold a secret
}
