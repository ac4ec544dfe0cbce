package kernel

import "math"

// AdamArgs is one step of Adam (Kingma and Ba 2015, algorithm 1) or AdamW
// (Loshchilov and Hutter 2019, algorithm 2) over a range of parameters, in
// PyTorch's order of operations:
//
//	g ← GradScale·G
//	AdamW (Decoupled): P ← P·(1 − LR·WeightDecay); Adam: g ← g + WeightDecay·P
//	M ← M + (1−Beta1)·(g − M)
//	V ← Beta2·V + (1−Beta2)·g²
//	P ← P − LR/(1−Beta1^Step) · M / (√V/√(1−Beta2^Step) + Eps)
//	EMA ← EMA + (1−EMADecay)·(P − EMA)
//
// Every operation is rounded to float32, none is fused, so all kernel sets
// give the same bits. Each value depends on its own index only: ranges may be
// stepped in any order and in parallel.
type AdamArgs struct {
	P    []float32 // parameters, updated
	G    []float32 // gradient, left as it is
	M, V []float32 // first and second moment, updated; zero before step 1
	EMA  []float32 // moving average of P, updated; nil for none

	Step         int     // 1 at the first step
	LR           float64 // learning rate of this step
	Beta1, Beta2 float64 // in [0, 1)
	Eps          float64 // added to the denominator
	WeightDecay  float64 // 0 for none
	Decoupled    bool    // AdamW: decay the parameters, not the gradient
	GradScale    float64 // factor on the gradient (clipping); 1 for none
	EMADecay     float64 // share of the old average kept
}

// adamCoefficients are the step's scalars, computed in float64 as PyTorch's
// Python does and rounded once.
type adamCoefficients struct {
	gradScale, shrink, decay float32 // g·gradScale, p·shrink, g+decay·p
	lerp, beta2, square      float32 // 1−β₁, β₂, 1−β₂
	root, eps, step, average float32 // √(1−β₂ᵗ), ε, −lr/(1−β₁ᵗ), 1−ema decay
}

func (a AdamArgs) coefficients() adamCoefficients {
	c := adamCoefficients{
		gradScale: float32(a.GradScale),
		shrink:    1,
		lerp:      float32(1 - a.Beta1),
		beta2:     float32(a.Beta2),
		square:    float32(1 - a.Beta2),
		root:      float32(math.Sqrt(1 - math.Pow(a.Beta2, float64(a.Step)))),
		eps:       float32(a.Eps),
		step:      float32(-a.LR / (1 - math.Pow(a.Beta1, float64(a.Step)))),
		average:   float32(1 - a.EMADecay),
	}
	if a.Decoupled {
		c.shrink = float32(1 - a.LR*a.WeightDecay)
	} else {
		c.decay = float32(a.WeightDecay)
	}
	return c
}

// Adam takes one optimizer step over a's parameters in one pass.
func (s *Set) Adam(a AdamArgs) {
	c := a.coefficients()
	inBlocks(len(a.P), func(i, j int) {
		part := a
		part.P, part.G, part.M, part.V = a.P[i:j], a.G[i:j], a.M[i:j], a.V[i:j]
		if a.EMA != nil {
			part.EMA = a.EMA[i:j]
		}
		s.vec.adam(part, c)
	})
}

// adamPortable converts each product to float32 so that no compiler fuses it.
func adamPortable(a AdamArgs, c adamCoefficients) {
	for i, p := range a.P {
		g := float32(a.G[i] * c.gradScale)
		g += float32(c.decay * p)
		p = float32(p * c.shrink)
		m := a.M[i]
		m += float32(c.lerp * (g - m))
		v := float32(a.V[i]*c.beta2) + float32(float32(c.square*g)*g)
		a.M[i], a.V[i] = m, v
		p += float32(c.step*m) / (float32(math.Sqrt(float64(v)))/c.root + c.eps)
		a.P[i] = p
		if a.EMA != nil {
			a.EMA[i] += float32(c.average * (p - a.EMA[i]))
		}
	}
}
