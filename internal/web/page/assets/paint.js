// Strokes on a canvas. place turns values into its pixels; a value that is
// missing, or not positive on a logarithmic axis, breaks a line.

const seen = (v, place) => v != null && (!place.log || v > 0);

/** stroke draws a line through the values. */
export function stroke(ctx, xs, ys, place, { width, alpha }) {
  ctx.globalAlpha = alpha;
  ctx.lineWidth = width;
  ctx.beginPath();
  let pen = false;
  for (let i = 0; i < xs.length; i++) {
    if (!seen(ys[i], place)) {
      pen = false;
      continue;
    }
    const [x, y] = [place.x(xs[i]), place.y(ys[i])];
    if (pen) ctx.lineTo(x, y);
    else ctx.moveTo(x, y);
    pen = true;
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** band fills what lies between the least and greatest of merged points. */
export function band(ctx, line, place) {
  ctx.globalAlpha = 0.16;
  ctx.beginPath();
  const there = line.x.map((_, i) => i).filter((i) => seen(line.min[i], place) && seen(line.max[i], place));
  there.forEach((i, n) => (n ? ctx.lineTo : ctx.moveTo).call(ctx, place.x(line.x[i]), place.y(line.max[i])));
  there.reverse().forEach((i) => ctx.lineTo(place.x(line.x[i]), place.y(line.min[i])));
  ctx.fill();
  ctx.globalAlpha = 1;
}

/** dots marks each value: a curve of few points is read by them. */
export function dots(ctx, xs, ys, place, radius) {
  for (let i = 0; i < xs.length; i++) {
    if (!seen(ys[i], place)) continue;
    ctx.beginPath();
    ctx.arc(place.x(xs[i]), place.y(ys[i]), radius, 0, 2 * Math.PI);
    ctx.fill();
  }
}
