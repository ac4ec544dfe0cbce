// Diffuse trains, samples and scores diffusion models on small images.
package main

import (
	"os"

	"diffuse/internal/cli"
)

func main() {
	os.Exit(cli.Execute(cli.System(), os.Args[1:]))
}
