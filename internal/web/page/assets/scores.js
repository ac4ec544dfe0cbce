// Scores of the selected runs: a number never stands without its terms.

import * as colors from './colors.js';
import { byId, command, el } from './dom.js';
import { number } from './format.js';
import { on, set } from './state.js';
import { hear, run, selected } from './store.js';

/** start draws the latest score of each selected run. */
export function start() {
  hear('rows', draw);
  hear('run', (r) => selected().includes(r.name) && draw());
  on(['runs'], draw);
}

function draw() {
  const scored = selected().map(run).filter((r) => r.score).sort((a, b) => (a.fid ?? Infinity) - (b.fid ?? Infinity));
  byId('scores-body').replaceChildren(scored.length > 0 ? latest(scored) : nothing());
}

function latest(runs) {
  return el('ul', { class: 'scores' }, runs.map((r) => el('li', { vars: { '--run': colors.variable(r.name) } },
    el('button', { type: 'button', class: 'name', click: () => set({ run: r.name }) }, r.name), line(r.score))));
}

/** line is a score with its terms: the number first, the terms quieter. */
export function line(text) {
  const [value, terms] = split(text);
  return el('p', { class: 'score' }, el('b', {}, value), terms && el('span', { class: 'terms' }, terms));
}

function split(text) {
  const at = text.indexOf(' [');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 2).replace(/\]$/, '')];
}

function nothing() {
  const names = selected();
  if (names.length === 0) return el('p', { class: 'empty' }, 'Check a run in the table to see its scores.');
  return el('p', { class: 'empty' }, 'Not scored yet. Type ', command('diffuse fid ' + names[0]),
    ', or score along the way: ', command('diffuse train --set eval.every=5'));
}

// Columns of the table of scores; those that no score has are left out.
const columns = [
  ['Epoch', (s) => s.epoch], ['Weights', (s) => s.weights],
  ['FID', (s) => number(s.fid)], ['95 %', (s) => interval(s.interval)], ['FID floor', (s) => number(s.floor?.fid)],
  ['KID', (s) => number(s.kid)], ['±', (s) => number(s.kid_stderr)], ['KID floor', (s) => number(s.floor?.kid)],
  ['Precision', (s) => number(s.precision)], ['Recall', (s) => number(s.recall)],
  ['Density', (s) => number(s.density)], ['Coverage', (s) => number(s.coverage)],
  ['Near-copies', (s) => (s.near_copies ? `${s.near_copies.count}, ${number(s.near_copies.expected)} expected` : none)],
  ['n', (s) => s.samples], ['Reference', (s) => [s.reference?.name, s.reference?.n || null].filter(Boolean).join(' ')],
  ['Extractor', (s) => [s.extractor?.name, s.extractor?.hash?.slice(0, 4)].filter(Boolean).join('@')],
  ['Sampler', (s) => [s.sampler, s.net_calls && s.net_calls + ' calls'].filter(Boolean).join(', ')],
  ['Checkpoint', (s) => s.checkpoint],
];

const none = '–';
const interval = (pair) => (pair ? number(pair[0]) + '–' + number(pair[1]) : none);

/** table of all scores of a run, with their floors and intervals. */
export function table(scores) {
  const some = columns.filter(([, value]) => scores.some((s) => ![none, '', null, undefined].includes(value(s))));
  const warnings = [...new Set(scores.flatMap((s) => s.warnings ?? []))];
  return el('div', {}, el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Scores' }, el('table', {},
    el('thead', {}, el('tr', {}, some.map(([label]) => el('th', { scope: 'col' }, label)))),
    el('tbody', {}, scores.map((s) => el('tr', {}, some.map(([, value]) => el('td', {}, value(s) ?? none))))))),
  warnings.map((w) => el('p', { class: 'muted' }, w)));
}
