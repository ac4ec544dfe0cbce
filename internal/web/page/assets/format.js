// How numbers read.

const none = '–';

/** number has four significant digits, and no more zeros than it needs. */
export function number(x) {
  if (x == null || !Number.isFinite(x)) return none;
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-4) return x.toExponential(2).replace('e+', 'e');
  return String(Number(x.toPrecision(4)));
}

/** count is a whole number with its thousands apart. */
export const count = (n) => (n == null ? none : Math.round(n).toLocaleString('en-US'));

const units = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']];

/** short is a number of at most four signs and a unit: 15.9M. */
export function short(x) {
  if (x == null || !Number.isFinite(x)) return none;
  for (const [size, unit] of units) {
    if (Math.abs(x) >= size) return Number((x / size).toPrecision(3)) + unit;
  }
  return number(x);
}

/** bytes of memory. */
export const bytes = (n) => (n ? short(n) + 'B' : none);

/** duration in the two units that matter. */
export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return none;
  const s = Math.round(seconds);
  if (s < 60) return s + 's';
  if (s < 3600) return Math.floor(s / 60) + 'm ' + (s % 60) + 's';
  if (s < 86400) return Math.floor(s / 3600) + 'h ' + Math.floor((s % 3600) / 60) + 'm';
  return Math.floor(s / 86400) + 'd ' + Math.floor((s % 86400) / 3600) + 'h';
}

/** when is a moment in the reader's time, without what goes without saying. */
export function when(text) {
  const date = new Date(text);
  if (!text || Number.isNaN(date.getTime())) return none;
  const now = new Date();
  const options = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false };
  if (date.getFullYear() !== now.getFullYear()) options.year = 'numeric';
  return date.toLocaleString('en-GB', options);
}
