// The table of runs: the server filters and sorts, the page groups.

import * as colors from './colors.js';
import { keys, shown } from './columns.js';
import { byId, command, el, say, show } from './dom.js';
import { number } from './format.js';
import { on, set, state } from './state.js';
import { all, hear, load, more, selected, store } from './store.js';

const closed = new Set(); // groups that are folded
const lines = new Map(); // name → its row
let layout = ''; // the columns, and each run's group

/** start draws the table whenever it changes. */
export function start(fail) {
  hear('rows', draw);
  hear('run', redraw);
  on(['runs', 'group', 'cols'], draw);
  on(['sort', 'filter'], () => load().catch(fail));
  byId('more').addEventListener('click', () => more().catch(fail));
  byId('group').addEventListener('change', (e) => set({ group: e.target.value }));
}

function draw() {
  const runs = all();
  colors.assign(selected());
  const focused = document.activeElement?.dataset?.focus;
  byId('runs-count').textContent = store.total || '';
  offerGroups(runs);
  offerColumns(runs);
  const columns = shown(runs, state.cols);
  lines.clear();
  layout = laid(runs, columns);
  const bodies = groups(runs).map(([value, members]) => body(value, members, columns));
  byId('table').replaceChildren(el('caption', { class: 'hidden' }, 'Runs; check those to draw'), head(columns), ...bodies);
  show(byId('table-scroll'), runs.length > 0);
  show(byId('more'), runs.length < store.total);
  empty(runs);
  if (focused) document.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

// laid is what one row's change must leave alone, or the whole table is drawn anew.
const laid = (runs, columns) => JSON.stringify([columns.map((c) => c.id), state.group && runs.map(grouped)]);

// redraw one run's row where it stands: rows that jump cannot be read.
function redraw(r) {
  const old = lines.get(r.name);
  if (!old) return;
  const columns = shown(all(), state.cols);
  if (laid(all(), columns) !== layout) {
    draw();
    return;
  }
  const holds = old.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const next = row(r, columns);
  old.replaceWith(next);
  if (holds) next.querySelector(`[data-focus="${CSS.escape(holds)}"]`)?.focus();
}

function head(columns) {
  const name = { id: 'name', label: 'Run' };
  return el('thead', {}, el('tr', {}, [name, ...columns].map((c) => {
    const rising = state.sort === c.id;
    const falling = state.sort === '-' + c.id;
    const sorted = rising ? 'ascending' : falling ? 'descending' : null;
    const next = falling || (!rising && c.id === 'name') ? c.id : rising ? '-' + c.id : (c.right && c.id !== 'created' ? c.id : '-' + c.id);
    const button = el('button', { type: 'button', 'data-focus': 'sort ' + c.id, click: () => set({ sort: next }) },
      c.label, el('span', { class: 'arrow', 'aria-hidden': 'true' }, rising ? '↑' : falling ? '↓' : ''));
    return el('th', { scope: 'col', class: cls(c), 'aria-sort': sorted }, button);
  })));
}

const cls = (c) => [c.right && 'right', c.wide && 'wide', c.key && 'key'].filter(Boolean).join(' ') || null;

function body(value, members, columns) {
  if (value === null) return el('tbody', {}, members.map((r) => row(r, columns)));
  const open = !closed.has(value);
  const toggle = () => {
    if (open) closed.add(value); else closed.delete(value);
    draw();
  };
  const best = Math.min(...members.map((r) => r.best_loss ?? r.loss ?? Infinity));
  const fid = Math.min(...members.map((r) => r.fid ?? Infinity));
  const facts = [`${members.length} ${members.length === 1 ? 'run' : 'runs'}`,
    Number.isFinite(best) && 'lowest loss ' + number(best), Number.isFinite(fid) && 'lowest FID ' + number(fid)].filter(Boolean);
  const header = el('tr', { class: 'group' }, el('th', { colspan: columns.length + 1, scope: 'rowgroup' },
    el('button', { type: 'button', 'aria-expanded': String(open), 'data-focus': 'group ' + value, click: toggle }, `${state.group} = ${value}`),
    el('span', { class: 'facts' }, facts.join(' · '))));
  return el('tbody', {}, header, open ? members.map((r) => row(r, columns)) : []);
}

function row(r, columns) {
  const drawn = selected().includes(r.name);
  const box = el('input', {
    type: 'checkbox', checked: drawn, 'aria-label': 'Draw ' + r.name, 'data-focus': 'draw ' + r.name, change: () => toggle(r.name),
  });
  const name = el('button', { type: 'button', class: 'name', 'data-focus': 'open ' + r.name, click: () => set({ run: r.name }) }, r.name);
  const tags = (r.tags ?? []).map((t) => el('span', { class: 'tag' }, t));
  const note = r.note && el('span', { class: 'note', title: r.note }, r.note);
  const line = el('tr', { class: drawn ? 'drawn' : null, 'data-run': r.name, vars: { '--run': colors.variable(r.name) } },
    el('th', { scope: 'row' }, el('div', { class: 'who' }, box, name, ...tags, note)),
    columns.map((c) => el('td', { class: cls(c) }, c.cell(r))));
  lines.set(r.name, line);
  return line;
}

function toggle(name) {
  const now = selected();
  set({ runs: now.includes(name) ? now.filter((n) => n !== name) : [...now, name] });
}

// grouped is the value that a run is grouped by.
const grouped = (r) => String((state.group in r && state.group !== 'config' ? r[state.group] : r.config?.[state.group]) ?? '–');

// groups are [value, runs]; one of value null where nothing groups.
function groups(runs) {
  if (!state.group) return [[null, runs]];
  const found = new Map();
  for (const r of runs) found.set(grouped(r), [...(found.get(grouped(r)) ?? []), r]);
  return [...found];
}

function offerGroups(runs) {
  const { differing, equal } = keys(runs);
  const options = (list) => list.map((key) => el('option', { value: key }, key));
  byId('group').replaceChildren(
    el('option', { value: '' }, 'nothing'),
    ...options(['status', 'kind', 'data', 'precision', 'config_name']),
    el('optgroup', { label: 'Config keys that differ' }, options(differing)),
    el('optgroup', { label: 'Other config keys' }, options(equal)));
  byId('group').value = state.group;
}

function offerColumns(runs) {
  const menu = byId('columns-list');
  const { differing } = keys(runs);
  const offered = [...new Set([...state.cols, ...differing])];
  menu.querySelectorAll('label, p').forEach((l) => l.remove());
  menu.append(...offered.map((key) => {
    const on = state.cols.includes(key);
    const flip = () => set({ cols: on ? state.cols.filter((k) => k !== key) : [...state.cols, key] });
    return el('label', {}, el('input', { type: 'checkbox', checked: on, 'data-focus': 'column ' + key, change: flip }), key);
  }));
  if (offered.length === 0) menu.append(el('p', {}, 'The configs of these runs are alike.'));
}

function empty(runs) {
  const place = byId('runs-empty');
  show(place, store.loaded && runs.length === 0);
  if (place.hidden) return;
  if (state.filter) {
    place.replaceChildren(el('p', {}, 'No run passes the filter.'),
      el('button', { type: 'button', click: () => set({ filter: '' }) }, 'Show all runs'));
    return;
  }
  place.replaceChildren(el('p', {}, 'There are no runs here yet. Type'), command('diffuse train'),
    el('p', {}, 'It takes two minutes on two cores, needs no data, and shows up here as it starts.'));
}

/** filter reads what is typed, and says what the server does not understand. */
export function filter(text) {
  set({ filter: text.trim() });
}

let complaint;

/** refused shows the reason beside the filter: not at once, as half a condition is on its way to a whole one. */
export function refused(error) {
  clearTimeout(complaint);
  byId('filter').setAttribute('aria-invalid', String(Boolean(error)));
  if (error) complaint = setTimeout(() => say(byId('filter-error'), error.message + (error.hint ? ' — ' + error.hint : '')), 1000);
  else say(byId('filter-error'), '');
}

/** examples of filters that fit the runs. */
export function examples() {
  const some = all()[0];
  const tags = [...new Set(all().flatMap((r) => r.tags ?? []))];
  const list = ['status = running', 'status = finished', 'fid < 4', 'loss < 0.03', ...tags.map((t) => 'tag = ' + t)];
  if (some?.config_name) list.push('name ~ ' + some.config_name);
  byId('filter-examples').replaceChildren(...list.map((value) => el('option', { value })));
}

