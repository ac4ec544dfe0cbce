package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A module that is not named in the page is asked for only when another one has
// been read: the page would open a round trip later.
func TestEveryModuleIsPreloaded(t *testing.T) {
	html, err := os.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Glob("page/assets/*.js")
	if err != nil || len(modules) < 10 {
		t.Fatalf("%d modules, %v", len(modules), err)
	}
	for _, m := range modules {
		if name := filepath.Base(m); !strings.Contains(string(html), `"/assets/`+name+`"`) {
			t.Errorf("index.html does not name %s", name)
		}
	}
}
