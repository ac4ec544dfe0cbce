// The points of one metric's curves: asked for once, then only what is new.

import * as api from './api.js';

/** smooth is a moving average that does not lean on its first value, as Adam's. */
export function smooth(values, weight) {
  if (weight <= 0) return values;
  let sum = 0;
  let mass = 0;
  return values.map((v) => {
    if (v == null) return null;
    sum = weight * sum + (1 - weight) * v;
    mass = weight * mass + (1 - weight);
    return sum / mass;
  });
}

/** Series holds the curves of a metric that are on the screen. */
export class Series {
  constructor(metric) {
    this.metric = metric;
    this.lines = new Map(); // run → {x, mean, min, max, points}
    this.asked = ''; // what the lines answer
    this.underway = new Map(); // run → the request that brings it
  }

  /**
   * load asks for all curves in one request, if what it would ask has changed.
   * Where only runs are added, it asks for those.
   */
  async load(runs, { x, from, to, width }) {
    const what = JSON.stringify([x, from, to, width]);
    if (what !== this.asked) {
      this.request?.abort();
      this.request = undefined;
      this.stale = this.lines;
      this.lines = new Map();
      this.underway = new Map();
      this.asked = what;
    }
    this.query = { metric: this.metric, x, from, to, width };
    this.width = width;
    for (const name of this.lines.keys()) {
      if (!runs.includes(name)) this.lines.delete(name);
    }
    const missing = runs.filter((name) => !this.lines.has(name) && !this.underway.has(name));
    if (missing.length > 0) this.ask(missing);
    await Promise.all(runs.map((name) => this.underway.get(name)));
    if (what === this.asked) this.stale = undefined;
  }

  // ask fetches the curves of some runs anew, all in one request.
  ask(runs) {
    const { lines, underway } = this;
    this.request ??= new AbortController();
    const answer = api.series(runs, this.query, this.request.signal).then(({ series }) => {
      for (const s of series) lines.set(s.run, s);
    }).finally(() => runs.forEach((name) => underway.delete(name)));
    runs.forEach((name) => underway.set(name, answer));
    return answer;
  }

  /** drawn is a run's curve; while another range is asked for, the one before. */
  drawn(run) {
    return this.lines.get(run) ?? this.stale?.get(run);
  }

  /** follow fetches what lies beyond a run's last point. It says whether there was any. */
  async follow(run) {
    const line = this.lines.get(run);
    if (!line || this.query.to != null) return false; // a zoomed range does not grow
    const last = line.x.at(-1);
    if (last === undefined || line.x.length > 2 * this.width) {
      await this.ask([run]); // too many points for the screen: merge them anew
      return true;
    }
    const answer = await api.series([run], { ...this.query, from: null, after: last });
    const more = answer.series.find((s) => s.run === run);
    if (!more || more.x.length === 0 || this.lines.get(run) !== line) return false;
    for (const key of ['x', 'mean', 'min', 'max']) line[key].push(...more[key]);
    line.points += more.points;
    return true;
  }

  /** forget a run's points: an attempt that resumed has replaced some. */
  forget(run) {
    this.lines.delete(run);
  }
}
