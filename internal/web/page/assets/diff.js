// The configs of the selected runs beside each other, as far as they differ.
// The rows of the table carry them: nothing is asked for.

import * as colors from './colors.js';
import { byId, el, show } from './dom.js';
import { on, set, state } from './state.js';
import { hear, run, selected } from './store.js';

const most = 8; // columns that can be read

/** start draws the differences whenever the selection changes. */
export function start() {
  hear('rows', draw);
  on(['runs', 'all'], draw);
  byId('config-all').addEventListener('change', (e) => set({ all: e.target.checked }));
}

/** differences are the keys whose values are not all alike; a run without a key has null. */
export function differences(configs) {
  const keys = [...new Set(configs.flatMap((c) => Object.keys(c)))].sort();
  return keys
    .map((key) => ({ key, values: configs.map((c) => c[key] ?? null) }))
    .map((row) => ({ ...row, differs: new Set(row.values).size > 1 }));
}

function draw() {
  byId('config-all').checked = state.all;
  const names = selected();
  const rows = differences(names.map((name) => run(name).config ?? {}));
  const differ = rows.filter((r) => r.differs).length;
  byId('config-count').textContent = names.length > 1 ? (differ === 1 ? '1 key differs' : `${differ} keys differ`) : '';
  const visible = state.all || names.length === 1 ? rows : rows.filter((r) => r.differs);
  const columns = names.slice(0, most);
  byId('diff').replaceChildren(
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Key'), columns.map((name) =>
      el('th', { scope: 'col', vars: { '--run': colors.variable(name) } }, el('span', { class: 'name' }, name))))),
    el('tbody', {}, visible.map(({ key, values, differs }) => el('tr', { class: differs && state.all ? 'differs' : null },
      el('th', { scope: 'row' }, key), columns.map((_, i) => el('td', {}, values[i] ?? el('span', { class: 'muted' }, 'not set')))))));
  show(byId('diff'), visible.length > 0);
  const empty = byId('config-empty');
  show(empty, visible.length === 0 || names.length > most);
  if (names.length > most && visible.length > 0) empty.textContent = `Of ${names.length} runs, the first ${most} are shown.`;
  else empty.textContent = names.length === 0 ? 'Check runs in the table to compare their configs.' : 'The configs of these runs are alike.';
}
