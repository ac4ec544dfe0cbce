//go:build !unix

package machine

// PeakRSS is 0: this system does not tell.
func PeakRSS() int64 { return 0 }
