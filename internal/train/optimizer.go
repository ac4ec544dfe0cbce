package train

import (
	"time"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/profile"
	"diffuse/internal/team"
)

// optimizer is Adam or AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019) with
// PyTorch's arithmetic, or Muon with AdamW for what is no matrix, and the moving
// average of the weights. All slices are laid out as the parameters.
type optimizer struct {
	config  config.Train
	kernels *kernel.Set
	team    *team.Team
	profile *profile.Profile
	m, v    []float32 // first and second moments
	average []float32 // moving average of the weights; nil when off
	now     adamStep

	matrices   []matrix // that Muon steps
	spans      []span   // that Adam steps
	orthogonal []*orthogonalizer
}

func newOptimizer(c config.Train, k *kernel.Set, workers *team.Team, params *model.Params) *optimizer {
	o := &optimizer{config: c, kernels: k, team: workers}
	o.m = make([]float32, len(params.Data))
	o.v = make([]float32, len(params.Data))
	if c.EMA > 0 {
		o.average = append([]float32(nil), params.Data...)
	}
	if c.Optimizer != config.Muon {
		o.spans = appendSpans(nil, 0, params.Trained())
		return o
	}
	o.matrices, o.spans = matrices(params)
	for range workers.Workers() {
		o.orthogonal = append(o.orthogonal, newOrthogonalizer(k, o.matrices))
	}
	return o
}

// adamStep is what one update is computed with.
type adamStep struct {
	params, gradient []float32
	lr, beta1        float64
	clip             float64 // factor on the gradient
	update           int     // updates before this one
}

// update changes the trained parameters, the moments and the average by one step;
// Adam's in one pass over memory.
func (o *optimizer) update(s adamStep) {
	o.now = s
	_ = o.team.Run(len(o.matrices)+len(o.spans), updates{o}) // they never fail
}

// updates are the matrices and the spans of one step as jobs.
type updates struct{ *optimizer }

// Do updates matrix i, or the span of that number behind the matrices.
func (o updates) Do(worker, i int) error {
	if i < len(o.matrices) {
		m := o.matrices[i]
		defer o.profile.Add("optimizer", time.Now(), m.size(), profile.Work{Flops: m.flops()})
		o.stepMatrix(worker, m)
		return nil
	}
	s := &o.now
	lo, hi := o.spans[i-len(o.matrices)].lo, o.spans[i-len(o.matrices)].hi
	floats := 7 // the gradient is read; parameters and moments are read and written
	a := kernel.AdamArgs{
		P: s.params[lo:hi], G: s.gradient[lo:hi], M: o.m[lo:hi], V: o.v[lo:hi],
		Step: s.update + 1, LR: s.lr, Beta1: s.beta1, Beta2: o.config.Betas[1], Eps: o.config.Eps,
		WeightDecay: o.config.WeightDecay, Decoupled: o.config.Optimizer != "adam", GradScale: s.clip,
	}
	if o.average != nil {
		floats += 2
		a.EMA, a.EMADecay = o.average[lo:hi], emaDecay(o.config, s.update)
	}
	defer o.profile.Add("optimizer", time.Now(), hi-lo, profile.Work{Bytes: float64(4 * floats)})
	o.kernels.Adam(a)
	return nil
}

// track makes the average follow what is not trained but measured.
func (o *optimizer) track(params *model.Params) {
	if o.average != nil {
		copy(o.average[params.Trained():], params.Data[params.Trained():])
	}
}

// clipFactor is what a gradient of this norm is multiplied with so that its
// norm is at most limit (torch.nn.utils.clip_grad_norm_); limit 0 is off.
func clipFactor(norm, limit float64) float64 {
	if limit == 0 {
		return 1
	}
	return min(1, limit/(norm+1e-6))
}

// swap exchanges the parameters with their moving average.
func (o *optimizer) swap(params []float32) {
	_ = o.team.Run(chunks(len(params)), &swaps{params, o.average}) // they never fail
}

// swaps are the chunks of two slices to exchange, as jobs.
type swaps struct{ a, b []float32 }

// Do exchanges chunk i.
func (s *swaps) Do(_, i int) error {
	lo, hi := bounds(i, len(s.a))
	for k := lo; k < hi; k++ {
		s.a[k], s.b[k] = s.b[k], s.a[k]
	}
	return nil
}
