// The curves of the selected runs: which metrics, over which axis, how smooth,
// which range. Only what is open is asked for.

import * as colors from './colors.js';
import { Chart } from './chart.js';
import { byId, command, el, later, radios, show } from './dom.js';
import { number } from './format.js';
import { axes, metric, metrics } from './metrics.js';
import { Series } from './series.js';
import { on, set, state } from './state.js';
import { hear, run, selected } from './store.js';

const open = new Map(); // metric → {card, chart, series}
const steps = new Map(); // run → the step it was drawn to
let fail = () => {};

/** start draws the curves whenever what they show changes. */
export function start(onError) {
  fail = onError;
  hear('rows', refresh);
  hear('run', moved);
  on(['runs', 'metrics', 'x', 'from', 'to'], refresh);
  on(['smooth', 'log'], redraw);
  controls();
  addEventListener('resize', later(300, refresh));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => open.forEach(({ chart }) => chart.restyle()));
  document.addEventListener('visibilitychange', () => document.hidden || flush());
}

function controls() {
  byId('smooth').addEventListener('input', (e) => set({ smooth: Number(e.target.value) }));
  byId('zoom-from').addEventListener('change', (e) => zoom(bound(e.target), state.to));
  byId('zoom-to').addEventListener('change', (e) => zoom(state.from, bound(e.target)));
  byId('zoom-reset').addEventListener('click', () => zoom(null, null));
}

const bound = (input) => (input.value === '' ? null : input.valueAsNumber);

function zoom(from, to) {
  const whole = (v) => (v == null || state.x === 'time' ? v : Math.round(v));
  if (from != null && to != null && from >= to) return;
  set({ from: whole(from), to: whole(to) });
}

function refresh() {
  const runs = selected();
  colors.assign(runs);
  describe(runs);
  const wanted = state.metrics.filter(metric);
  for (const [id, { card, chart }] of open) {
    if (wanted.includes(id) && runs.length > 0) continue;
    chart.destroy();
    card.remove();
    open.delete(id);
  }
  if (runs.length === 0) return;
  for (const id of wanted) {
    if (!open.has(id)) add(metric(id));
    byId('charts').append(open.get(id).card);
  }
  wanted.forEach((id) => load(id, runs));
}

// add opens a card for a metric.
function add(m) {
  const host = el('div', { class: 'plot' });
  const scale = el('button', { type: 'button', class: 'quiet', click: () => flip('log', m.id) }, 'log');
  const card = el('article', { class: 'card', 'data-metric': m.id },
    el('div', { class: 'card-head' }, el('h3', {}, m.label), scale), host, el('p', { class: 'none', hidden: true }));
  const chart = new Chart(host, m, { zoom, readout: (text) => { byId('readout').textContent = text; } });
  open.set(m.id, { card, chart, scale, series: new Series(m.id) });
}

// points is how many a curve has on a card so wide: one a pixel, in steps of 100,
// so that a window that is dragged wider does not ask at each pixel; half as many,
// and half of that, where lines are so many that they hide each other.
function points(pixels, lines) {
  let width = Math.min(4000, Math.max(100, Math.ceil(pixels / 100) * 100));
  while (width * lines > 25000 && width > 100) width = Math.ceil(width / 2);
  return width;
}

function flip(key, value) {
  const now = state[key];
  set({ [key]: now.includes(value) ? now.filter((v) => v !== value) : [...now, value] });
}

async function load(id, runs) {
  const { series, card } = open.get(id);
  const width = points(card.clientWidth, runs.length);
  try {
    const loading = series.load(runs, { x: state.x, from: state.from, to: state.to, width });
    draw(id);
    await loading;
    runs.forEach((name) => steps.set(name, run(name)?.step));
    draw(id);
  } catch (error) {
    if (error.name !== 'AbortError') fail(error);
  }
}

const redraw = () => {
  describe(selected());
  open.forEach((_, id) => draw(id));
};

function draw(id) {
  const it = open.get(id);
  if (!it) return;
  const lines = selected().map((name) => ({ name, ...it.series.drawn(name) })).filter((l) => l.x?.length > 0);
  const log = state.log.includes(id);
  it.chart.show(lines, { axis: state.x, log, smooth: state.smooth, from: state.from, to: state.to });
  it.scale.setAttribute('aria-pressed', String(log));
  it.scale.setAttribute('aria-label', 'Logarithmic axis of ' + metric(id).label);
  const none = it.card.querySelector('.none');
  show(none, lines.length === 0 && it.series.lines.size > 0);
  none.replaceChildren(...nothing(id));
}

// nothing says why a curve is empty, and what to type.
function nothing(id) {
  const name = selected()[0] ?? 'RUN';
  if (id === 'fid' || id === 'kid') {
    return ['No scores yet. While it trains: ', command('diffuse train --set eval.every=5'), ' Afterwards: ', command('diffuse fid ' + name)];
  }
  if (id === 'accuracy') return ['Only classifiers have an accuracy.'];
  if (state.from != null || state.to != null) return ['There is nothing in this range.'];
  return ['These runs have not recorded it.'];
}

function describe(runs) {
  radios(byId('axis'), 'axis', axes, state.x, (x) => set({ x, from: null, to: null }));
  byId('smooth').value = state.smooth;
  byId('smooth-value').textContent = number(state.smooth);
  byId('zoom-from').value = state.from ?? '';
  byId('zoom-to').value = state.to ?? '';
  show(byId('zoom-reset'), state.from != null || state.to != null);
  chips();
  byId('legend').replaceChildren(...runs.map((name) => el('li', { vars: { '--run': colors.variable(name) } },
    el('button', { type: 'button', class: 'name', click: () => set({ run: name }) }, name),
    el('button', { type: 'button', class: 'quiet', 'aria-label': 'Stop drawing ' + name, click: () => set({ runs: runs.filter((n) => n !== name) }) }, '×'))));
  show(byId('curves-empty'), runs.length === 0);
  byId('curves-empty').textContent = 'Check a run in the table to draw its curves.';
}

function chips() {
  const place = byId('metrics');
  if (place.childElementCount === 0) {
    place.append(...metrics.map((m) => el('button', { type: 'button', 'data-metric': m.id, title: m.label, click: () => flip('metrics', m.id) }, m.short)));
  }
  for (const chip of place.children) chip.setAttribute('aria-pressed', String(state.metrics.includes(chip.dataset.metric)));
}

const waiting = new Set();
let busy = false;

// moved takes note of a run that has trained on.
function moved(r) {
  if (!selected().includes(r.name)) return;
  if (r.step < steps.get(r.name)) open.forEach(({ series }) => series.forget(r.name)); // it went back to a checkpoint
  waiting.add(r.name);
  flush();
}

// flush fetches what is new of the runs that moved, one round at a time; a page
// that nobody sees waits.
async function flush() {
  if (busy || document.hidden || waiting.size === 0) return;
  busy = true;
  try {
    while (waiting.size > 0 && !document.hidden) {
      const runs = [...waiting];
      waiting.clear();
      await Promise.all([...open.keys()].map((id) => follow(id, runs)));
    }
  } catch (error) {
    if (error.name !== 'AbortError') fail(error);
  } finally {
    busy = false;
  }
}

async function follow(id, runs) {
  const { series } = open.get(id);
  const lost = runs.some((name) => !series.lines.has(name));
  if (lost) await load(id, selected());
  const grown = await Promise.all(runs.map((name) => series.follow(name)));
  runs.forEach((name) => steps.set(name, run(name)?.step));
  if (grown.some(Boolean)) draw(id);
}
