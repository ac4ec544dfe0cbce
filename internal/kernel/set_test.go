package kernel

import "testing"

func TestChoose(t *testing.T) {
	t.Cleanup(func() { chosen = nil })
	fastest := Best()
	if err := Choose("portable"); err != nil || Best() != portable {
		t.Errorf("portable chosen: %s, %v", Best().Name(), err)
	}
	if err := Choose("mmx"); err == nil {
		t.Error("a set that does not exist was chosen")
	}
	if err := Choose("auto"); err != nil || Best() != fastest {
		t.Errorf("auto chosen: %s, %v, want %s", Best().Name(), err, fastest.Name())
	}
}
