package cli

import (
	"context"

	"github.com/spf13/pflag"

	"diffuse/internal/dataset/pictures"
	"diffuse/internal/fault"
	"diffuse/internal/judge"
)

// scorePictures scores the pictures of --images: the first so many where
// --samples was given, else all of them.
func scorePictures(ctx context.Context, o *ScoreOptions) (*ScoreResult, error) {
	if o.Given != "" {
		return nil, fault.New(fault.Usage, "leave one of them out", "--images: pictures are scored without a net, but %s was named", o.Given)
	}
	po, err := o.pictureOptions()
	if err != nil {
		return nil, err
	}
	p, err := pictures.Open(o.Images, po)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	j, err := o.judge(ctx, o.IO, o.Global, "")
	if err != nil {
		return nil, err
	}
	defer j.Close()
	r := &ScoreResult{Images: o.Images}
	return r, o.score(ctx, j, judge.Pictures{Pictures: p}, r)
}

// pictureOptions are --samples and --range.
func (o *ScoreOptions) pictureOptions() (p pictures.Options, err error) {
	p.N = o.count
	if o.Range == "" {
		return p, nil
	}
	ends, err := numbers("--range", o.Range, parseFloat)
	if err != nil {
		return p, err
	}
	if len(ends) != 2 || ends[0] >= ends[1] {
		return p, fault.New(fault.Usage, "", "--range: must be two increasing numbers, got %q", o.Range)
	}
	p.Range = [2]float64{ends[0], ends[1]}
	return p, nil
}

// readCount keeps --samples for pictures, which no config tells of.
func (o *ScoreOptions) readCount(f *pflag.FlagSet) error {
	if !f.Changed("samples") {
		return nil
	}
	n, err := f.GetInt("samples")
	if err == nil && n < 2 {
		err = fault.New(fault.Usage, "", "--samples: must be at least 2, got %d", n)
	}
	o.count = n
	return err
}
