package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"diffuse/internal/dataset"
	"diffuse/internal/dataset/pictures"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/judge"
	"diffuse/internal/kernel"
	"diffuse/internal/train"
)

// JudgeOptions say what images are compared with, and by what.
type JudgeOptions struct {
	Ref       string // train, test, SET/SPLIT, a folder, an .npy or an .npz
	Extractor string // fashion-resnet, inception, a run or a file; empty: what suits the data set
	Dims      int    // of Inception's features
	Precision string // of the extractor
	KID       string // estimator
	NoFloor   bool
	Cache     string // folder
	ScoreSeed uint64
	rows      bool // the reference's features are needed, not only their moments
}

// defaultJudge is how images are judged where nothing else is said.
func defaultJudge(g *Global) JudgeOptions {
	return JudgeOptions{Ref: "test", Dims: 2048, Precision: string(kernel.FP32), KID: eval.KIDBlocks, Cache: g.cache()}
}

// addReferenceFlags adds those that say whose features are compared with.
func (o *JudgeOptions) addReferenceFlags(cmd *cobra.Command, g *Global) {
	*o = defaultJudge(g)
	f := cmd.Flags()
	f.StringVar(&o.Ref, "ref", o.Ref, "real images: `train`, test, fashion-mnist/test, a folder, an .npy, or an .npz of statistics")
	f.StringVar(&o.Extractor, "extractor", "", "net whose features are compared: `fashion-resnet` (in the binary), inception, a run or a file of a classifier")
	f.IntVar(&o.Dims, "dims", o.Dims, "which of Inception's features: 64, 192, 768 or 2048")
	f.StringVar(&o.Precision, "extract-precision", o.Precision, "what the extractor multiplies in")
	f.StringVar(&o.Cache, "cache", o.Cache, "`folder` of features and floors; none keeps nothing (variable DIFFUSE_CACHE)")
	complete(cmd, "extract-precision", "fp32", "bf16")
	complete(cmd, "extractor", "fashion-resnet\tin the binary", "inception\tpytorch-fid's InceptionV3")
	complete(cmd, "ref", "test", "train")
}

// addJudgeFlags adds those and what is measured.
func (o *JudgeOptions) addJudgeFlags(cmd *cobra.Command, g *Global) {
	o.addReferenceFlags(cmd, g)
	f := cmd.Flags()
	f.StringVar(&o.KID, "kid", o.KID, "KID's estimator: blocks (the lesson's), whole or subsets (torch-fidelity's)")
	f.BoolVar(&o.NoFloor, "no-floor", false, "do not score real images beside")
	f.Uint64Var(&o.ScoreSeed, "score-seed", 0, "seed of the floor's images, subsets and intervals")
	complete(cmd, "kid", "blocks\tthe lesson's contiguous blocks", "whole\tall pairs", "subsets\t100 subsets of 1,000, as torch-fidelity")
}

// cache is the folder of caches: the variable's, or the user's.
func (g *Global) cache() string {
	if dir := g.lookup("DIFFUSE_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "none"
	}
	return filepath.Join(dir, "diffuse")
}

// judge makes the judge of images that a net of this data set draws.
func (o *JudgeOptions) judge(ctx context.Context, stdio *IO, g *Global, set string) (*judge.Judge, error) {
	if !slices.Contains(eval.KIDEstimators(), o.KID) {
		return nil, fault.New(fault.Usage, "", "--kid: must be one of %s, got %q", strings.Join(eval.KIDEstimators(), ", "), o.KID)
	}
	if err := checkPrecision("--extract-precision", o.Precision); err != nil {
		return nil, err
	}
	e, err := o.extractor(g, set)
	if err != nil {
		return nil, err
	}
	ref, err := o.reference(ctx, g, cmp.Or(set, e.DataSet), e)
	if err != nil {
		return nil, err
	}
	store := judge.Store{Dir: o.Cache}
	if o.Cache == "none" {
		store.Dir = ""
	}
	bar := newScoreProgress(stdio, g)
	defer bar.clear()
	return judge.New(ctx, judge.Options{
		Extractor: e, Reference: ref, Store: store, Kernels: kernel.Best().Name(), Workers: g.Workers,
		Estimator: o.KID, Seed: o.ScoreSeed, NoFloor: o.NoFloor, Progress: bar.report,
	})
}

// extractorFor is the name of the extractor that images of a data set are scored by.
func (o *JudgeOptions) extractorFor(set string) string {
	switch {
	case o.Extractor != "":
		return o.Extractor
	case set == dataset.CIFAR10:
		return dataset.Inception
	}
	return judge.FashionResNet
}

// extractor is the one that was asked for, or what suits a data set.
func (o *JudgeOptions) extractor(g *Global, set string) (*judge.Extractor, error) {
	kernels := kernelsIn(o.Precision)
	switch name := o.extractorFor(set); name {
	case judge.FashionResNet:
		return judge.Fashion(kernels)
	case dataset.Inception:
		path := judge.InceptionPath(g.Data)
		if !isFile(path) {
			return nil, fault.New(fault.Data, "diffuse data fetch inception"+g.dataFlag()+"\nor put pytorch-fid's file there yourself",
				"%s is not there: Inception's weights", path)
		}
		return judge.Inception(path, o.Dims, kernels)
	default:
		p, err := pickCheckpoint(g, name, train.Last)
		if err != nil {
			return nil, err
		}
		return judge.ClassifierFile(p.Weights, kernels)
	}
}

// hasStatistics tells whether a split that is not on this machine has its
// statistics in the binary. A folder of data that was named must hold it.
func (o *JudgeOptions) hasStatistics(g *Global, set string, split dataset.Split) bool {
	if o.rows || g.Data != "" || set != dataset.FashionMNIST || split != dataset.Test || o.extractorFor(set) != judge.FashionResNet {
		return false
	}
	_, err := os.Stat(dataset.Folder(g.Data, set))
	return errors.Is(err, fs.ErrNotExist)
}

// reference is what --ref names, seen from a data set.
func (o *JudgeOptions) reference(ctx context.Context, g *Global, set string, e *judge.Extractor) (*judge.Reference, error) {
	name, split := set, o.Ref
	if before, after, ok := strings.Cut(o.Ref, "/"); ok && slices.Contains(dataset.Names(), before) {
		name, split = before, after
	}
	splits := map[string]dataset.Split{"train": dataset.Train, "test": dataset.Test}
	if which, ok := splits[split]; ok {
		if name == "" {
			return nil, fault.New(fault.Usage, "--ref fashion-mnist/"+split, "--ref: of which data set is %s?", split)
		}
		if o.hasStatistics(g, name, which) {
			g.Log.Warn("Fashion-MNIST is not here: scored by the statistics of its test images in the binary, without KID, precision and recall; diffuse data fetch fashion-mnist brings it")
			return judge.FashionStatistics(e)
		}
		return judge.SetReference(name, g.Data, which)
	}
	if _, err := os.Stat(o.Ref); err != nil {
		return nil, fault.New(fault.Usage, "", "--ref: must be train, test, SET/train, SET/test, a folder, an .npy or an .npz, got %q", o.Ref)
	}
	if strings.EqualFold(filepath.Ext(o.Ref), ".npz") {
		return judge.StatisticsReference(o.Ref, e)
	}
	return judge.PicturesReference(ctx, o.Ref, pictures.Options{})
}

// scoreProgress shows how far each stage of a score is: a bar on a terminal,
// lines elsewhere.
type scoreProgress struct {
	stdio *IO
	quiet bool
	stage string
	bar   *progressbar.ProgressBar
	told  time.Time
}

func newScoreProgress(stdio *IO, g *Global) *scoreProgress {
	return &scoreProgress{stdio: stdio, quiet: g.Quiet}
}

// stages are what a stage is called while it runs.
var stages = map[string]string{
	"reference": "features of the reference", "samples": "drawing and scoring", "floor": "features of the floor",
}

func (p *scoreProgress) report(stage string, done, total int) {
	switch {
	case p.quiet:
	case p.stdio.ErrIsTerminal:
		if stage != p.stage {
			p.clear()
			p.bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(p.stdio.Err), progressbar.OptionSetDescription(cmp.Or(stages[stage], stage)),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth(), progressbar.OptionShowCount(),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
		}
		_ = p.bar.Set(done) // a bar that cannot be drawn stops nothing
	case stage != p.stage || time.Since(p.told) >= lineEvery*time.Second || done == total:
		fmt.Fprintf(p.stdio.Err, "%s: %d of %d images\n", cmp.Or(stages[stage], stage), done, total)
		p.told = time.Now()
	}
	p.stage = stage
}

func (p *scoreProgress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
