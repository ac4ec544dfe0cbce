// The page: one request for the table, one for the curves, and the rest when it
// is looked at.

import * as curves from './curves.js';
import * as detail from './detail.js';
import * as details from './details.js';
import * as diff from './diff.js';
import { byId, later, say } from './dom.js';
import * as grids from './grids.js';
import * as keys from './keys.js';
import * as live from './live.js';
import * as scores from './scores.js';
import { on, read, state } from './state.js';
import { complete, hear, load } from './store.js';
import * as table from './table.js';

// fail says what went wrong where it can be seen.
function fail(error) {
  if (error.name === 'AbortError') return;
  if (error.status === 400 && state.filter) {
    table.refused(error);
    return;
  }
  const reason = error.status ? error.message + (error.hint ? ' — ' + error.hint : '') : 'The server does not answer: is diffuse serve still running?';
  say(byId('error'), reason);
}

function recovered() {
  say(byId('error'), '');
  table.refused(null);
}

async function begin() {
  read();
  details.start();
  curves.start(fail); // before the table, which is drawn while the curves are on their way
  table.start(fail);
  grids.start(fail);
  scores.start();
  diff.start();
  detail.start(fail);
  keys.start();
  hear('rows', recovered);
  hear('rows', table.examples);

  const filter = byId('filter');
  filter.value = state.filter;
  filter.addEventListener('input', later(250, () => table.filter(filter.value)));
  byId('filter-form').addEventListener('submit', (e) => {
    e.preventDefault();
    table.filter(filter.value);
  });
  on(['filter'], () => {
    if (document.activeElement !== filter) filter.value = state.filter;
  });
  on(['runs'], () => complete().catch(fail));

  await load();
  await complete();
  await detail.refresh();
}

begin().catch(fail).finally(() => live.start(fail));
