package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/train"
)

// samplerFlags are the flags that choose one of the lesson's samplers; --sampler
// chooses any.
var samplerFlags = []struct{ flag, sampler, usage string }{
	{"ddim", "ddim", "sample with DDIM (Song et al. 2021)"},
	{"ddpm", "ddpm", "sample with DDPM (Ho et al. 2020): every step, or --steps of them"},
	{"skip", "skip", "DDPM that calls the net every 3rd step and at the last 50 (keys sample.skip_every, sample.skip_tail)"},
	{"sample-at", "sample_at", "DDPM that calls the net the more often the nearer the end: at 296 of 1,000 steps"},
}

// samplerNames are all samplers, as a shell completes them.
var samplerNames = []string{
	"ddpm\tHo et al. 2020",
	"ddim\tSong et al. 2021",
	"skip\tDDPM with fewer net calls",
	"sample_at\tDDPM with fewer net calls",
	"ddim_cosine\tDDIM at the cosine schedule's noise levels",
	"euler\tKarras et al. 2022, first order",
	"euler_ancestral\tEuler with noise in each step",
	"heun\tKarras et al. 2022, second order, two net calls a step",
	"lms\tlinear multistep",
	"dpmpp_2m\tDPM-Solver++(2M), Lu et al. 2022",
}

// sampleKeys are the flags that set a key of the config.
var sampleKeys = map[string]string{
	"n": "sample.n", "samples": "sample.n", "seed": "sample.seed", "sampler": "sample.sampler", "steps": "sample.steps", "eta": "sample.eta",
	"spacing": "sample.spacing", "variance": "sample.variance", "batch": "sample.batch", "precision": "sample.precision",
	"class": "sample.class", "guidance": "sample.guidance", "guide": "sample.guide",
}

// The samplers that heed a setting; those of a flag begin with one that has a flag
// itself, for the hint.
var (
	heedEta      = []string{"ddim", "ddim_cosine", "euler_ancestral"}
	heedVariance = []string{"ddpm", "skip", "sample_at"}
	heedSpacing  = []string{"ddim", "euler", "euler_ancestral", "heun", "lms", "dpmpp_2m"}
	heedChurn    = []string{"euler", "heun"}
)

// addFlags adds those of a drawing, and where it goes.
func (o *SampleOptions) addFlags(cmd *cobra.Command) {
	o.addDrawFlags(cmd, "n")
	cmd.Flags().StringVarP(&o.Out, "out", "o", "", "where to write: `PATH`.png, .gif, .npy, or a folder for PNGs")
}

// addDrawFlags adds those that say how images are drawn, and how many by the
// flag called count.
func (o *SampleOptions) addDrawFlags(cmd *cobra.Command, count string) {
	f := cmd.Flags()
	f.Int(count, 0, "how many images (key sample.n)")
	f.Int64("seed", 0, "the first image's seed (key sample.seed)")
	f.StringVar(&o.Seeds, "seeds", "", "one image for each seed of a range or list, such as 0-63 or 1,5,9-12")
	names := []string{"sampler"}
	for _, s := range samplerFlags {
		f.Bool(s.flag, false, s.usage)
		names = append(names, s.flag)
	}
	f.String("sampler", "", "sample with `NAME`: also ddim_cosine, euler, euler_ancestral, heun, lms or dpmpp_2m (key sample.sampler)")
	f.Int("steps", 0, "steps of all samplers but --skip and --sample-at; of DDPM where not all (key sample.steps)")
	f.Float64("eta", 0, "DDIM's and euler_ancestral's share of DDPM's noise, 0 to 1 (key sample.eta)")
	f.String("variance", "", "DDPM's sigma² (key sample.variance)")
	f.String("clip", "", "clamp x0_hat to `LO,HI`, or none (key sample.clip)")
	f.String("class", "", "draw this `CLASS` alone, by name or number, with a net that knows classes (key sample.class)")
	f.Float64("guidance", 1, "weight of guidance, two net calls a step; 1 is none (key sample.guidance)")
	f.String("guide", "", "be guided away from this `CHECKPOINT` of the run or file; '' is the net not told the class (key sample.guide)")
	cmd.MarkFlagsMutuallyExclusive(names...)
	cmd.MarkFlagsMutuallyExclusive("seeds", "seed")
	complete(cmd, "sampler", samplerNames...)
	complete(cmd, "variance", "fixed_large\tbeta, the lesson's", "fixed_small\tthe posterior's, diffusers'")
	o.addNetFlags(cmd)
}

// addNetFlags adds those that hold for any sampler: which weights, how they
// multiply, and the noise levels.
func (o *SampleOptions) addNetFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("spacing", "", "which noise levels the steps visit (key sample.spacing)")
	f.Int("batch", 0, "images a worker denoises at a time (key sample.batch)")
	f.String("precision", "", "what the net multiplies in (key sample.precision)")
	f.StringVar(&o.Checkpoint, "checkpoint", train.Last, "which of the run's checkpoints")
	f.BoolVar(&o.EMA, "ema", false, "use the moving average of the weights (the default where there is one)")
	f.BoolVar(&o.Raw, "raw", false, "use the weights themselves")
	cmd.MarkFlagsMutuallyExclusive("ema", "raw")
	completePrecision(cmd)
	complete(cmd, "spacing", "auto\tthe sampler's own", "leading", "trailing", "linspace", "quadratic", "karras\tKarras et al.'s sigmas, rho 7")
	completeCheckpoint(cmd)
}

// readFlags turns the flags into values for the config's sample section.
func (o *SampleOptions) readFlags(f *pflag.FlagSet) error {
	o.Keys = FlagOverrides(f, sampleKeys)
	if f.Changed("clip") {
		text, _ := f.GetString("clip")
		if text == "none" {
			text = ""
		}
		o.Keys = append(o.Keys, config.Override{Key: "sample.clip", Value: text, From: "--clip"})
	}
	for _, s := range samplerFlags {
		if chosen, _ := f.GetBool(s.flag); chosen {
			o.Keys = append(o.Keys, config.Override{Key: "sample.sampler", Value: s.sampler, From: config.Source("--" + s.flag)})
		}
	}
	o.Respaced, o.Counted = f.Changed("steps"), f.Changed("n") || f.Changed("samples")
	return nil
}

// checkFlags refuses a flag that the sampler would not heed.
func (o *SampleOptions) checkFlags(sampler string) error {
	heeds := map[string][]string{
		"--eta":      heedEta,
		"--variance": heedVariance,
		"--steps":    slices.Concat(heedSpacing, []string{"ddpm", "ddim_cosine"}),
		"--spacing":  heedSpacing,
	}
	if o.Respaced {
		heeds["--spacing"] = slices.Concat(heedSpacing, []string{"ddpm"})
	}
	for _, k := range o.Keys {
		if samplers, listed := heeds[string(k.From)]; listed && !slices.Contains(samplers, sampler) {
			return fault.New(fault.Usage, "diffuse sample --"+samplers[0]+" "+string(k.From)+" "+k.Value, "%s: the sampler %s does not use it", k.From, sampler)
		}
	}
	return nil
}
