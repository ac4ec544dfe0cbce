package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the tool: a script's `diffuse` runs main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"diffuse": main})
}

// TestScripts runs testdata/*.txtar: what users type, and what they see.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: false})
}
