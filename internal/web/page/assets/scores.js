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

/** table of all scores of a run, with their floors and intervals. */
export function table(scores) {
  const columns = [
    ['Epoch', (s) => s.epoch], ['Weights', (s) => s.weights],
    ['FID', (s) => number(s.fid)], ['95 %', (s) => interval(s.interval)], ['Floor', (s) => number(s.floor?.fid)],
    ['KID', (s) => number(s.kid)], ['±', (s) => number(s.kid_stderr)], ['Floor', (s) => number(s.floor?.kid)],
    ['n', (s) => s.samples], ['Reference', (s) => reference(s.reference)], ['Extractor', (s) => s.extractor?.name ?? '–'],
    ['Sampler', (s) => [s.sampler, s.net_calls && s.net_calls + ' calls'].filter(Boolean).join(', ') || '–'],
  ];
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Scores' }, el('table', {},
    el('thead', {}, el('tr', {}, columns.map(([label]) => el('th', { scope: 'col' }, label)))),
    el('tbody', {}, scores.map((s) => el('tr', {}, columns.map(([, value]) => el('td', {}, value(s))))))));
}

const interval = (pair) => (pair ? number(pair[0]) + '–' + number(pair[1]) : '–');
const reference = (ref) => (ref ? [ref.name, ref.n || null].filter(Boolean).join(' ') : '–');
