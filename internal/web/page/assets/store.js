// The runs that the page knows: the table's rows in the server's order, and
// those that are drawn though a filter hides them.

import * as api from './api.js';
import { state } from './state.js';

const page = 200; // rows asked for at once

const known = new Map(); // name → Run
let rows = []; // names in the table's order
let loading;

/** store says how many runs the filter lets through, and whether they are here. */
export const store = { total: 0, limit: page, loaded: false };

const listeners = { rows: [], run: [] };

/** hear calls fn: for 'rows' when the list changed, for 'run' with one that did. */
export function hear(what, fn) {
  listeners[what].push(fn);
}

const tell = (what, ...args) => listeners[what].forEach((fn) => fn(...args));

/** all rows of the table. */
export const all = () => rows.map((name) => known.get(name));

/** run of that name, if the page knows it. */
export const run = (name) => known.get(name);

/** load asks for the table; a later call replaces one under way. */
export async function load() {
  loading?.abort();
  loading = new AbortController();
  const answer = await api.runs({ filter: condition(state.filter), sort: state.sort, limit: store.limit }, loading.signal);
  for (const r of answer.runs) known.set(r.name, r);
  rows = answer.runs.map((r) => r.name);
  store.total = answer.total ?? rows.length;
  store.loaded = true;
  tell('rows');
}

/** more makes room for the next rows. */
export function more() {
  store.limit += page;
  return load();
}

/** condition is a filter as the server reads it: a word alone is looked for in names. */
export function condition(text) {
  const word = text.trim();
  return /^[\w.-]+$/.test(word) ? 'name ~ ' + word : word;
}

/**
 * put takes a run as it is now. It is true where the server should say anew which
 * rows the table has: a run began, or what a filter may ask about has changed.
 */
export function put(r) {
  const before = known.get(r.name);
  known.set(r.name, r);
  tell('run', r);
  const news = !before || ['status', 'epoch', 'fid', 'kid', 'tags', 'note'].some((k) => String(before[k]) !== String(r[k]));
  return news && (!rows.includes(r.name) || state.filter !== '');
}

/** drop forgets a run whose folder is gone. */
export function drop(name) {
  known.delete(name);
  const before = rows.length;
  rows = rows.filter((n) => n !== name);
  store.total -= before - rows.length;
  tell('rows');
}

/** selected are the names of the runs that are drawn. */
export function selected() {
  return (state.runs ?? newest()).filter((name) => known.has(name));
}

const few = 4; // curves that can be told apart at a glance

// newest are the runs that train and the youngest others, as far as their losses
// compare with those of the first.
function newest() {
  const runs = (r) => (r.status === 'running' ? 1 : 0);
  const young = all().filter((r) => r.step > 0)
    .sort((a, b) => runs(b) - runs(a) || (a.created < b.created ? 1 : -1));
  return young.filter((r) => r.kind === young[0].kind && r.data === young[0].data).slice(0, few).map((r) => r.name);
}

/** complete asks for runs that a link names and the table lacks. */
export async function complete() {
  const missing = (state.runs ?? []).filter((name) => !known.has(name));
  const found = await Promise.allSettled(missing.map((name) => api.detail(name)));
  for (const f of found) {
    if (f.status === 'fulfilled') known.set(f.value.name, f.value);
  }
  if (missing.length > 0) tell('rows');
}
