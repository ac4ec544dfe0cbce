// The columns of the table.

import { el } from './dom.js';
import { count, duration, number, short, when } from './format.js';

const columns = [
  { id: 'status', label: 'Status', cell: status },
  { id: 'step', label: 'Progress', wide: true, cell: progress },
  { id: 'loss', label: 'Loss', right: true, cell: (r) => number(r.loss) },
  { id: 'best_loss', label: 'Best valid', right: true, wide: true, cell: (r) => number(r.best_loss) },
  { id: 'fid', label: 'FID', right: true, cell: (r) => el('span', { title: r.score || null }, number(r.fid)) },
  { id: 'kid', label: 'KID', right: true, wide: true, cell: (r) => number(r.kid) },
  { id: 'accuracy', label: 'Accuracy', right: true, wide: true, cell: (r) => number(r.accuracy) },
  { id: 'parameters', label: 'Size', right: true, wide: true, cell: (r) => short(r.parameters) },
  { id: 'img_per_s', label: 'Images/s', right: true, wide: true, cell: (r) => short(r.img_per_s) },
  { id: 'seconds', label: 'Time', right: true, wide: true, cell: (r) => duration(r.seconds) },
  { id: 'created', label: 'Started', right: true, wide: true, cell: (r) => when(r.created) },
];

// What no run of the table has is not worth a column.
const optional = ['fid', 'kid', 'accuracy', 'best_loss'];

/** shown are the columns worth having for these runs, and those of config keys. */
export function shown(runs, keys) {
  const worth = columns.filter((c) => !optional.includes(c.id) || runs.some((r) => r[c.id] != null));
  const chosen = keys.map((key) => ({ id: key, label: key, right: true, key: true, cell: (r) => r.config?.[key] ?? '–' }));
  return [...worth, ...chosen];
}

function status(r) {
  const warn = r.damaged > 0 ? ` · ${count(r.damaged)} damaged lines` : '';
  return el('span', { class: 'status ' + r.status, title: (r.error || r.status) + warn }, r.status);
}

function progress(r) {
  if (!r.total) return '–';
  const left = r.status === 'running' && r.seconds_left ? ' · ' + duration(r.seconds_left) + ' left' : '';
  const bar = el('progress', { max: r.total, value: r.step, 'aria-label': 'Progress of ' + r.name });
  return el('span', { class: 'progress', title: `step ${count(r.step)} of ${count(r.total)}${left}` },
    bar, el('span', {}, `${Math.floor((100 * r.step) / r.total)}%`));
}

/** keys of the config that differ among runs, and the others. */
export function keys(runs) {
  const values = new Map();
  for (const r of runs) {
    for (const [key, value] of Object.entries(r.config ?? {})) {
      if (!values.has(key)) values.set(key, { set: new Set(), n: 0 });
      const seen = values.get(key);
      seen.set.add(value);
      seen.n++;
    }
  }
  const differing = [];
  const equal = [];
  for (const [key, { set, n }] of values) (set.size > 1 || n < runs.length ? differing : equal).push(key);
  return { differing: differing.sort(), equal: equal.sort() };
}
