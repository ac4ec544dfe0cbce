package run

import "errors"

// Status is how a run stands.
type Status string

// The ways a run stands. All but Running, Crashed and Unknown are said by the
// log's last end line.
const (
	Running     Status = "running"     // a process holds its lock
	Finished    Status = "finished"    // its last step is done
	Reached     Status = "reached"     // the condition of --until was met
	Missed      Status = "missed"      // its last step is done, the condition of --until was not met
	Interrupted Status = "interrupted" // by Ctrl-C; it can be resumed
	Diverged    Status = "diverged"    // numbers were not finite
	Failed      Status = "failed"      // an error ended it
	Crashed     Status = "crashed"     // the process was killed: the log has no end
	Unknown     Status = "unknown"     // an older version wrote no end
)

// ErrNewer is the error of a run whose log a newer version of diffuse wrote.
var ErrNewer = errors.New("written by a newer version of diffuse")

// status is how the run stands, if nobody holds its lock.
func (r *Record) status() Status {
	switch {
	case r.End != nil:
		return r.End.Reason
	case r.Start().Format == 0:
		if start := r.Start(); start.Total > 0 && len(r.Epochs) > 0 && r.Epochs[len(r.Epochs)-1].Step >= start.Total {
			return Finished
		}
		return Unknown
	}
	return Crashed
}
