// Package config holds the YAML schema as typed structs: what an experiment is.
// A value comes from a flag, else a DIFFUSE_* variable, else the file, else Default.
package config

// Version is the schema's version; a file of another version is refused.
const Version = 1

// Config is one experiment. Every key is reachable by --set path.to.key=value.
type Config struct {
	Version  int      `mapstructure:"version" validate:"eq=1" doc:"schema version"`
	Name     string   `mapstructure:"name" validate:"filename" doc:"what the experiment is called; runs are named after it"`
	Data     Data     `mapstructure:"data"`
	Schedule Schedule `mapstructure:"schedule"`
	Model    Model    `mapstructure:"model"`
	Train    Train    `mapstructure:"train"`
	Sample   Sample   `mapstructure:"sample"`
	Eval     Eval     `mapstructure:"eval" json:",omitzero"`
	Notify   Notify   `mapstructure:"notify" json:",omitzero"`
}

// Data names the images and how they become numbers.
type Data struct {
	Set   string     `mapstructure:"set" validate:"oneof=fashion-mnist fashion-extract cifar-10" doc:"data set"`
	Size  int        `mapstructure:"size" validate:"min=1,max=256" doc:"side of the square the images are zero-padded to before scaling, pixels"`
	Range [2]float64 `mapstructure:"range" validate:"dive,gte=-1000000,lte=1000000" doc:"input range: what 0 and 255 become, after padding"`
	Flip  bool       `mapstructure:"flip" doc:"mirror every other training image at random"`
	Crop  int        `mapstructure:"crop" json:",omitempty" validate:"min=0,max=64" doc:"move training images at random by up to so many pixels; what comes in is black"`
	Train int        `mapstructure:"train" validate:"min=0,max=1000000000" doc:"use only the first so many training images; 0 is all"`
	Valid int        `mapstructure:"valid" validate:"min=0,max=1000000000" doc:"use only the first so many validation images; 0 is all"`
}

// Schedule is the noise schedule (internal/schedule has the formulas).
type Schedule struct {
	Kind       string  `mapstructure:"kind" validate:"oneof=linear scaled_linear cosine squaredcos_cap_v2 sigmoid" doc:"kind of schedule"`
	Steps      int     `mapstructure:"steps" validate:"min=2,max=100000" doc:"T, the number of diffusion steps"`
	BetaMin    float64 `mapstructure:"betamin" validate:"gt=0,lt=1" doc:"beta at the first step (linear, scaled_linear, sigmoid)"`
	BetaMax    float64 `mapstructure:"betamax" validate:"gt=0,lt=1" doc:"beta at the last step (linear, scaled_linear, sigmoid)"`
	Predict    string  `mapstructure:"predict" json:",omitempty" validate:"oneof=eps v" doc:"what the net predicts at these levels: eps, the noise, or v = sqrt(alphabar)*eps - sqrt(1-alphabar)*x_0"`
	Continuous bool    `mapstructure:"continuous" doc:"draw t from [0,1) instead of whole steps (cosine only), clamped at 0.999"`
}

// What a U-Net predicts.
const (
	Eps = "eps" // the noise
	V   = "v"   // the velocity (Salimans and Ho 2022)
)

// The kinds of nets.
const (
	UNet   = "unet"
	ResNet = "resnet"
)

// Model is diffusers' UNet2DModel, or the lesson's ResNet, which classifies and
// has channels only; image channels follow from the data set.
type Model struct {
	Kind      string `mapstructure:"kind" json:",omitempty" validate:"oneof=unet resnet" doc:"unet: predicts noise; resnet: classifies, and its features score images"`
	Channels  []int  `mapstructure:"channels" validate:"min=1,max=8,dive,min=1,max=4096" doc:"channels of each level, from full resolution down"`
	Layers    int    `mapstructure:"layers" validate:"min=1,max=8" doc:"ResNet blocks a level (one more on the way up)"`
	Attention []bool `mapstructure:"attention" doc:"which levels attend; as long as channels"`
	MidExtra  int    `mapstructure:"mid_extra" json:",omitempty" validate:"min=0,max=64" doc:"pairs of attention and ResNet block in the middle beyond diffusers' one"`
	HeadDim   int    `mapstructure:"head_dim" validate:"min=1,max=256" doc:"channels of one attention head"`
	Groups    int    `mapstructure:"groups" validate:"min=1" doc:"groups of every GroupNorm; must divide all channels"`
	Init      string `mapstructure:"init" validate:"oneof=default ddpm" doc:"initial weights: PyTorch's, or the lesson's init_ddpm on top"`

	Conditional  bool    `mapstructure:"conditional" json:",omitempty" doc:"tell the U-Net each image's class (diffusers' class_embedding), so that it can draw one class, and better ones"`
	ClassDropout float64 `mapstructure:"class_dropout" json:",omitempty" validate:"gte=0,lt=1" doc:"conditional: share of training images whose class is not told; guidance needs some, 0.1 is usual"`
}

// Function is m without what only matters while it is trained: nets of the same
// compute the same from the same weights.
func (m Model) Function() Model {
	m.Init, m.ClassDropout = "", 0
	return m
}

// Muon is the optimizer that steps matrices as a whole.
const Muon = "muon"

// Train is the optimisation.
type Train struct {
	Seed            int64      `mapstructure:"seed" doc:"seed of weights, shuffling, timesteps and noise"`
	Epochs          int        `mapstructure:"epochs" validate:"min=1,max=1000000" doc:"passes over the training images"`
	Steps           int        `mapstructure:"steps" validate:"min=0,max=1000000000" doc:"end after so many optimizer steps, whatever the epochs; 0 is no limit"`
	Batch           int        `mapstructure:"batch" validate:"min=1,max=1000000" doc:"images a step"`
	MicroBatch      int        `mapstructure:"micro_batch" validate:"min=1,max=4096" doc:"most images a worker takes at a time; memory follows it"`
	Lanes           int        `mapstructure:"lanes" validate:"min=1,max=64" doc:"gradient sums kept apart and added in a fixed order; workers beyond it idle"`
	Precision       string     `mapstructure:"precision" validate:"oneof=fp32 bf16" doc:"what the net multiplies in; sums and all else are fp32"`
	From            string     `mapstructure:"from" json:",omitempty" doc:"the run, file or net in the binary whose weights training begins with, averaged ones where there are some; empty is random ones; model.mid_extra may be larger than theirs"`
	Optimizer       string     `mapstructure:"optimizer" validate:"oneof=adam adamw muon" doc:"optimizer; adamw decouples weight decay, muon makes the steps of matrices orthogonal"`
	LR              float64    `mapstructure:"lr" validate:"gt=0" doc:"learning rate, the highest one of the schedule"`
	Betas           [2]float64 `mapstructure:"betas" validate:"dive,gte=0,lt=1" doc:"Adam's beta1 and beta2 (onecycle cycles beta1)"`
	Eps             float64    `mapstructure:"eps" validate:"gt=0" doc:"Adam's epsilon"`
	WeightDecay     float64    `mapstructure:"weight_decay" validate:"min=0" doc:"weight decay"`
	LRSchedule      string     `mapstructure:"lr_schedule" validate:"oneof=onecycle cosine constant" doc:"learning-rate schedule"`
	Warmup          int        `mapstructure:"warmup" validate:"min=0,max=1000000000" doc:"steps of linear warm-up (cosine, constant)"`
	Clip            float64    `mapstructure:"clip" validate:"min=0" doc:"largest global norm of the gradient; 0 is off"`
	MinSNR          float64    `mapstructure:"min_snr" json:",omitempty" validate:"min=0" doc:"gamma of min-SNR weighting, which evens out the noise levels' losses; 5 is its paper's, 0 is off"`
	SigmaLognormal  []float64  `mapstructure:"sigma_lognormal" json:",omitempty" validate:"max=2" doc:"draw noise levels from EDM's distribution: these are the mean (P_mean) and deviation (P_std) of ln sigma; empty draws all steps alike"`
	EMA             float64    `mapstructure:"ema" validate:"gte=0,lt=1" doc:"decay of the moving average of the weights; 0 is off"`
	EMAWarmup       bool       `mapstructure:"ema_warmup" doc:"let the decay grow as (1+step)/(10+step) up to ema"`
	CheckpointEvery int        `mapstructure:"checkpoint_every" validate:"min=0,max=1000000000" doc:"steps between checkpoints within an epoch; 0 is only at its end"`
	KeepEvery       int        `mapstructure:"keep_every" validate:"min=0,max=1000000000" doc:"keep the checkpoint of every so many epochs; 0 keeps last and best only"`
	GridEvery       int        `mapstructure:"grid_every" validate:"min=0,max=1000000000" doc:"epochs between sample grids; 0 is none"`
	GridImages      int        `mapstructure:"grid_images" validate:"min=1,max=1024" doc:"images in a sample grid"`
}

// Sample is how images are drawn; the flags of `diffuse sample` start from it.
type Sample struct {
	Sampler       string    `mapstructure:"sampler" validate:"oneof=ddpm ddim skip sample_at ddim_cosine euler euler_ancestral heun lms dpmpp_2m" doc:"default sampler (docs/samplers.md has the equations)"`
	Variance      string    `mapstructure:"variance" validate:"oneof=fixed_large fixed_small" doc:"DDPM's sigma^2: beta (the lesson's) or the posterior's (diffusers')"`
	Steps         int       `mapstructure:"steps" validate:"min=1" doc:"steps of every sampler but ddpm, skip and sample_at"`
	Eta           float64   `mapstructure:"eta" validate:"min=0,max=1" doc:"ddim, ddim_cosine, euler_ancestral: share of DDPM's noise"`
	Spacing       string    `mapstructure:"spacing" validate:"oneof=auto leading trailing linspace quadratic karras" doc:"which noise levels the steps visit; auto is karras for samplers that work in sigma, else leading"`
	SigmaRange    []float64 `mapstructure:"sigma_range" json:",omitempty" validate:"max=2,dive,gt=0,lte=1000000" doc:"karras spacing: the least and the largest sigma visited, within the schedule's; empty is all of its range"`
	Order         int       `mapstructure:"order" json:",omitempty" validate:"min=1,max=4" doc:"lms: how many slopes a step joins"`
	Churn         float64   `mapstructure:"churn" json:",omitempty" validate:"min=0,max=1000000" doc:"euler, heun: S_churn, noise added before the steps; 0 is none"`
	SkipEvery     int       `mapstructure:"skip_every" validate:"min=1,max=100000" doc:"skip: call the net every so many steps"`
	SkipTail      int       `mapstructure:"skip_tail" validate:"min=0,max=100000" doc:"skip: and at every step below this one"`
	Clip          []float64 `mapstructure:"clip" validate:"max=2" doc:"clamp x0_hat to these two values; empty is off"`
	Class         string    `mapstructure:"class" json:",omitempty" doc:"conditional net: the class of every image, by name or number; empty draws one for each image, by its seed"`
	Guidance      float64   `mapstructure:"guidance" json:",omitempty" validate:"gte=1,lte=100" doc:"weight of guidance, away from what guide says, which takes two net calls a step; 1 is none"`
	Guide         string    `mapstructure:"guide" json:",omitempty" doc:"what guides: a worse checkpoint of the run, such as epoch-0004, or a file (autoguidance); empty is the conditional net itself, told no class (classifier-free guidance)"`
	GuidanceSigma []float64 `mapstructure:"guidance_sigma" json:",omitempty" validate:"max=2,dive,gte=0,lte=1000000" doc:"guide only between these two levels of sigma = sqrt((1-alphabar)/alphabar), so that the others take one call; empty is at all"`
	ClassGuidance float64   `mapstructure:"class_guidance" json:",omitempty" validate:"gte=0,lte=100" doc:"beside a guide, how far away from the conditional net itself told no class as well, which takes one more call; 0 is not"`
	ClassSigma    []float64 `mapstructure:"class_guidance_sigma" json:",omitempty" validate:"max=2,dive,gte=0,lte=1000000" doc:"the two levels of sigma between which class_guidance guides; empty is at all"`
	Seed          int64     `mapstructure:"seed" validate:"min=0" doc:"first seed"`
	N             int       `mapstructure:"n" validate:"min=1,max=1000000" doc:"how many images"`
	Batch         int       `mapstructure:"batch" validate:"min=1,max=4096" doc:"images a worker denoises at a time"`
	Precision     string    `mapstructure:"precision" validate:"oneof=fp32 bf16" doc:"what the net multiplies in when it draws"`
}

// GuidedByClass tells whether the conditional net itself, told no class, guides beside
// another net.
func (s Sample) GuidedByClass() bool {
	return s.Guidance > 1 && s.Guide != "" && s.ClassGuidance > 0
}

// Eval is how a run is scored while it trains.
type Eval struct {
	Every   int `mapstructure:"every" validate:"min=0,max=1000000000" doc:"epochs between scores (FID, KID) of drawn images; 0 is none"`
	Samples int `mapstructure:"samples" validate:"min=2,max=1000000" doc:"how many images are drawn for a score"`
}

// Notify is who is told what of a run (docs/notify.md).
type Notify struct {
	When    []string `mapstructure:"when" validate:"max=64" doc:"what to tell: comparisons such as loss < 0.025, and nan, finished, crashed, interrupted; empty is nan, finished and crashed where somebody is told"`
	Webhook string   `mapstructure:"webhook" secret:"true" doc:"address that alerts are posted to; ${NAME} is taken from the environment then; empty is none"`
	Form    string   `mapstructure:"form" validate:"oneof=auto slack discord ntfy json" doc:"what the webhook takes; auto follows its host"`
	Command string   `mapstructure:"command" doc:"command line that the shell runs for each alert, with DIFFUSE_MESSAGE and more in its environment; empty is none"`
}
