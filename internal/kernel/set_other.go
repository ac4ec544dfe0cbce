//go:build !amd64

package kernel

// machineSets are the assembly Sets: none for this architecture yet.
func machineSets() []*Set { return nil }
