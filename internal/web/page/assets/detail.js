// One run's own page, over the others: how it stands, where it comes from, what
// went wrong, its scores and its config.

import { changed, detail } from './details.js';
import { byId, command, el } from './dom.js';
import { bytes, count, duration, number, when } from './format.js';
import * as scores from './scores.js';
import { on, set, state } from './state.js';
import { hear } from './store.js';

const dialog = byId('detail');

/** start opens and closes the dialog with the state. */
export function start(fail) {
  const update = () => refresh().catch(fail);
  on(['run'], update);
  changed((name) => name === state.run && update());
  hear('run', (r) => r.name === state.run && live(r));
  dialog.addEventListener('close', () => set({ run: '' }));
  dialog.addEventListener('click', (e) => e.target === dialog && dialog.close());
}

/** refresh shows the run that the state names, or none. */
export async function refresh() {
  const name = state.run;
  if (!name) {
    dialog.close();
    return;
  }
  const d = await detail(name);
  if (state.run !== name) return;
  const at = dialog.scrollTop;
  dialog.replaceChildren(...content(d));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = at;
}

function content(d) {
  const start = d.attempts?.at(-1) ?? {};
  return [
    el('header', {},
      el('h2', { id: 'detail-title' }, d.name), el('span', { class: 'status ' + d.status }, d.status),
      el('button', { type: 'button', class: 'quiet close', 'aria-label': 'Close', click: () => dialog.close() }, '×')),
    d.note && el('p', { class: 'noted' }, d.note),
    d.tags?.length > 0 && el('p', { class: 'tags' }, d.tags.map((t) => el('span', { class: 'tag' }, t))),
    d.error && el('p', { class: 'notice error' }, d.error),
    next(d),
    el('dl', { class: 'facts', id: 'detail-facts' }, facts(d)),
    section('Origin', origin(d, start)),
    d.scores?.length > 0 && section('Scores', [...d.scores.filter((s) => s.line).slice(-1).map((s) => scores.line(s.line)), scores.table(d.scores)]),
    section('Went wrong', troubles(d)),
    section('Alerts', list(d.alerts, (a) => [a.rule, a.value != null && number(a.value), 'step ' + count(a.step), a.error && 'not delivered: ' + a.error])),
    d.epochs?.length > 0 && section('Epochs', [epochs(d.epochs)]),
    d.config_yaml && section('Config', [el('pre', { tabindex: '0', 'aria-label': 'Config' }, d.config_yaml)]),
  ].filter(Boolean);
}

function section(title, parts) {
  return parts.length > 0 && el('section', {}, el('h3', {}, title), ...parts);
}

// next is what can be typed to go on.
function next(d) {
  if (['interrupted', 'crashed', 'failed'].includes(d.status)) return el('p', { class: 'next' }, 'Go on: ', command('diffuse train --resume ' + d.name));
  if (d.status === 'finished' && d.kind === 'unet') return el('p', { class: 'next' }, 'Draw with it: ', command('diffuse sample ' + d.name));
  return null;
}

function pairs(list) {
  return list.filter(([, value]) => value != null && value !== '' && value !== '–')
    .map(([label, value]) => el('div', {}, el('dt', {}, label), el('dd', {}, value)));
}

function facts(r) {
  const left = r.status === 'running' && r.seconds_left ? duration(r.seconds_left) + ' left' : '';
  return pairs([
    ['Step', r.total ? `${count(r.step)} of ${count(r.total)}` : count(r.step)], ['Epoch', r.epoch || ''],
    ['Loss', number(r.loss)], ['Best validation', number(r.best_loss)], ['Accuracy', number(r.accuracy)],
    ['Trained', [duration(r.seconds), left].filter(Boolean).join(' · ')],
    ['Images/s', number(r.img_per_s)], ['Memory', bytes(r.memory)],
    ['Data', r.data], ['Net', r.kind && `${r.kind}, ${count(r.parameters)} parameters`], ['Precision', r.precision],
    ['Started', when(r.created)], ['Last word', when(r.updated)],
    ['Damaged lines', r.damaged ? count(r.damaged) : ''],
  ]);
}

// live keeps the figures of a run that trains up to date.
function live(r) {
  if (dialog.open) byId('detail-facts')?.replaceChildren(...facts(r));
}

function origin(d, start) {
  const { machine = {}, source, data } = start;
  const code = source ? [source.commit?.slice(0, 12), source.branch, source.dirty && 'with changes'] : [machine.commit, machine.modified && 'with changes'];
  const rows = pairs([
    ['Command', start.command?.length ? command(start.command.join(' ')) : ''],
    ['Code', code.filter(Boolean).join(' · ')],
    ['Program', [machine.version && 'diffuse ' + machine.version, machine.go, machine.platform].filter(Boolean).join(' · ')],
    ['Machine', [machine.host, machine.cpu, machine.cores && machine.cores + ' cores', bytes(machine.memory), ...(machine.gpus ?? [])].filter((v) => v && v !== '–').join(' · ')],
    ['Kernels', machine.kernels],
    ['Images', start.train_images ? `${count(start.train_images)} to train, ${count(start.valid_images)} to validate` : ''],
    ['Data', data ? 'sha256 ' + data.train_sha256.slice(0, 12) : ''],
    ['Repeats', start.rerun_of], ['Sweep', start.sweep],
    ['Attempts', d.attempts?.length > 1 ? d.attempts.map((a) => `${when(a.time)} from step ${count(a.step)}`).join(', ') : ''],
  ]);
  return rows.length > 0 ? [el('dl', { class: 'facts long' }, rows)] : [];
}

function troubles(d) {
  return [
    ...list(d.failures, (f) => [`${f.event === 'score_failed' ? 'score' : 'grid'} of epoch ${f.epoch}`, f.error]),
    ...list(d.skipped, (s) => [`step ${count(s.step)}`, `${s.what} not finite`, s.layer]),
  ];
}

function list(items, parts) {
  if (!items?.length) return [];
  return [el('ul', { class: 'plain' }, items.map((i) => el('li', {}, parts(i).filter(Boolean).join(' · '))))];
}

function epochs(all) {
  const columns = [
    ['Epoch', (e) => e.epoch], ['Train', (e) => number(e.train_loss)], ['Valid', (e) => number(e.valid_loss) + (e.best ? ' ★' : '')],
    ['Valid EMA', (e) => number(e.valid_loss_ema), (e) => e.valid_loss_ema], ['Accuracy', (e) => number(e.accuracy), (e) => e.accuracy],
    ['Time', (e) => duration(e.seconds)],
  ].filter(([, , has]) => !has || all.some((e) => has(e) != null));
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Epochs' }, el('table', {},
    el('thead', {}, el('tr', {}, columns.map(([label]) => el('th', { scope: 'col' }, label)))),
    el('tbody', {}, all.map((e) => el('tr', {}, columns.map(([, value]) => el('td', {}, value(e))))))));
}

