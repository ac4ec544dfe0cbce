//go:build !amd64

package kernel

// machineSets are the assembly Sets: none for this architecture yet.
func machineSets() (sets []*Set, missing []string) { return nil, nil }
