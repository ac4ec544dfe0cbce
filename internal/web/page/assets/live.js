// Changes as they happen, by Server-Sent Events.

import * as api from './api.js';
import { byId, later } from './dom.js';
import { drop, load, put } from './store.js';

/** start listens. After a break it asks for the table anew: events were missed. */
export function start(fail) {
  const place = byId('live');
  const reload = later(500, () => load().catch(fail));
  const stream = api.events();
  let broken = false;
  const note = (text) => {
    if (place.textContent === text) return;
    place.textContent = text;
    place.dataset.state = text;
  };
  stream.addEventListener('open', () => {
    note('live');
    if (broken) reload();
    broken = false;
  });
  stream.addEventListener('error', () => {
    broken = true;
    note(stream.readyState === EventSource.CLOSED ? 'offline' : 'reconnecting');
  });
  stream.addEventListener('run', (e) => {
    if (put(JSON.parse(e.data))) reload();
  });
  stream.addEventListener('gone', (e) => drop(JSON.parse(e.data).name));
}
