package train

import (
	"strconv"

	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/tensorfile"
)

// Export is a file of weights that is made of a checkpoint.
type Export struct {
	Average bool        // the moving average of the weights, not themselves
	BF16    bool        // rounded to bfloat16: half the size
	Away    *Checkpoint // extrapolate away from its weights, averaged where it has such; nil is not to
	By      float64     // how far: w + By·(w − Away's)
}

// Export writes the checkpoint's weights to a file of their own. Extrapolated ones
// move away from what a net learned from its own images, where Away was trained on
// those from the checkpoint on ("Neon", Alemohammad et al. 2025); a By from −1
// to 0 averages the two. Errors are of kind fault.Checkpoint.
func (c *Checkpoint) Export(path string, e Export) error {
	net, err := c.unpacked(e.Average, kernel.Best())
	if err != nil {
		return err
	}
	params := net.Params()
	if e.Away != nil {
		if err := extrapolate(params, c, e.Away, e.By); err != nil {
			return err
		}
	}
	ts := tensors("", params, params.Data)
	for i := range ts {
		ts[i].BF16 = e.BF16
	}
	meta := map[string]string{metaFormat: "pt", metaStep: strconv.Itoa(c.Step), metaContract: c.encode()}
	return tensorfile.WriteSafetensors(path, meta, ts)
}

// extrapolate moves c's params away from those of another checkpoint of its net.
func extrapolate(params *model.Params, c, away *Checkpoint, by float64) error {
	if err := away.Extrapolates(&c.Contract); err != nil {
		return err
	}
	other, err := away.unpacked(away.AveragePath != "", kernel.Best())
	if err != nil {
		return err
	}
	for i, w := range params.Data {
		params.Data[i] = w + float32(by)*(w-other.Params().Data[i])
	}
	return nil
}
