package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/sweep"
)

// RecipeOptions are the options of diffuse recipe.
type RecipeOptions struct {
	IO     *IO
	Global *Global
	File   string // empty lists the recipes
	DryRun bool
	Table  bool
}

// NewRecipe is `diffuse recipe`.
func NewRecipe(stdio *IO, g *Global) *cobra.Command {
	o := &RecipeOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "recipe [NAME|FILE]",
		Short: "Do what a notebook of the lesson did, beside its figures",
		Long: help(`Train what a notebook of the lesson trained, draw and score as it did, and print
our figures beside the published ones, each with its terms. Without a NAME the
recipes are listed.

  title: "Notebook 19"
  config: fashion.yaml        # what is trained
  run: lesson-fashion         # its name; recipes that share a net share a run
  set: {train.precision: bf16}
  valid_loss: 0.021           # published, as what follows
  terms: the lesson's classifier, 10,000 test images as reference
  scores:
    - {name: DDIM, samples: 2048, set: {sample.steps: 100}, fid: 8.442, floor: 1.905}

A recipe is trained for hours on two cores. The same command goes on after any
end: with the training at its last checkpoint, with the scores at the first that
is missing. FIDs compare by how far they are above the floor, the FID of as many
real images: the extractors are not the same.`,
			fault.Data, fault.Checkpoint, fault.Diverged, fault.Interrupted),
		Example: `  diffuse recipe
  diffuse recipe nb20 --dry-run
  diffuse recipe nb20
  diffuse recipe nb20 --table`,
		Args:              arguments("a NAME or FILE", 0, 1),
		ValidArgsFunction: beside(config.EmbeddedRecipes),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File = given(args)
			if o.File == "" {
				return listRecipes(o)
			}
			return recipeRun(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.DryRun, "dry-run", false, "print what there is to do, and do nothing")
	f.BoolVar(&o.Table, "table", false, "print the table of what there is, and do nothing")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "table")
	return cmd
}

// cooking is a recipe that was checked and can begin.
type cooking struct {
	*RecipeOptions
	*series
	recipe *config.Recipe
	run    *sweep.Run
	ways   []string // of drawing, one a score: config.Drawing
}

func recipeRun(ctx context.Context, o *RecipeOptions) error {
	c, err := newCooking(o)
	if err != nil {
		return err
	}
	if o.DryRun {
		return c.show(c.list)
	}
	if !o.Table {
		if err := c.cook(ctx); err != nil {
			return err
		}
	}
	return c.show(c.table)
}

// newCooking reads the recipe and resolves its config under each of its scores.
func newCooking(o *RecipeOptions) (*cooking, error) {
	recipe, err := config.LoadRecipe(o.File)
	if err != nil {
		return nil, err
	}
	resolved, err := o.Global.LoadConfig(recipe.Config, recipe.Set...)
	if err != nil {
		return nil, err
	}
	if resolved.Model.Kind != config.UNet && len(recipe.Scores) > 0 {
		return nil, fault.New(fault.Usage, "leave scores out", "%s: %s is a classifier: it draws nothing to score", recipe.File, recipe.Config)
	}
	c := &cooking{
		RecipeOptions: o, recipe: recipe,
		series: &series{
			stdio: o.IO, global: o.Global, quiet: muted(o.IO), what: "recipe", name: recipe.Name,
			file: recipe.File, config: recipe.Config, rename: "name another run in the recipe",
		},
		run: &sweep.Run{Name: recipe.Run, Set: recipe.Set, Config: resolved},
	}
	for _, s := range recipe.Scores {
		r, err := o.Global.LoadConfig(recipe.Config, append(recipe.Set, s.Keys...)...)
		if err != nil {
			return nil, err
		}
		c.ways = append(c.ways, r.Drawing())
	}
	return c, nil
}

// cook trains what is missing of the run, then makes the scores that are missing.
func (c *cooking) cook(ctx context.Context) error {
	err := c.finish(ctx, c.run, "train "+c.run.Name)
	for i := 0; err == nil && i < len(c.ways); i++ {
		err = c.score(ctx, i)
	}
	if ctx.Err() != nil {
		return fault.New(fault.Interrupted, "the same command goes on: diffuse recipe "+shellWord(c.File)+c.Global.runsFlag()+c.Global.dataFlag(),
			"interrupted: what was done is saved")
	}
	return err
}

// score makes score i of the run, unless it is there.
func (c *cooking) score(ctx context.Context, i int) error {
	title := fmt.Sprintf("score %d/%d %s", i+1, len(c.ways), c.recipe.Scores[i].Name)
	record, err := c.look(c.run)
	if err != nil {
		return err
	}
	if !over(record.Status) {
		return fault.New(fault.Failure, "diffuse runs show "+shellWord(c.run.Name)+c.Global.runsFlag(), "run %s is not finished: it is %s", c.run.Name, record.Status)
	}
	if c.scoreOf(record, i) != nil {
		c.say(title + ": made before")
		return nil
	}
	c.say(title)
	return c.series.score(ctx, c.run, c.recipe.Scores[i].Keys...)
}

// scoreOf is the record's latest score that was drawn as score i asks for; nil if
// there is none.
func (c *cooking) scoreOf(record *run.Record, i int) *run.ScoreLine {
	return c.series.scoreOf(c.run, record, func(l *run.ScoreLine) bool { return l.Drawn == c.ways[i] })
}
