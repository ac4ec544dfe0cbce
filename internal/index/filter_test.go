package index

import (
	"context"
	"slices"
	"testing"

	"diffuse/internal/fault"
)

func TestFilterAndSort(t *testing.T) {
	runs := t.TempDir()
	for _, r := range []struct{ name, lr, log string }{
		{"alpha", "0.01", start + steps(1, 3) + `{"event":"end","reason":"finished"}` + "\n" + `{"event":"score","step":3,"fid":3.5}` + "\n" + `{"event":"tag","add":["good","old"]}` + "\n"},
		{"beta", "0.001", start + steps(1, 5) + `{"event":"end","reason":"failed","error":"no space left"}` + "\n" + `{"event":"score","step":3,"fid":20}` + "\n"},
		{"gamma", "0.1", start + steps(1, 9) + `{"event":"note","text":"Why so slow?"}` + "\n"},
	} {
		add(t, makeRun(t, runs, r.name, "train.lr="+r.lr), r.log)
	}
	x := open(t, runs)
	refresh(t, x)
	for _, c := range []struct {
		filter, sort string
		want         []string
	}{
		{"", "name", []string{"alpha", "beta", "gamma"}},
		{"", "-train.lr", []string{"gamma", "alpha", "beta"}},
		{"", "fid", []string{"alpha", "beta", "gamma"}},  // what is not known comes last
		{"", "-fid", []string{"beta", "alpha", "gamma"}}, // in both directions
		{"status = finished and fid < 4 and train.lr >= 0.001 and name ~ LPH and tag = good", "", []string{"alpha"}},
		{"fid<=20", "name", []string{"alpha", "beta"}},
		{"fid != 20", "name", []string{"alpha", "gamma"}},
		{"train.lr = 1e-3", "", []string{"beta"}},
		{"train.lr>0.001 AND step<9", "", []string{"alpha"}},
		{"tag != good", "name", []string{"beta", "gamma"}},
		{"tag ~ OL", "", []string{"alpha"}},
		{`error = "no space left"`, "", []string{"beta"}},
		{`note ~ 'so slow'`, "", []string{"gamma"}},
		{"created >= 2026-11-26", "name", []string{"alpha", "beta", "gamma"}},
		{"created < 2026-11-26", "", nil},
		{"data.set = fashion-extract", "name", []string{"alpha", "beta", "gamma"}},
	} {
		all, total, err := x.Runs(context.Background(), Query{Filter: c.filter, Sort: c.sort})
		var names []string
		for _, r := range all {
			names = append(names, r.Name)
		}
		if err != nil || !slices.Equal(names, c.want) || total != len(c.want) {
			t.Errorf("%q by %q: %v, %v, want %v", c.filter, c.sort, names, err, c.want)
		}
	}
	some, total, err := x.Runs(context.Background(), Query{Sort: "name", Limit: 1, Offset: 1})
	if err != nil || total != 3 || len(some) != 1 || some[0].Name != "beta" {
		t.Errorf("second of %d: %+v, %v", total, some, err)
	}
}

func TestWrongFilter(t *testing.T) {
	x := open(t, t.TempDir())
	for _, filter := range []string{
		"fid", "fid <", "fid 4", "< 4", "fid < 4 and", "fid < 4 fid > 3", "fid < 4 or fid > 3", "fdi < 4", "train.lrr = 1", "note = 'open", "fid ! 4", "fid < 4 and and", "and",
	} {
		if _, _, err := x.Runs(context.Background(), Query{Filter: filter}); fault.Code(err) != int(fault.Usage) || fault.Hint(err) == "" {
			t.Errorf("%q: %v", filter, err)
		}
	}
	if _, _, err := x.Runs(context.Background(), Query{Sort: "-fdi"}); fault.Code(err) != int(fault.Usage) {
		t.Errorf("%v", err)
	}
}
