package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"diffuse/internal/config"
	"diffuse/internal/run"
)

// RecipeResult is a recipe's figures beside the published ones.
type RecipeResult struct {
	Recipe    string       `json:"recipe"`
	Title     string       `json:"title,omitempty"`
	Run       string       `json:"run"`
	Status    run.Status   `json:"status"`
	Steps     int          `json:"steps"`
	Total     int          `json:"total"`
	ValidLoss *float64     `json:"valid_loss"`
	Published *float64     `json:"published_valid_loss,omitempty"`
	Terms     string       `json:"published_terms,omitempty"`
	Scores    []*RecipeRow `json:"scores"`
}

// RecipeRow is one way of drawing: our score, and what was published.
type RecipeRow struct {
	Name      string         `json:"name"`
	Samples   int            `json:"samples"`
	Score     *run.ScoreLine `json:"score"` // nil until it is made
	Published Published      `json:"published"`
}

// Published are figures that somebody else measured; nil and empty where none was.
type Published struct {
	FID   *float64 `json:"fid,omitempty"`
	KID   *float64 `json:"kid,omitempty"`
	Floor *float64 `json:"floor,omitempty"`
	Time  string   `json:"time,omitempty"`
}

// result reads what there is of the recipe.
func (c *cooking) result() (*RecipeResult, error) {
	r := &RecipeResult{
		Recipe: c.recipe.Name, Title: c.recipe.Title, Run: c.run.Name, Status: missing,
		Published: c.recipe.ValidLoss, Terms: c.recipe.Terms, Scores: []*RecipeRow{},
	}
	for _, s := range c.recipe.Scores {
		r.Scores = append(r.Scores, &RecipeRow{Name: s.Name, Samples: s.Samples, Published: Published{s.FID, s.KID, s.Floor, s.Time}})
	}
	record, err := c.look(c.run)
	if err != nil || record == nil {
		return r, err
	}
	r.Status, r.Steps, r.Total = record.Status, record.LastStep(), record.Start().Total
	if e := record.LastEpoch(); e != nil {
		r.ValidLoss = e.ValidLoss
	}
	for i, row := range r.Scores {
		row.Score = c.scoreOf(record, i)
	}
	return r, nil
}

// show reads what there is and prints it: as JSON, or for people.
func (c *cooking) show(forPeople func(*RecipeResult) error) error {
	r, err := c.result()
	if err != nil {
		return err
	}
	if c.Global.JSON {
		return c.IO.PrintJSON(r)
	}
	return forPeople(r)
}

// table prints our figures beside the published ones.
func (c *cooking) table(r *RecipeResult) error {
	w := c.IO.Out
	fmt.Fprintln(w, r.Title)
	fmt.Fprintln(w, r.training())
	if len(r.Scores) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return r.printScores(w)
}

// training says how far the run is, and its loss beside the published one.
func (r *RecipeResult) training() string {
	text := fmt.Sprintf("run %s: %s", r.Run, r.Status)
	if r.Total > 0 {
		text += fmt.Sprintf(", %s of %s steps", thousands(r.Steps), thousands(r.Total))
	}
	if r.ValidLoss != nil {
		text += fmt.Sprintf(", valid loss %.4f", *r.ValidLoss)
	}
	if r.Published != nil {
		text += fmt.Sprintf(" (published valid loss: %g)", *r.Published)
	}
	return text
}

// printScores writes the scores, ours before the published one in each pair of
// columns, and what they mean.
func (r *RecipeResult) printScores(w io.Writer) error {
	ours := func(of func(*run.ScoreLine) string) func(*RecipeRow) string {
		return func(row *RecipeRow) string {
			if row.Score == nil {
				return "—"
			}
			return of(row.Score)
		}
	}
	err := printColumns(w, r.Scores, []column[*RecipeRow]{
		{"drawn by", func(row *RecipeRow) string { return row.Name }},
		{"n", func(row *RecipeRow) string { return thousands(row.Samples) }},
		{"FID, 95 %", ours(fidInterval)},
		{"published", func(row *RecipeRow) string { return number("%.4g", row.Published.FID) }},
		{"× floor", ours(func(l *run.ScoreLine) string { return timesFloor(l.FID, floorOf(l)) })},
		{"published", func(row *RecipeRow) string { return timesFloor(row.Published.FID, row.Published.Floor) }},
		{"KID", ours(func(l *run.ScoreLine) string { return number("%.4f", l.KID) })},
		{"published", func(row *RecipeRow) string { return number("%.4f", row.Published.KID) }},
		{"time", ours(func(l *run.ScoreLine) string { return shortTime(time.Duration(l.Seconds * float64(time.Second))) })},
		{"published", func(row *RecipeRow) string { return row.Published.Time }},
	})
	if err != nil {
		return err
	}
	for _, t := range r.terms() {
		fmt.Fprintln(w, "ours: FID and KID ["+t)
	}
	if r.Terms != "" {
		fmt.Fprintln(w, "published: "+r.Terms)
	}
	return nil
}

// terms are what our scores mean nothing without, each once.
func (r *RecipeResult) terms() (all []string) {
	for _, row := range r.Scores {
		if row.Score == nil {
			continue
		}
		if t := termsOf(row.Score); !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// fidInterval is a score's FID and where other samples of the model would score;
// empty of no score.
func fidInterval(l *run.ScoreLine) string {
	if l == nil {
		return ""
	}
	text := number("%.2f", l.FID)
	if text != "" && l.Interval != nil {
		text += fmt.Sprintf(" %.1f–%.1f", l.Interval[0], l.Interval[1])
	}
	return text
}

// floorOf is the FID of as many real images as the score's.
func floorOf(l *run.ScoreLine) *float64 {
	if l.Floor == nil {
		return nil
	}
	return &l.Floor.FID
}

// timesFloor is how many times a FID is that of real images.
func timesFloor(fid, floor *float64) string {
	if fid == nil || floor == nil || *floor <= 0 {
		return ""
	}
	return strconv.FormatFloat(*fid / *floor, 'f', 2, 64)
}

// list prints what there is to do.
func (c *cooking) list(r *RecipeResult) error {
	w := c.IO.Out
	fmt.Fprintf(w, "train %s, as run %s: %s", strings.TrimSuffix(c.recipe.Config, ".yaml"), r.Run, r.Status)
	if r.Total > 0 {
		fmt.Fprintf(w, ", %s of %s steps", thousands(r.Steps), thousands(r.Total))
	}
	fmt.Fprintln(w)
	for i, row := range r.Scores {
		state := "missing"
		if row.Score != nil {
			state = "made"
		}
		fmt.Fprintf(w, "score %d/%d %s, %s images: %s\n", i+1, len(r.Scores), row.Name, thousands(row.Samples), state)
	}
	_, err := fmt.Fprintln(w, "nothing was done")
	return err
}

// listRecipes prints the recipes in the binary.
func listRecipes(o *RecipeOptions) error {
	type listed struct {
		Name   string `json:"name"`
		Title  string `json:"title"`
		Config string `json:"config"`
		Run    string `json:"run"`
		Scores int    `json:"scores"`
	}
	var all []listed
	for _, name := range config.EmbeddedRecipes() {
		r, err := config.LoadRecipe(name)
		if err != nil {
			return err
		}
		all = append(all, listed{r.Name, r.Title, r.Config, r.Run, len(r.Scores)})
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(all)
	}
	t := newTable(o.IO)
	t.header([]string{"recipe", "trains", "scores", "what"})
	for _, l := range all {
		t.AppendRow([]any{l.Name, l.Config, l.Scores, l.Title})
	}
	return t.print()
}
