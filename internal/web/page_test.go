package web_test

import (
	"context"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"diffuse/internal/run"
)

func TestPage(t *testing.T) {
	p := openBrowser(t)
	runs := t.TempDir()
	first := makeRun(t, runs, "first", steps, "train.lr=0.005")
	appendAll(t, first, []any{score(3000), end()})
	second := makeRun(t, runs, "second", steps, "train.lr=0.002")
	appendAll(t, second, []any{end(), run.TagLine{Event: "tag", Add: []string{"good"}}})
	live := makeRun(t, runs, "live", 2500, "train.lr=0.01")
	lock, err := live.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	hostile := makeRun(t, runs, "hostile", 10, "name=hostile")
	appendAll(t, hostile, []any{end(), run.NoteLine{Event: "note", Text: attack}, run.TagLine{Event: "tag", Add: []string{attack}}})
	server := httptest.NewServer(handler(t, runs))
	t.Cleanup(func() {
		server.CloseClientConnections() // the stream of events is open as long as the page
		server.Close()
	})

	t.Run("opens with one request of runs and one of curves", func(t *testing.T) { testOpens(t, p, server.URL) })
	t.Run("filters", func(t *testing.T) { testFilters(t, p) })
	t.Run("sorts and groups", func(t *testing.T) { testGroups(t, p, server.URL) })
	t.Run("overlays two runs", func(t *testing.T) { testOverlays(t, p, server.URL) })
	t.Run("shows the config diff", func(t *testing.T) { testDiff(t, p) })
	t.Run("asks for a zoomed range anew", func(t *testing.T) { testZoom(t, p) })
	t.Run("moves the slider of samples", func(t *testing.T) { testSlider(t, p) })
	t.Run("shows a score with its terms", func(t *testing.T) { testScore(t, p) })
	t.Run("opens a run's detail by keyboard", func(t *testing.T) { testDetail(t, p) })
	t.Run("draws a live point", func(t *testing.T) { testLive(t, p, server.URL, live) })
	t.Run("runs no script of a run", func(t *testing.T) { testHostile(t, p, server.URL) })
	t.Run("fits a phone", func(t *testing.T) { testPhone(t, p, server.URL) })
	t.Run("says what to type where there is nothing", func(t *testing.T) { testEmpty(t, p) })

	if errors := p.complaints(); len(errors) > 0 {
		t.Errorf("the console shows errors: %q", errors)
	}
	for _, r := range p.all {
		if !strings.HasPrefix(r, "http://127.0.0.1:") && r != "about:blank" {
			t.Errorf("the page asked for %s", r)
		}
	}
}

// checked are the runs that the table shows as drawn.
const checked = `[...document.querySelectorAll('#table tr.drawn')].map((r) => r.dataset.run).sort().join()`

func testOpens(t *testing.T, p *page, url string) {
	p.open(t, url+"/")
	p.until(t, `document.querySelectorAll('#table tr[data-run]').length === 4 && document.querySelector('.plot canvas') !== null`)
	p.until(t, `document.querySelector('.plot').getAttribute('aria-label').includes('live')`)
	if asked := p.asked("/api/runs?"); len(asked) != 1 {
		t.Errorf("the table took %d requests: %q", len(asked), asked)
	}
	series := p.asked("/api/series")
	if len(series) != 1 || !strings.Contains(series[0], "metric=loss") {
		t.Errorf("the curves took %d requests: %q", len(series), series)
	}
	if got := evaluate[string](t, p, checked); !strings.Contains(got, "live") {
		t.Errorf("%s are drawn, not the run that trains", got)
	}
	if got := evaluate[string](t, p, `document.querySelector('#table [data-run=live] .status').textContent`); got != "running" {
		t.Errorf("live is %q", got)
	}
	if n := evaluate[int](t, p, drawn("first")); n == 0 || n > 1000 {
		t.Errorf("a curve of %d steps has %d points on a chart of 800 pixels", steps, n)
	}
}

// drawn is how many points a run's last answer of the server had.
func drawn(name string) string {
	return `fetch(performance.getEntriesByType('resource').findLast((e) => e.name.includes('/api/series')).name)
		.then((r) => r.json()).then((a) => a.series.find((s) => s.run === '` + name + `').x.length)`
}

func testFilters(t *testing.T, p *page) {
	names := func() string {
		return evaluate[string](t, p, `[...document.querySelectorAll('#table tr[data-run]')].map((r) => r.dataset.run).sort().join()`)
	}
	typed := func(text string) {
		t.Helper()
		p.do(t, chromedp.KeyEvent("/")) // the key that leads to the filter
		p.until(t, `document.activeElement.id === 'filter'`)
		p.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector('#filter').select()`), chromedp.KeyEvent(text+"\r"),
			chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	}
	typed("sec")
	p.until(t, `document.querySelectorAll('#table tr[data-run]').length === 1`)
	if got := names(); got != "second" {
		t.Errorf("sec lets %s through", got)
	}
	typed("train.lr > 0.004")
	p.until(t, `document.querySelectorAll('#table tr[data-run]').length > 1`)
	if got := names(); strings.Contains(got, "second") || !strings.Contains(got, "first") || !strings.Contains(got, "live") {
		t.Errorf("train.lr > 0.004 lets %s through", got)
	}
	if hash := evaluate[string](t, p, `new Promise((r) => setTimeout(() => r(location.hash), 300))`); !strings.Contains(hash, "filter=train.lr") {
		t.Errorf("the address %q does not know the filter", hash)
	}
	before := len(p.complaints())
	typed("loss <")
	p.until(t, `!document.querySelector('#filter-error').hidden && document.querySelector('#filter-error').textContent.length > 5`)
	p.mu.Lock()
	p.errors = p.errors[:before] // the refusal itself, which the browser logs
	p.mu.Unlock()
	typed("no-such-run")
	p.until(t, `document.querySelector('#runs-empty').innerText.includes('No run passes the filter')`)
	p.do(t, chromedp.Click(`#runs-empty button`))
	p.until(t, `document.querySelectorAll('#table tr[data-run]').length === 4 && document.querySelector('#filter-error').hidden`)
}

func testGroups(t *testing.T, p *page, url string) {
	p.open(t, url+"/#sort=loss&group=train.lr")
	p.until(t, `document.querySelectorAll('#table tr.group').length >= 3`)
	p.do(t, chromedp.Click(`#table tr.group button`))
	p.until(t, `document.querySelector('#table tr.group button').getAttribute('aria-expanded') === 'false'`)
	p.do(t, chromedp.Click(`#table tr.group button`))
	p.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector('#group').value = ''; document.querySelector('#group').dispatchEvent(new Event('change'))`))
	p.do(t, chromedp.Click(`[data-focus="sort name"]`))
	p.until(t, `[...document.querySelectorAll('#table tr[data-run]')].map((r) => r.dataset.run).join() === 'first,hostile,live,second'`)
	p.until(t, `document.querySelector('th[aria-sort=ascending]').innerText.startsWith('Run')`)
}

func testOverlays(t *testing.T, p *page, url string) {
	p.open(t, url+"/#runs=first")
	p.until(t, checked+` === 'first'`)
	p.until(t, `document.querySelector('.plot')?.getAttribute('aria-label').includes('first')`)
	alone := evaluate[int](t, p, inks)
	p.forget()
	p.do(t, chromedp.Click(`#table [data-run=second] input`))
	p.until(t, checked+` === 'first,second'`)
	p.until(t, `/first .* second /.test(document.querySelector('.plot').getAttribute('aria-label'))`)
	if asked := p.asked("/api/series"); len(asked) != 1 || strings.Contains(asked[0], "first") {
		t.Errorf("a second run was asked for by %q", asked)
	}
	if both := evaluate[int](t, p, inks); both != alone+1 {
		t.Errorf("%d colours of runs on the canvas, %d with one run", both, alone)
	}
	if legend := evaluate[string](t, p, `document.querySelector('#legend').innerText`); !strings.Contains(legend, "first") || !strings.Contains(legend, "second") {
		t.Errorf("the legend says %q", legend)
	}
	p.do(t, hover(`.u-over`))
	p.until(t, `document.querySelectorAll('.tip li').length === 2 && document.querySelector('.tip').innerText.includes('step')`)
}

// inks is how many of the runs' colours are on the canvas.
const inks = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
	const canvas = document.querySelector('.plot canvas');
	const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
	const seen = new Set();
	for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
	const style = getComputedStyle(document.documentElement);
	let n = 0;
	for (let i = 0; i < 10; i++) if (seen.has(parseInt(style.getPropertyValue('--run-' + i).trim().slice(1), 16))) n++;
	done(n);
})))`

// hover puts the mouse on the middle of an element.
func hover(selector string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		box, err := chromedp.Evaluate[[]float64](middle(selector))(ctx, target)
		if err != nil {
			return chromedp.Void{}, err
		}
		return chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, box[0], box[1])(ctx, target)
	}
}

func middle(selector string) string {
	return `(() => { const e = document.querySelector('` + selector + `'); e.scrollIntoView({block: 'center'});
		const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2, b.width]; })()`
}

func testDiff(t *testing.T, p *page) {
	p.until(t, `document.querySelector('#diff').innerText.includes('train.lr')`)
	row := evaluate[string](t, p, `[...document.querySelectorAll('#diff tbody tr')].map((r) => r.innerText.replace(/\s+/g, ' ')).join('\n')`)
	if row != "train.lr 0.005 0.002" {
		t.Errorf("the configs differ by %q", row)
	}
}

func testZoom(t *testing.T, p *page) {
	box := evaluate[[]float64](t, p, middle(`.u-over`))
	x, y, w := box[0], box[1], box[2]
	p.forget()
	p.do(t, chromedp.DragAndDropXY(x-w/4, y, x+w/4, y, 4))
	p.until(t, `!document.querySelector('#zoom-reset').hidden`)
	p.until(t, `document.querySelector('#zoom-from').value !== ''`)
	deadline := time.Now().Add(5 * time.Second)
	for len(p.asked("from=")) == 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	asked := p.asked("/api/series")
	if len(asked) != 1 || !strings.Contains(asked[0], "from=") || !strings.Contains(asked[0], "to=") {
		t.Errorf("a zoom asked for %q", asked)
	}
	from, to := evaluate[float64](t, p, `Number(document.querySelector('#zoom-from').value)`), evaluate[float64](t, p, `Number(document.querySelector('#zoom-to').value)`)
	if math.Abs(from-steps/4) > steps/50 || math.Abs(to-3*steps/4) > steps/50 {
		t.Errorf("the middle half of %d steps is %g to %g", steps, from, to)
	}
	p.do(t, chromedp.Click(`#zoom-reset`))
	p.until(t, `document.querySelector('#zoom-reset').hidden`)
}

func testSlider(t *testing.T, p *page) {
	p.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector('#samples').scrollIntoView()`))
	p.until(t, `[...document.querySelectorAll('#grids figure')].map((f) => f.dataset.run).join() === 'first,second'`)
	p.until(t, `[...document.querySelectorAll('#grids img')].every((i) => i.complete && i.naturalWidth === 64)`)
	shown := `[...document.querySelectorAll('#grids img')].map((i) => i.getAttribute('src').slice(-8, -4)).join()`
	p.until(t, shown+` === '0003,0003'`)
	if grey := evaluate[int](t, p, seen); grey != 3*40+100 { // the average's panel, on the right
		t.Errorf("the newest average's images have grey %d", grey)
	}
	p.do(t, chromedp.Focus(`#epoch`), chromedp.KeyEvent(kb.ArrowLeft))
	p.until(t, shown+` === '0002,0002'`)
	p.do(t, chromedp.KeyEvent(kb.Home))
	p.until(t, shown+` === '0001,0001'`)
	p.until(t, `[...document.querySelectorAll('#grids img')].every((i) => i.complete)`)
	p.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector('#weights input[value=raw]').click()`))
	p.until(t, `document.querySelector('#grids .frame').dataset.weights === 'raw'`)
	if grey := evaluate[int](t, p, seen); grey != 40 {
		t.Errorf("the first raw images have grey %d", grey)
	}
}

// seen is the grey of the pixel in the middle of the first frame: the picture's
// place beneath the frame says which panel it shows.
const seen = `(() => {
	const frame = document.querySelector('#grids .frame'), img = frame.querySelector('img');
	const f = frame.getBoundingClientRect(), i = img.getBoundingClientRect();
	const canvas = document.createElement('canvas');
	[canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
	const ctx = canvas.getContext('2d');
	ctx.drawImage(img, 0, 0);
	const x = (f.left + f.width / 2 - i.left) / i.width * canvas.width;
	const y = (f.top + f.height / 2 - i.top) / i.height * canvas.height;
	return ctx.getImageData(Math.floor(x), Math.floor(y), 1, 1).data[0];
})()`

func testScore(t *testing.T, p *page) {
	p.until(t, `document.querySelector('#scores-body .score') !== null`)
	text := evaluate[string](t, p, `document.querySelector('#scores-body').innerText`)
	for _, want := range []string{"first", "FID 3.73", "n=2048", "fashion-mnist/test", "fashion-resnet", "floor 1.91", "95 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("the score lacks %q: %q", want, text)
		}
	}
}

func testDetail(t *testing.T, p *page) {
	p.do(t, chromedp.Focus(`[data-focus="open first"]`), chromedp.KeyEvent(kb.Enter))
	p.until(t, `document.querySelector('#detail').open && document.querySelector('#detail').innerText.includes('a processor')`)
	text := evaluate[string](t, p, `document.querySelector('#detail').innerText`)
	for _, want := range []string{"finished", "diffuse train --name first", "train:", "FID floor", "1.91", "4,000 of 4,000"} {
		if !strings.Contains(text, want) {
			t.Errorf("the detail lacks %q", want)
		}
	}
	p.do(t, chromedp.KeyEvent(kb.Escape))
	p.until(t, `!document.querySelector('#detail').open`)
}

func testLive(t *testing.T, p *page, url string, live run.Folder) {
	p.open(t, url+"/#runs=live")
	p.until(t, `document.querySelector('.plot')?.getAttribute('aria-label').includes('2.5k')`)
	p.until(t, `document.querySelector('#live').textContent === 'live'`)
	p.forget()
	for i := 2501; i <= 2600; i++ {
		appendAll(t, live, []any{step(i, 0.01)})
	}
	p.until(t, `document.querySelector('#table [data-run=live] progress').value === 2600`)
	p.until(t, `document.querySelector('.plot').getAttribute('aria-label').includes('2.6k')`)
	for _, asked := range p.asked("/api/series") {
		if !strings.Contains(asked, "after=") {
			t.Errorf("for new points the page asked for the whole curve: %s", asked)
		}
	}
	if asked := p.asked("/api/runs?"); len(asked) > 0 {
		t.Errorf("for new points the page asked for the table: %q", asked)
	}
}

func testHostile(t *testing.T, p *page, url string) {
	p.open(t, url+"/#runs=hostile&run=hostile&group=tags")
	p.until(t, `document.querySelector('#detail').open`)
	p.until(t, `document.querySelectorAll('#table tr[data-run]').length === 4`)
	for _, place := range []string{"#detail", "#table"} {
		if text := evaluate[string](t, p, `document.querySelector('`+place+`').textContent`); !strings.Contains(text, attack) {
			t.Errorf("%s does not show the note as it is: %q", place, text)
		}
	}
	if n := evaluate[int](t, p, `document.querySelectorAll('#table img, #table script, #detail img, #detail script').length`); n != 0 {
		t.Errorf("the note made %d elements", n)
	}
	if evaluate[bool](t, p, `'attacked' in window`) {
		t.Error("the note ran a script")
	}
}

func testPhone(t *testing.T, p *page, url string) {
	p.do(t, chromedp.EmulateViewport(320, 640))
	defer p.do(t, chromedp.EmulateViewport(1280, 800))
	p.open(t, url+"/#runs=first,second")
	p.until(t, `document.querySelector('.plot')?.getAttribute('aria-label').includes('second')`)
	if w := evaluate[int](t, p, `document.documentElement.scrollWidth`); w > 320 {
		t.Errorf("the page is %d pixels wide on a screen of 320", w)
	}
	unnamed := evaluate[[]string](t, p, `[...document.querySelectorAll('input, select, button')]
		.filter((e) => !e.labels?.length && !e.ariaLabel && !e.innerText?.trim() && !e.closest('[hidden]')).map((e) => e.outerHTML)`)
	if len(unnamed) > 0 {
		t.Errorf("a screen reader has no name for %q", unnamed)
	}
}

func testEmpty(t *testing.T, p *page) {
	server := httptest.NewServer(handler(t, t.TempDir()))
	defer server.Close()
	defer server.CloseClientConnections()
	p.open(t, server.URL+"/")
	p.until(t, `document.querySelector('#runs-empty').innerText.includes('diffuse train')`)
	p.do(t, chromedp.Navigate("about:blank"))
}
