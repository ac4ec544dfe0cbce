// Package configs embeds the configs of this folder in the binary.
package configs

import "embed"

// FS holds the shipped configs, *.yaml, the sweeps over them, sweeps/*.yaml, and
// the lesson's notebooks, recipes/*.yaml.
//
//go:embed *.yaml sweeps/*.yaml recipes/*.yaml
var FS embed.FS
