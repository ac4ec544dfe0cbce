// What the page shows is kept in its address, after '#': a link carries it, and
// the back button knows it.

const defaults = {
  runs: null, // names of the runs drawn; null is the newest
  filter: '',
  sort: '-created',
  group: '',
  cols: [], // config keys that the table shows
  metrics: ['loss'],
  x: 'step',
  smooth: 0,
  log: ['loss', 'train_loss', 'valid_loss'], // metrics with a logarithmic axis
  from: null, // of x; null is the whole range
  to: null,
  epoch: null, // of the samples; null is the newest
  weights: '',
  all: false, // config keys that do not differ, too
  run: '', // whose detail is open
};

/** state is what holds now. Change it with set. */
export const state = { ...defaults };

const listeners = [];

/** on calls fn whenever one of the keys has changed. */
export function on(keys, fn) {
  listeners.push({ keys, fn });
}

/** set changes what holds, tells who listens, and writes the address. */
export function set(patch) {
  const changed = Object.keys(patch).filter((k) => !same(state[k], patch[k]));
  if (changed.length === 0) return;
  Object.assign(state, patch);
  write();
  tell(changed);
}

function tell(changed) {
  for (const { keys, fn } of listeners) {
    if (keys.some((k) => changed.includes(k))) fn();
  }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** encode is the part of the address after '#': what is not the default. */
export function encode(values) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (same(value, defaults[key]) || value === undefined) continue;
    query.set(key, Array.isArray(value) ? value.join(',') : String(value));
  }
  return query.toString().replaceAll('%2C', ',');
}

/** decode reads what encode wrote; what is missing or wrong is the default. */
export function decode(text) {
  const values = structuredClone(defaults);
  for (const [key, value] of new URLSearchParams(text)) {
    if (!(key in defaults)) continue;
    const kind = defaults[key];
    if (Array.isArray(kind) || key === 'runs') values[key] = value ? value.split(',') : [];
    else if (typeof kind === 'boolean') values[key] = value === 'true';
    else if (typeof kind === 'number' || kind === null) values[key] = number(value, kind);
    else values[key] = value;
  }
  return values;
}

function number(text, otherwise) {
  const value = Number(text);
  return text !== '' && Number.isFinite(value) ? value : otherwise;
}

let timer;

// Browsers refuse an address that changes all the time, as a slider's does.
function write() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const hash = encode(state);
    if (hash !== location.hash.slice(1)) history.replaceState(null, '', location.pathname + (hash && '#' + hash));
  }, 150);
}

/** read takes the state from the address. A token in it is not for sending on. */
export function read() {
  if (location.search) history.replaceState(null, '', location.pathname + location.hash);
  const next = decode(location.hash.slice(1));
  const changed = Object.keys(defaults).filter((k) => !same(state[k], next[k]));
  Object.assign(state, next);
  tell(changed);
}

addEventListener('hashchange', read);
