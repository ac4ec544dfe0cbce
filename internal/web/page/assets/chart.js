// One picture of curves. uPlot keeps axes, scales, cursor and selection; the
// lines are drawn here, each over its own x, so that runs need not be aligned.

import { color, ink } from './colors.js';
import { el } from './dom.js';
import { across, steps } from './metrics.js';
import { at, decades, extent, labelled, spread } from './range.js';
import { band, dots, stroke } from './paint.js';
import { smooth } from './series.js';

const uPlot = () => window.uPlot;

const logarithmic = { splits: (_u, _axis, min, max) => decades(min, max), filter: (_, ticks) => ticks };

/** Chart draws the lines of one metric into host. */
export class Chart {
  constructor(host, metric, { zoom, readout }) {
    Object.assign(this, { host, metric, zoom, readout, lines: [], view: { axis: 'step', log: false, smooth: 0 } });
    this.tip = el('div', { class: 'tip', hidden: true });
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(host);
    host.tabIndex = 0;
    host.setAttribute('role', 'img');
    host.addEventListener('keydown', (e) => this.key(e));
    host.addEventListener('blur', () => this.plot?.setCursor({ left: -10, top: -10 }));
  }

  /** show draws lines, [{name, x, mean, min, max, points}], as the view says. */
  show(lines, view) {
    const remake = !this.plot || view.log !== this.view.log || view.axis !== this.view.axis;
    this.view = view;
    this.lines = lines.map((l) => ({ ...l, drawn: smooth(l.mean, this.metric.of === 'step' ? view.smooth : 0) }));
    if (remake) this.make();
    else this.plot.setData(this.data());
    this.describe();
  }

  make() {
    this.plot?.destroy();
    const { width, height } = this.box();
    if (width === 0) return;
    this.plot = new (uPlot())(this.options(width, height), this.data(), this.host);
    this.plot.over.append(this.tip);
    this.plot.over.addEventListener('pointermove', (e) => e.pointerType === 'touch' && this.touch(e));
  }

  box() {
    return { width: this.host.clientWidth, height: this.host.clientHeight };
  }

  resize() {
    const size = this.box();
    if (!this.plot) this.make();
    else if (size.width !== this.plot.width || size.height !== this.plot.height) this.plot.setSize(size);
  }

  // uPlot's own data are the corners of what is seen.
  data() {
    const [x0, x1] = extent(this.lines, 'x', this.view);
    const [y0, y1] = spread(this.lines, this.view);
    return [[x0, x1], [y0, y1]];
  }

  options(width, height) {
    const axis = { stroke: color('--muted'), font: '11px ' + color('--font'), grid: { stroke: color('--grid'), width: 1 }, ticks: { show: false } };
    return {
      width, height, padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: {
        y: false, points: { show: false }, sync: { key: 'curves', scales: ['x', null] },
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => this.zoom(null, null) },
      },
      scales: {
        x: { time: false, range: () => extent(this.lines, 'x', this.view) },
        y: { distr: this.view.log ? 3 : 1, range: () => spread(this.lines, this.view) },
      },
      axes: [
        { ...axis, size: 28, incrs: steps(this.view.axis), values: (_, ticks) => ticks.map((t) => across(this.view.axis, t)) },
        { ...axis, size: 56, values: (_, ticks) => this.labels(ticks), ...(this.view.log && logarithmic) },
      ],
      series: [{}, { paths: () => null, points: { show: false } }],
      hooks: { draw: [(u) => this.paint(u)], setSelect: [(u) => this.select(u)], setCursor: [(u) => this.point(u)] },
    };
  }

  labels(ticks) {
    return (this.view.log ? labelled(ticks) : ticks).map((t) => (t == null ? '' : this.metric.format(t)));
  }

  paint(u) {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(left - 4, top - 4, width + 8, height + 8);
    u.ctx.clip();
    const place = { x: (v) => u.valToPos(v, 'x', true), y: (v) => u.valToPos(v, 'y', true), log: this.view.log };
    const scale = devicePixelRatio;
    for (const line of this.lines) {
      const merged = line.points > line.x.length;
      const smoothed = line.drawn !== line.mean;
      u.ctx.strokeStyle = u.ctx.fillStyle = ink(line.name);
      u.ctx.lineJoin = 'round';
      if (merged) band(u.ctx, line, place);
      if (smoothed) stroke(u.ctx, line.x, line.mean, place, { width: scale, alpha: 0.25 });
      stroke(u.ctx, line.x, line.drawn, place, { width: 1.6 * scale, alpha: 1 });
      if (line.x.length <= 40) dots(u.ctx, line.x, line.drawn, place, 2.6 * scale);
    }
    u.ctx.restore();
  }

  select(u) {
    const { left, width } = u.select;
    if (width < 5) return;
    const from = u.posToVal(left, 'x');
    const to = u.posToVal(left + width, 'x');
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.zoom(from, to);
  }

  // point shows the values under the cursor.
  point(u) {
    const { left } = u.cursor;
    this.tip.hidden = left == null || left < 0 || this.lines.length === 0;
    if (this.tip.hidden) return;
    const x = u.posToVal(left, 'x');
    const found = this.found(x);
    const rows = found.slice(0, 12).map(({ line, i }) => el('li', { vars: { '--run': ink(line.name) } },
      el('b', {}, line.name), el('span', {}, this.value(line, i))));
    this.tip.replaceChildren(el('p', {}, this.where(x)), el('ul', {}, rows));
    this.tip.classList.toggle('flip', left > u.over.clientWidth / 2);
    this.tip.style.setProperty('--at', left + 'px');
  }

  // found are the lines that have a value near x, the greatest first.
  found(x) {
    return this.lines.map((line) => ({ line, i: at(line.x, x) }))
      .filter(({ line, i }) => i >= 0 && line.drawn[i] != null)
      .sort((a, b) => b.line.drawn[b.i] - a.line.drawn[a.i]);
  }

  where(x) {
    const text = across(this.view.axis, this.view.axis === 'time' ? x : Math.round(x));
    return this.view.axis === 'time' ? text + ' of training' : `${this.view.axis} ${text}`;
  }

  value(line, i) {
    const { format } = this.metric;
    const text = format(line.drawn[i]);
    const merged = line.points > line.x.length && line.min[i] !== line.max[i];
    return merged ? `${text} (${format(line.min[i])} … ${format(line.max[i])})` : text;
  }

  // key moves the cursor by arrows, and zooms by + and -.
  key(e) {
    const u = this.plot;
    if (!u || !['ArrowLeft', 'ArrowRight', '+', '-', 'Escape'].includes(e.key)) return;
    e.preventDefault();
    const span = u.over.clientWidth;
    const left = u.cursor.left >= 0 ? u.cursor.left : span / 2;
    const [min, max] = [u.scales.x.min, u.scales.x.max];
    if (e.key === 'Escape') u.setCursor({ left: -10, top: -10 });
    else if (e.key === '-') this.zoom(null, null);
    else if (e.key === '+') {
      const x = u.posToVal(left, 'x');
      this.zoom(Math.max(min, x - (max - min) / 4), Math.min(max, x + (max - min) / 4));
    } else {
      const by = (e.shiftKey ? 0.1 : 0.01) * span * (e.key === 'ArrowLeft' ? -1 : 1);
      this.move(Math.min(Math.max(left + by, 0), span - 1));
    }
  }

  move(left) {
    this.plot.setCursor({ left, top: 10 });
    const x = this.plot.posToVal(left, 'x');
    this.readout(`${this.metric.label} at ${this.where(x)}: ` + this.found(x).map(({ line, i }) => `${line.name} ${this.value(line, i)}`).join(', '));
  }

  touch(e) {
    const box = this.plot.over.getBoundingClientRect();
    this.plot.setCursor({ left: e.clientX - box.left, top: e.clientY - box.top });
  }

  // describe says in words what the picture shows.
  describe() {
    const each = this.lines.filter((l) => l.x.length > 0).map((l) => {
      const last = l.mean.findLastIndex((v) => v != null);
      return last < 0 ? l.name : `${l.name} ${this.metric.format(l.mean[last])} at ${this.where(l.x[last])}`;
    });
    this.host.setAttribute('aria-label', `${this.metric.label} of ${each.join(', ') || 'no run'}. Arrow keys read values, plus zooms in, minus zooms out.`);
  }

  /** restyle draws anew in the colours of the theme. */
  restyle() {
    if (this.plot) this.make();
  }

  destroy() {
    this.sizes.disconnect();
    this.plot?.destroy();
  }
}
