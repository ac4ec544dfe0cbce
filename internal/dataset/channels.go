package dataset

// Channels is how many channels a data set's images have: known by its name,
// so that a net can be laid out before there is data.
func Channels(name string) int {
	if name == CIFAR10 {
		return 3
	}
	return 1
}
