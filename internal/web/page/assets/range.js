// Which part of the axes is seen, and which point is nearest.

/** extent is the least and greatest x of the lines, or the zoomed range. */
export function extent(lines, key, { from, to }) {
  let min = Infinity;
  let max = -Infinity;
  for (const line of lines) {
    if (line[key].length === 0) continue;
    min = Math.min(min, line[key][0]);
    max = Math.max(max, line[key].at(-1));
  }
  if (from != null) min = from;
  if (to != null) max = to;
  if (!(min < max)) return Number.isFinite(min) ? [min - 1, min + 1] : [0, 1];
  return [min, max];
}

/**
 * spread is the range of y with some air. A logarithmic one begins at the least
 * positive value. Where a curve is smoothed, its outliers may leave the picture.
 */
export function spread(lines, { log, smooth, from, to }) {
  let min = Infinity;
  let max = -Infinity;
  const take = (v) => {
    if (v == null || (log && v <= 0)) return;
    if (v < min) min = v;
    if (v > max) max = v;
  };
  for (const line of lines) {
    line.x.forEach((x, i) => {
      if ((from != null && x < from) || (to != null && x > to)) return;
      take(line.drawn[i]);
      if (smooth > 0) return;
      take(line.min[i]);
      take(line.max[i]);
    });
  }
  if (min > max) return log ? [0.1, 1] : [0, 1];
  if (log) return [min / 1.12, max * 1.12];
  const air = (max - min || Math.abs(max) || 1) * 0.05;
  return [min >= 0 ? Math.max(0, min - air) : min - air, max + air];
}

/** decades are the ticks of a logarithmic axis: whole multiples of powers of ten. */
export function decades(min, max) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) {
    for (let digit = 1; digit <= 9; digit++) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return ticks.length > 1 ? ticks : [min, max];
}

/** labelled are the ticks of a logarithmic axis that have room for a label; the others are null. */
export function labelled(ticks) {
  const wide = ticks.at(-1) / ticks[0] > 1000;
  for (const worth of wide ? [[1]] : [[1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
    const some = ticks.map((t) => (worth.includes(Number(t.toExponential().split('e')[0])) ? t : null));
    if (some.filter((t) => t != null).length > 1) return some;
  }
  return ticks;
}

/** at is the index of the value of a rising list that is nearest to x; -1 outside of it. */
export function at(list, x) {
  if (list.length === 0) return -1;
  let low = 0;
  let high = list.length - 1;
  const step = list.length > 1 ? (list[high] - list[0]) / (list.length - 1) : 1;
  if (x < list[0] - step || x > list[high] + step) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (list[middle] < x) low = middle;
    else high = middle;
  }
  return x - list[low] < list[high] - x ? low : high;
}
