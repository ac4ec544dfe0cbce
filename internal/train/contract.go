package train

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/go-playground/validator/v10"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/model"
)

// FormatVersion is the version of the checkpoints this program writes and reads.
const FormatVersion = 1

// Contract is what a net was trained under and must be run under; it stands in
// the metadata of each checkpoint of weights.
type Contract struct {
	Version    int // FormatVersion
	Config     int // config.Version of the run
	Net        config.Model
	Image      [3]int // height, width, channels
	Range      [2]float64
	Schedule   config.Schedule
	Prediction string // what the net predicts, see PredictsEps
	DataSet    string
	Classes    int `json:",omitempty"` // of a classifier or a conditional U-Net
}

// NewContract is the contract of a config for images of some channels, in so
// many classes.
func NewContract(c *config.Config, channels, classes int) Contract {
	if !knowsClasses(c.Model) {
		classes = 0
	}
	return Contract{
		Classes: classes,
		Version: FormatVersion, Config: c.Version, Net: c.Model,
		Image: [3]int{c.Data.Size, c.Data.Size, channels}, Range: c.Data.Range,
		Schedule: c.Schedule, Prediction: prediction(c.Model.Kind, c.Schedule), DataSet: c.Data.Set,
	}
}

// knowsClasses tells whether a net is made for so many classes.
func knowsClasses(m config.Model) bool { return m.Kind == config.ResNet || m.Conditional }

// What a net predicts.
const (
	PredictsEps     = config.Eps
	PredictsV       = config.V
	PredictsClasses = "classes" // a logit for each class
)

func prediction(kind string, s config.Schedule) string {
	if kind == config.ResNet {
		return PredictsClasses
	}
	return s.Predict
}

// Draws tells whether the net turns noise into images, as no classifier does.
func (c *Contract) Draws() bool { return c.Prediction != PredictsClasses }

// Images are those the net is for.
func (c *Contract) Images() model.Images {
	return model.Images{Size: c.Image[0], Channels: c.Image[2], Classes: c.Classes}
}

// ClassNames are those of the classes that a conditional U-Net draws; nil for
// another net.
func (c *Contract) ClassNames() []string {
	if !c.Net.Conditional {
		return nil
	}
	return dataset.ClassNames(c.DataSet, c.Classes)
}

func (c *Contract) encode() string {
	b, _ := json.Marshal(c) // numbers, strings and bools
	return string(b)
}

// decodeContract reads and checks a contract: it comes from a file.
func decodeContract(s string) (*Contract, error) {
	var version struct{ Version int }
	if err := json.Unmarshal([]byte(s), &version); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if version.Version != FormatVersion {
		return nil, fmt.Errorf("is of format version %d; this program reads version %d", version.Version, FormatVersion)
	}
	c := new(Contract)
	d := json.NewDecoder(strings.NewReader(s))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if c.Net.Kind == "" { // written before there was another
		c.Net.Kind = config.UNet
	}
	if c.Schedule.Predict == "" { // written when all nets predicted the noise
		c.Schedule.Predict = PredictsEps
	}
	return c, c.check()
}

func (c *Contract) check() error {
	if c.Config != config.Version {
		return fmt.Errorf("was trained under config version %d; this program reads version %d", c.Config, config.Version)
	}
	if want := prediction(c.Net.Kind, c.Schedule); c.Prediction != want {
		return fmt.Errorf("predicts %q; this program knows a %s that predicts %s", c.Prediction, c.Net.Kind, want)
	}
	if knowsClasses(c.Net) && (c.Classes < 1 || c.Classes > 100_000) {
		return fmt.Errorf("has %d classes", c.Classes)
	}
	for _, d := range c.Image {
		if d < 1 || d > 1024 {
			return fmt.Errorf("has an image shape of %v", c.Image)
		}
	}
	if c.Image[0] != c.Image[1] || c.Net.Kind == config.UNet && len(c.Net.Attention) != len(c.Net.Channels) {
		return fmt.Errorf("has images of shape %v, %d levels and %d attention flags", c.Image, len(c.Net.Channels), len(c.Net.Attention))
	}
	if lo, hi := c.Range[0], c.Range[1]; !(lo < hi) || math.IsInf(hi-lo, 0) {
		return fmt.Errorf("has an input range of %v", c.Range)
	}
	if err := validator.New().Struct(c); err != nil {
		return fmt.Errorf("contract: %w", err)
	}
	return nil
}

// Agrees checks that a net trained under c fits a config: same net, image
// shape, input range and schedule. The error names what differs.
func (c *Contract) Agrees(want Contract) error {
	return agree(append([]term{{"net", c.Net, want.Net}}, c.terms(&want)...),
		"take the checkpoint's own config, or train a new run", "the checkpoint's %s is %s, the config's is %s")
}

// Begins checks that weights trained under c can be the first ones of a net that is
// to be trained under other: the same net, or one with more blocks in its middle, of
// images of the same shape, that predicts the same. Range and schedule may be others.
// The error names what differs.
func (c *Contract) Begins(other *Contract) error {
	from, to := c.Net.Function(), other.Net.Function()
	from.MidExtra = max(from.MidExtra, to.MidExtra)
	return agree([]term{
		{"net", from, to},
		{"image shape", c.Image, other.Image},
		{"number of classes", c.Classes, other.Classes},
		{"prediction", c.Prediction, other.Prediction},
	}, "train under the config of the run that the weights come from", "train.from: the weights' %s is %s, the config's is %s")
}

// Guides checks that a net trained under c can guide one trained under other: what
// they say is of the same images, whatever the nets. The error names what differs.
func (c *Contract) Guides(other *Contract) error {
	return agree(c.terms(other), "take an earlier checkpoint of the same run", "sample.guide: the guide's %s is %s, the net's is %s")
}

// Extrapolates checks that one can move away from the weights of a net trained under
// c, or towards them, from those of one trained under other: that they are weights of
// the same net, which says the same of the same images. The error names what differs.
func (c *Contract) Extrapolates(other *Contract) error {
	return agree(append([]term{{"net", c.Net.Function(), other.Net.Function()}}, c.terms(other)...),
		"take one that was trained from this net's weights: diffuse train --from", "--away-from: its %s is %s, the net's is %s")
}

// CheckGuidance refuses guidance that a net trained under c cannot be given: to be
// guided by itself, it must know images with their class and without. The
// error is of kind fault.Usage.
func (c *Contract) CheckGuidance(s config.Sample) error {
	if s.Guidance == 1 || s.Guide != "" && !s.GuidedByClass() || c.Net.ClassDropout > 0 {
		return nil
	}
	key, instead := "sample.guidance", "name another checkpoint in sample.guide (--guide)"
	if s.Guide != "" {
		key, instead = "sample.class_guidance", "leave it at 0"
	}
	knows := "knows no classes"
	if c.Net.Conditional {
		knows = "was always told the class"
	}
	return fault.New(fault.Usage, "train with --set model.conditional=true --set model.class_dropout=0.1, or "+instead,
		"%s: the net %s", key, knows)
}

// term is one of those that two contracts are compared by.
type term struct {
	what      string
	got, want any
}

func (c *Contract) terms(want *Contract) []term {
	return []term{
		{"image shape", c.Image, want.Image},
		{"number of classes", c.Classes, want.Classes},
		{"input range", c.Range, want.Range},
		{"noise schedule", c.Schedule, want.Schedule},
		{"prediction", c.Prediction, want.Prediction},
	}
}

// agree refuses the first of terms that differs, by a message of its name and both.
func agree(terms []term, hint, message string) error {
	for _, t := range terms {
		if got, want := show(t.got), show(t.want); got != want {
			return fault.New(fault.Checkpoint, hint, message, t.what, got, want)
		}
	}
	return nil
}

func show(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
