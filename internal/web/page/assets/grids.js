// Sample grids: the same seeds at each epoch, of one run or of two side by side.

import * as api from './api.js';
import * as colors from './colors.js';
import { changed, detail, kept } from './details.js';
import { byId, command, el, radios, show } from './dom.js';
import { on, set, state } from './state.js';
import { hear, selected } from './store.js';

const side = 2; // runs beside each other
const look = 8; // runs that are asked whether they have any grid
let epochs = []; // those that any of the runs has a grid of
let fail = () => {};

/** start shows grids once the section is near the screen. */
export function start(onError) {
  fail = onError;
  byId('epoch').addEventListener('input', (e) => choose(Number(e.target.value)));
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((e) => e.isIntersecting)) return;
    seen.disconnect();
    hear('rows', refresh);
    on(['runs'], refresh);
    on(['epoch', 'weights'], draw);
    changed((name) => selected().includes(name) && refresh());
    refresh();
  }, { rootMargin: '200px' });
  seen.observe(byId('samples'));
}

// The last place of the slider follows a run that trains.
function choose(place) {
  set({ epoch: place === epochs.length - 1 ? null : epochs[place] });
}

/** turn moves the slider by some places. */
export function turn(by) {
  const slider = byId('epoch');
  const place = Math.min(Math.max(Number(slider.value) + by, 0), epochs.length - 1);
  if (place >= 0) choose(place);
}

let round = 0;

// refresh asks for the first runs that have grids, no more than are shown.
async function refresh() {
  const mine = ++round;
  const found = [];
  try {
    for (const name of selected().slice(0, look)) {
      const d = await detail(name);
      if (mine !== round) return;
      if (d.grids?.length > 0) found.push(name);
      if (found.length === side) break;
    }
  } catch (error) {
    fail(error);
  }
  shown = found;
  draw();
}

let shown = [];

const grids = (name) => kept(name)?.grids ?? [];

// Format 1 did not say whose images a grid holds: the average's, where there was one, on the right.
const panels = (name, grid) => grid.panels ?? (Number(kept(name).config?.['train.ema']) > 0 ? ['raw', 'ema'] : ['raw']);

function draw() {
  const names = shown.filter((name) => grids(name).length > 0);
  epochs = [...new Set(names.flatMap((name) => grids(name).map((g) => g.epoch)))].sort((a, b) => a - b);
  const epoch = state.epoch ?? epochs.at(-1);
  slider(epoch);
  const offered = [...new Set(names.flatMap((name) => grids(name).flatMap((g) => panels(name, g))))];
  const weights = offered.includes(state.weights) ? state.weights : offered.includes('ema') ? 'ema' : 'raw';
  radios(byId('weights'), 'weights', offered.length > 1 ? [['raw', 'Raw'], ['ema', 'EMA']] : [], weights, (w) => set({ weights: w }));
  const figures = names.map((name) => figure(name, epoch, weights));
  byId('grids').replaceChildren(...figures);
  byId('grids').classList.toggle('one', figures.length === 1);
  show(byId('samples-empty'), names.length === 0);
  byId('samples-empty').replaceChildren(...nothing());
}

function slider(epoch) {
  const input = byId('epoch');
  show(byId('epoch-bar'), epochs.length > 0);
  input.max = Math.max(epochs.length - 1, 0);
  const place = epochs.findLastIndex((e) => e <= epoch);
  input.value = Math.max(place, 0);
  input.setAttribute('aria-valuetext', `epoch ${epochs[Math.max(place, 0)]}`);
  byId('epoch-value').textContent = epochs.length ? `${epochs[Math.max(place, 0)]} of ${epochs.at(-1)}` : '';
}

const images = new Map(); // run → its picture, kept so that it does not flicker

function figure(name, epoch, weights) {
  const all = grids(name);
  const grid = all.findLast((g) => g.epoch <= epoch) ?? all[0];
  const who = panels(name, grid);
  const place = Math.max(who.indexOf(weights), 0);
  const img = images.get(name) ?? el('img', { decoding: 'sync' });
  images.set(name, img);
  const src = api.picture(name, grid.path);
  if (img.getAttribute('src') !== src) img.src = src;
  img.alt = `Samples of ${name}, epoch ${grid.epoch}, ${who[place]} weights`;
  const frame = el('div', { class: 'frame', vars: { '--panels': String(who.length), '--panel': String(place) } }, img);
  frame.dataset.epoch = grid.epoch;
  frame.dataset.weights = who[place];
  const apart = grid.epoch !== epoch;
  const facts = [`epoch ${grid.epoch}`, who[place] === 'ema' ? 'EMA' : who[place]].join(' · ');
  return el('figure', { 'data-run': name, vars: { '--run': colors.variable(name) } }, frame,
    el('figcaption', {}, el('b', { class: 'name' }, name), el('span', { class: apart ? 'apart' : null }, apart ? `${facts}, none at ${epoch}` : facts)));
}

function nothing() {
  if (selected().length === 0) return ['Check a run in the table to see its samples.'];
  return ['These runs have drawn no grids. ', command('diffuse train --set train.grid_every=1'), ' draws one each epoch.'];
}
