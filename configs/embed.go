// Package configs embeds the configs of this folder in the binary.
package configs

import "embed"

// FS holds the shipped configs, *.yaml.
//
//go:embed *.yaml
var FS embed.FS
