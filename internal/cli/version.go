package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"diffuse/internal/kernel"
	"diffuse/internal/machine"
)

// Version and Commit are set by the linker; go install leaves them to the
// build information in the binary.
var (
	Version = ""
	Commit  = ""
)

// VersionInfo says what was built and what it computes with.
type VersionInfo struct {
	Version  string   `json:"version"`
	Commit   string   `json:"commit"`
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	Kernel   string   `json:"kernel"`  // the kernel set that is used
	Why      string   `json:"why"`     // it is
	BF16     string   `json:"bf16"`    // how it multiplies in bfloat16
	Kernels  []string `json:"kernels"` // those that this machine can run
	Missing  []string `json:"missing"` // and those that it cannot, and what it lacks
}

// NewVersion is `diffuse version`.
func NewVersion(stdio *IO, g *Global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  help(`Print the version and commit; with -v or --json also what it computes with.`),
		Example: `  diffuse version
  diffuse version -v`,
		Args: noArguments(""),
		RunE: func(*cobra.Command, []string) error { return versionRun(stdio, g) },
	}
}

func versionRun(stdio *IO, g *Global) error {
	info := versionInfo()
	if g.JSON {
		return stdio.PrintJSON(info)
	}
	fmt.Fprintf(stdio.Out, "diffuse %s (%s, %s, %s)\n", info.Version, info.Commit, info.Go, info.Platform)
	if g.Verbose {
		fmt.Fprintf(stdio.Out, "cpu      %s\nkernels  %s, %s\nbf16     %s\n", machine.CPU(), info.Kernel, info.Why, info.BF16)
		for _, m := range info.Missing {
			fmt.Fprintf(stdio.Out, "         no %s\n", m)
		}
	}
	return nil
}

func versionInfo() VersionInfo {
	info := VersionInfo{
		Version: Version, Commit: Commit,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: kernel.Best().Name(), Why: kernel.Why(), BF16: kernel.Best().BF16(), Missing: kernel.Missing(),
	}
	for _, s := range kernel.Sets() {
		info.Kernels = append(info.Kernels, s.Name())
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		info.fill(build)
	}
	return info
}

// fill completes info from what the go command recorded.
func (info *VersionInfo) fill(build *debug.BuildInfo) {
	if info.Version == "" {
		info.Version = build.Main.Version
	}
	if info.Version == "" || info.Version == "(devel)" {
		info.Version = "devel"
	}
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" && info.Commit == "" {
			info.Commit = s.Value[:min(12, len(s.Value))]
		}
	}
	if info.Commit == "" {
		info.Commit = "unknown commit"
	}
}
