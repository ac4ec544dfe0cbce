// Package configs embeds the configs of this folder in the binary.
package configs

import "embed"

// FS holds the shipped configs, *.yaml, and the sweeps over them, sweeps/*.yaml.
//
//go:embed *.yaml sweeps/*.yaml
var FS embed.FS
