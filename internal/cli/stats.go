package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
)

// StatsResult is what diffuse stats wrote.
type StatsResult struct {
	Out       string `json:"out"`
	Reference string `json:"reference"`
	N         int    `json:"n"`
	Dim       int    `json:"dim"`
	Extractor string `json:"extractor"`
	Hash      string `json:"extractor_hash"`
}

// NewStats is `diffuse stats`.
func NewStats(stdio *IO, g *Global) *cobra.Command {
	o := new(JudgeOptions)
	var out, floors string
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Write the statistics of real images that FID needs",
		Long: help(`Write mean and covariance of the features of real images to an .npz, as
pytorch-fid does: its programs read it, and diffuse fid --ref FILE.npz scores
against it. --floors keeps the FID of so many real images in the file, so that
scores of as many have their floor beside them.`, fault.Data, fault.Interrupted),
		Example: `  diffuse stats --ref fashion-mnist/test --out fashion.npz
  diffuse stats --ref fashion-mnist/test --floors 512,2048 --out fashion.npz
  diffuse stats --ref pictures/ --extractor inception --out pictures.npz`,
		Args: noArguments("--ref"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var counts []int
			if floors != "" {
				var err error
				if counts, err = numbers("--floors", floors, strconv.Atoi); err != nil {
					return err
				}
			}
			o.rows = true
			j, err := o.judge(cmd.Context(), stdio, g, "")
			if err != nil {
				return err
			}
			defer j.Close()
			if err := j.WriteStatistics(cmd.Context(), out, counts); err != nil {
				return err
			}
			r := StatsResult{
				Out: out, Reference: j.Reference(), N: j.Moments().N, Dim: j.Moments().Dim(),
				Extractor: j.Extractor().Name, Hash: j.Extractor().Hash,
			}
			if g.JSON {
				return stdio.PrintJSON(r)
			}
			_, err = fmt.Fprintf(stdio.Out, "%s: %d features of %s %d by %s@%.4s\n", r.Out, r.Dim, r.Reference, r.N, r.Extractor, r.Hash)
			return err
		},
	}
	o.addReferenceFlags(cmd, g)
	cmd.Flags().StringVarP(&out, "out", "o", "", "the `FILE`.npz to write")
	cmd.Flags().StringVar(&floors, "floors", "", "of how many real images to keep the FID, a `LIST`, such as 512,2048")
	must(cmd.MarkFlagRequired("out"))
	return cmd
}
