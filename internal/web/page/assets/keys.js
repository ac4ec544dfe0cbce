// Keys that work wherever nobody types.

import { byId } from './dom.js';
import { turn } from './grids.js';
import { axes } from './metrics.js';
import { set, state } from './state.js';

const actions = {
  '/': () => byId('filter').focus(),
  ',': () => turn(-1),
  '.': () => turn(1),
  l: () => set({ log: state.log.includes('loss') ? [] : [...state.metrics] }),
  x: () => {
    const ids = axes.map(([id]) => id);
    set({ x: ids[(ids.indexOf(state.x) + 1) % ids.length], from: null, to: null });
  },
  z: () => set({ from: null, to: null }),
  e: () => set({ weights: state.weights === 'raw' ? 'ema' : 'raw' }),
};

/** start listens for keys. */
export function start() {
  addEventListener('keydown', (e) => {
    const typing = e.target.matches('input:not([type=checkbox], [type=radio], [type=range]), select, textarea');
    if (typing || e.ctrlKey || e.metaKey || e.altKey || byId('detail').open || !(e.key in actions)) return;
    e.preventDefault();
    actions[e.key]();
  });
}
