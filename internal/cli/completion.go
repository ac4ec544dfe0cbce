package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
)

// NewCompletion is `diffuse completion`, which prints a shell's script.
func NewCompletion(stdio *IO) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the shell's completion script",
		Long:  help(`Print the script that completes commands, flags and their values in a shell.`),
		Example: `  source <(diffuse completion bash)
  diffuse completion fish > ~/.config/fish/completions/diffuse.fish`,
		Args:                  arguments("a shell: bash, zsh, fish or powershell", 1, 1),
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(stdio.Out, true)
			case "zsh":
				return root.GenZshCompletion(stdio.Out)
			case "fish":
				return root.GenFishCompletion(stdio.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(stdio.Out)
			}
			return fault.New(fault.Usage, cmd.CommandPath()+" --help", "no completion for %q: the shells are %s", args[0], strings.Join(cmd.ValidArgs, ", "))
		},
	}
}
