package config

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Recipe is what a recipe's file says: one config to train, ways to draw with the
// net, and what somebody published of each.
type Recipe struct {
	File      string // as errors call it
	Name      string // the file's
	Title     string
	Config    string // that is trained, as LoadOptions.File
	Run       string // what its run is called; recipes that share a net share a run
	Set       []Override
	Terms     string   // of the published scores: extractor, reference, machine
	ValidLoss *float64 // published, at the end of training
	Scores    []RecipeScore
}

// RecipeScore is one way of drawing and scoring, and what was published of it.
type RecipeScore struct {
	From    Source
	Name    string
	Samples int        // how many images are drawn
	Keys    []Override // of the sample section, Samples as sample.n among them
	FID     *float64   // published, as all below; nil where nothing was
	KID     *float64
	Floor   *float64 // the FID of as many real images
	Time    string   // of drawing, as it was written
}

// The keys of a recipe's file and of one of its scores.
var (
	recipeKeys = []string{"title", "config", "run", "set", "terms", "valid_loss", "scores"}
	scoreKeys  = []string{"name", "samples", "set", "fid", "kid", "floor", "time"}
)

// EmbeddedRecipes are the names of the recipes in the binary.
func EmbeddedRecipes() []string { return shippedRecipes.names() }

// LoadRecipe reads a recipe's file: a path, or the name of one in
// ./configs/recipes or in the binary. Errors are of kind Usage and say where the
// first wrong thing stands. Whether values are in range and fit each other, Load
// says of the config.
func LoadRecipe(name string) (*Recipe, error) {
	file, text, err := shippedRecipes.find(name, "")
	if err != nil {
		return nil, err
	}
	return parseRecipe(file, text)
}

// parseRecipe reads a recipe from the text of its file.
func parseRecipe(file string, text []byte) (*Recipe, error) {
	body, err := parseYAML("recipe", file, text)
	if err != nil {
		return nil, err
	}
	p := &recipeParser{walker: walker{file: file}, recipe: &Recipe{File: file, Name: nameOf(file)}}
	return p.recipe, p.parse(body)
}

// recipeParser fills a recipe from its file.
type recipeParser struct {
	walker
	recipe *Recipe
}

func (p *recipeParser) parse(body ast.Node) error {
	entries, err := p.entries("a recipe", body)
	if err != nil {
		return err
	}
	r := p.recipe
	for _, e := range entries {
		switch e.key {
		case "title":
			r.Title, err = p.text(e)
		case "config":
			r.Config, err = p.configName(e)
		case "run":
			r.Run, err = p.run(e)
		case "set":
			r.Set, err = p.overrides("set", e.node)
		case "terms":
			r.Terms, err = p.text(e)
		case "valid_loss":
			r.ValidLoss, err = p.number(e)
		case "scores":
			err = p.scores(e)
		default:
			err = unknownEntry(e, "a recipe", recipeKeys)
		}
		if err != nil {
			return err
		}
	}
	if r.Config == "" {
		return wrong(Source(r.File), "config: fashion.yaml", "the key config is missing: what is trained")
	}
	if r.Run == "" {
		r.Run = r.Name
	}
	return nil
}

// text is an entry's string.
func (p *recipeParser) text(e entry) (string, error) {
	return exactly(&p.walker, e.key, e, exactString)
}

// run is the name of a run, which is that of a folder.
func (p *recipeParser) run(e entry) (string, error) {
	name, err := p.text(e)
	if err == nil && ranges.Var(name, "filename") != nil {
		err = wrong(e.from, "run: clothes", "run must be a name that a folder can have, got %q", name)
	}
	return name, err
}

// number is an entry's number.
func (p *recipeParser) number(e entry) (*float64, error) {
	x, err := exactly(&p.walker, e.key, e, exactFloat)
	if err != nil {
		return nil, err
	}
	return &x, nil
}

// scores reads the list of ways to draw and score.
func (p *recipeParser) scores(e entry) error {
	list, ok := e.node.(*ast.SequenceNode)
	if !ok {
		return wrong(e.from, "scores: [{name: DDPM, samples: 2048}]", "scores must be a list of sections")
	}
	for _, item := range list.Values {
		s, err := p.score(item)
		if err != nil {
			return err
		}
		p.recipe.Scores = append(p.recipe.Scores, *s)
	}
	return nil
}

func (p *recipeParser) score(item ast.Node) (*RecipeScore, error) {
	s := &RecipeScore{From: at(p.file, item), Samples: Default().Eval.Samples}
	entries, err := p.entries("a score", item)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch e.key {
		case "name":
			s.Name, err = p.text(e)
		case "samples":
			s.Samples, err = p.samples("samples", e)
		case "set":
			s.Keys, err = p.drawing(e)
		case "fid":
			s.FID, err = p.number(e)
		case "kid":
			s.KID, err = p.number(e)
		case "floor":
			s.Floor, err = p.number(e)
		case "time":
			s.Time, err = p.text(e)
		default:
			err = unknownEntry(e, "a score", scoreKeys)
		}
		if err != nil {
			return nil, err
		}
	}
	if s.Name == "" {
		return nil, wrong(s.From, "name: DDIM, 100 steps", "a score needs a name")
	}
	s.Keys = append(s.Keys, Override{"sample.n", strconv.Itoa(s.Samples), s.From})
	return s, nil
}

// drawing are the keys of a score, which can only say how images are drawn.
func (p *recipeParser) drawing(e entry) ([]Override, error) {
	keys, err := p.overrides("set", e.node)
	for _, k := range keys {
		if !strings.HasPrefix(k.Key, "sample.") || k.Key == "sample.n" {
			return nil, wrong(k.From, "samples: 2048 says how many images", "a score sets keys of the sample section, not %s", k.Key)
		}
	}
	return keys, err
}
