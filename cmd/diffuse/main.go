// Diffuse trains diffusion models on small images and draws with them.
package main

import (
	"os"

	"diffuse/internal/cli"
)

func main() {
	os.Exit(cli.Execute(cli.System(), os.Args[1:]))
}
