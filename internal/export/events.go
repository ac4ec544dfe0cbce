package export

import (
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is a protobuf message under way. The numbers of fields below are those
// of TensorFlow's event.proto, summary.proto and tensor.proto, and of
// TensorBoard's plugins/hparams/api.proto and plugin_data.proto.
type message []byte

func (m message) text(field protowire.Number, s string) message {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), s)
}

func (m message) bytes(field protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

func (m message) integer(field protowire.Number, n int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(n))
}

func (m message) double(field protowire.Number, x float64) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), math.Float64bits(x))
}

func (m message) float(field protowire.Number, x float64) message {
	return protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), math.Float32bits(float32(x)))
}

// event is an Event of a step: one of its parts is appended by the caller.
func event(t time.Time, step int) message {
	return message{}.double(1, unixSeconds(t)).integer(2, int64(step))
}

// unixSeconds is a time as TensorBoard counts it; 0 where it is not known.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}

// versionEvent is the first event of a file.
func versionEvent(t time.Time) []byte { return event(t, 0).text(3, "brain.Event:2") }

// summaryEvent is an event of one summary value.
func summaryEvent(t time.Time, step int, value message) []byte {
	return event(t, step).bytes(5, message{}.bytes(1, value))
}

// scalarEvent is a number.
func scalarEvent(s Scalar) []byte {
	return summaryEvent(s.Time, s.Step, message{}.text(1, s.Tag).float(2, s.Value))
}

// imageEvent is a picture of channels (1 gray, 3 RGB, 4 RGBA), as its PNG.
func imageEvent(t time.Time, step int, tag string, width, height, channels int, png []byte) []byte {
	picture := message{}.integer(1, int64(height)).integer(2, int64(width)).integer(3, int64(channels)).bytes(4, png)
	return summaryEvent(t, step, message{}.text(1, tag).bytes(4, picture))
}

// hparamsEvent is one of the hparams plugin's three summaries; field is its
// content's in HParamsPluginData.
func hparamsEvent(t time.Time, tag string, field protowire.Number, content message) []byte {
	const version = 0
	data := message{}.integer(1, version).bytes(field, content)
	plugin := message{}.text(1, "hparams").bytes(2, data)
	// The value is in the metadata; readers still want a tensor: one zero.
	const float32Type = 1
	shape := message{}.bytes(2, message{}.integer(1, 1))
	tensor := message{}.integer(1, float32Type).bytes(2, shape).float(5, 0)
	return summaryEvent(t, 0, message{}.text(1, tag).bytes(8, tensor).bytes(9, message{}.bytes(1, plugin)))
}

// The types of hyperparameters in hparams' DataType.
const (
	typeString  = 1
	typeBool    = 2
	typeFloat64 = 3
)
