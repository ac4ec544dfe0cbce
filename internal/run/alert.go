package run

// Alert is an event: a condition of the config's notify or of --until was met.
type Alert struct {
	Epoch, Step int      // 0 before the first step
	Rule        string   // such as "fid < 4"
	Value       *float64 // of the metric; nil for a word
	Message     string   // for people, such as "clothes: fid 3.9 < 4 at step 2950 (epoch 25)"
	Bad         bool     // something went wrong
}

// Undelivered is an event: an alert that did not reach whom it was for.
type Undelivered struct {
	Alert
	To  string // "webhook https://hooks.slack.com" or "command"
	Err error
}
