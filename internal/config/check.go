package config

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"diffuse/internal/condition"
)

// check refuses values out of range, then values that do not fit each other.
func (r *Resolved) check() error {
	var faults validator.ValidationErrors
	if err := ranges.Struct(&r.Config); errors.As(err, &faults) {
		f := faults[0]
		_, path, _ := strings.Cut(f.Namespace(), ".") // "Config.train.lr"
		return r.wrong(path, "%s %s", path, inWords(f))
	} else if err != nil {
		return err
	}
	for _, rule := range rules {
		if key, fault := rule(&r.Config); fault != "" {
			return r.wrong(key, "%s %s", key, fault)
		}
	}
	return nil
}

// wrong is a usage error at the place that key's value came from.
func (r *Resolved) wrong(key, format string, args ...any) error {
	path, _, _ := strings.Cut(key, "[")
	src := r.Source[path]
	if src == FromDefault && r.File != "" {
		src = Source(r.File) // which could have set it
	}
	return wrong(src, "", format, args...)
}

// ranges checks one value at a time, by the schema's tags.
var ranges = func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("mapstructure") })
	if err := v.RegisterValidation("filename", func(f validator.FieldLevel) bool {
		return filename.MatchString(f.Field().String())
	}); err != nil {
		panic(err)
	}
	return v
}()

// filename is what a name must be to become a folder's name anywhere.
var filename = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$`)

// inWords says what a tag wants, to complete "KEY ...".
func inWords(f validator.FieldError) string {
	want := map[string]string{
		"gt": "be greater than ", "gte": "be at least ", "min": "be at least ",
		"lt": "be less than ", "lte": "be at most ", "max": "be at most ", "eq": "be ",
	}[f.Tag()] + f.Param()
	switch {
	case f.Kind() == reflect.Slice:
		n := reflect.ValueOf(f.Value()).Len()
		return fmt.Sprintf("must have %s values, got %d", strings.TrimPrefix(want, "be "), n)
	case f.Tag() == "oneof":
		want = "be one of " + strings.Join(strings.Fields(f.Param()), ", ")
	case f.Tag() == "filename":
		return fmt.Sprintf("must be at most 64 letters, digits, '.', '_' and '-', and begin with a letter or digit, got %q", f.Value())
	}
	return fmt.Sprintf("must %s, got %v", want, f.Value())
}

// IsName tells whether name can be a run's: a folder's name on any system, and a
// word that no shell reads otherwise.
func IsName(name string) bool { return name != "" && filename.MatchString(name) }

var notInFilename = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// A rule finds values that do not fit each other: the key to blame and what is
// wrong with it, or nothing.
type rule func(*Config) (key, fault string)

var rules = []rule{
	func(c *Config) (string, string) {
		if c.Data.Range[0] >= c.Data.Range[1] {
			return fail("data.range", "must be two increasing values, got %v", c.Data.Range)
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if native := nativeSize(c.Data.Set); c.Data.Size < native {
			return fail("data.size", "must be at least %d, the size of %s's images, got %d", native, c.Data.Set, c.Data.Size)
		}
		return pass()
	},
	func(c *Config) (string, string) {
		levels := len(c.Model.Channels)
		if c.Model.Kind == ResNet {
			if most := 1 << (levels - 1); c.Data.Size > most {
				return fail("data.size", "must be at most %d, since model.channels has %d blocks and each but the first halves it until one pixel is left, got %d", most, levels, c.Data.Size)
			}
			return pass()
		}
		if down := 1 << (levels - 1); c.Data.Size%down != 0 {
			return fail("data.size", "must be a multiple of %d, since model.channels has %d levels and each but the last halves it, got %d", down, levels, c.Data.Size)
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if c.Model.Conditional && c.Model.Kind == ResNet {
			return fail("model.conditional", "is of a U-Net; a classifier tells classes")
		}
		if c.Model.ClassDropout > 0 && !c.Model.Conditional {
			return fail("model.class_dropout", "needs model.conditional true")
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if c.Schedule.BetaMin > c.Schedule.BetaMax {
			return fail("schedule.betamax", "must be at least schedule.betamin (%v), got %v", c.Schedule.BetaMin, c.Schedule.BetaMax)
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if c.Schedule.Continuous && c.Schedule.Kind != "cosine" {
			return fail("schedule.continuous", "needs schedule.kind cosine, which is %s", c.Schedule.Kind)
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if c.Model.Kind == UNet && len(c.Model.Attention) != len(c.Model.Channels) {
			return fail("model.attention", "must have a value for each of the %d levels of model.channels, got %d", len(c.Model.Channels), len(c.Model.Attention))
		}
		return pass()
	},
	func(c *Config) (string, string) {
		for _, ch := range c.Model.Channels {
			if c.Model.Kind == UNet && ch%c.Model.Groups != 0 {
				return fail("model.groups", "must divide all of model.channels, but %d does not divide %d", c.Model.Groups, ch)
			}
		}
		return pass()
	},
	func(c *Config) (string, string) {
		last := len(c.Model.Channels) - 1
		if c.Model.Kind != UNet {
			return pass()
		}
		for i, ch := range c.Model.Channels { // the mid block attends at the last level's width
			if (c.Model.Attention[i] || i == last) && ch%c.Model.HeadDim != 0 {
				return fail("model.head_dim", "must divide the channels of every level that attends, the last one included, but %d does not divide %d", c.Model.HeadDim, ch)
			}
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if c.Sample.Steps > c.Schedule.Steps {
			return fail("sample.steps", "must be at most schedule.steps (%d), got %d", c.Schedule.Steps, c.Sample.Steps)
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if normal := c.Train.SigmaLognormal; len(normal) != 0 && (len(normal) != 2 || normal[1] <= 0) {
			return fail("train.sigma_lognormal", "must be empty or a mean and a deviation above 0, got %v", normal)
		}
		return pass()
	},
	func(c *Config) (string, string) {
		for _, pair := range []struct {
			key    string
			values []float64
		}{{"sample.clip", c.Sample.Clip}, {"sample.sigma_range", c.Sample.SigmaRange}, {"sample.guidance_sigma", c.Sample.GuidanceSigma}, {"sample.class_guidance_sigma", c.Sample.ClassSigma}} {
			if v := pair.values; len(v) != 0 && (len(v) != 2 || v[0] >= v[1]) {
				return fail(pair.key, "must be empty or two increasing values, got %v", v)
			}
		}
		return pass()
	},
	func(c *Config) (string, string) {
		for _, text := range c.Notify.When {
			if _, err := condition.Parse(text); err != nil {
				return fail("notify.when", "has a wrong rule, %v", err)
			}
		}
		return pass()
	},
	func(c *Config) (string, string) { // its text is not shown: it may hold a token
		if w := c.Notify.Webhook; w != "" && !IsReference(w) && !IsWebhook(w) {
			return fail("notify.webhook", "must be the address of a host that takes http:// or https://")
		}
		return pass()
	},
	func(c *Config) (string, string) {
		if !isText(c.Notify.Command) {
			return fail("notify.command", "must be text without control characters")
		}
		return pass()
	},
}

// IsWebhook tells whether alerts can be posted to an address.
func IsWebhook(address string) bool {
	u, err := url.Parse(address)
	return err == nil && isText(address) && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// reference is a ${NAME}, which the environment replaces.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// IsReference tells whether a value has a ${NAME} in it.
func IsReference(value string) bool { return isText(value) && reference.MatchString(value) }

// Expand puts variables in place of a value's ${NAME}, as lookup finds them. An
// error names one that is not set.
func Expand(value string, lookup func(name string) string) (string, error) {
	var missing error
	expanded := reference.ReplaceAllStringFunc(value, func(ref string) string {
		name := ref[2 : len(ref)-1]
		text := lookup(name)
		if text == "" {
			missing = fmt.Errorf("the variable %s is not set", name)
		}
		return text
	})
	return expanded, missing
}

// isText tells whether a string is one that YAML can hold and a person can read.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

func fail(key, format string, args ...any) (string, string) { return key, fmt.Sprintf(format, args...) }
func pass() (string, string)                                { return "", "" }

// nativeSize is the side of a data set's images in pixels; padding only adds.
func nativeSize(set string) int {
	if slices.Contains([]string{"fashion-mnist", "fashion-extract"}, set) {
		return 28
	}
	return 32
}
