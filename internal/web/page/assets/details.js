// Details of runs, asked for when something shows them, and anew when the run
// has something new to say.

import * as api from './api.js';
import { hear } from './store.js';

const cache = new Map(); // name → {mark, promise, detail}
const listeners = [];

/** changed calls fn with the name of a run whose detail should be read again. */
export function changed(fn) {
  listeners.push(fn);
}

// mark is what a detail depends on, as far as a row tells. A step is no news.
const mark = (r) => JSON.stringify([r.status, r.epoch, r.fid, r.kid, r.tags, r.note, r.total]);

/** detail is that of a run; it is kept until the run changes. */
export function detail(name) {
  const kept = cache.get(name);
  if (kept) return kept.promise;
  const entry = {};
  entry.promise = api.detail(name).then((d) => {
    entry.mark = mark(d);
    entry.detail = d;
    return d;
  });
  entry.promise.catch(() => cache.delete(name));
  cache.set(name, entry);
  return entry.promise;
}

/** kept is a detail that is here already. */
export const kept = (name) => cache.get(name)?.detail;

/** start watches for runs that change. */
export function start() {
  hear('run', (r) => {
    const entry = cache.get(r.name);
    if (!entry?.mark || entry.mark === mark(r)) return;
    cache.delete(r.name);
    listeners.forEach((fn) => fn(r.name));
  });
}
