// The curves that the server knows, and how their values read.

import { bytes, duration, number, short } from './format.js';

const list = [
  { id: 'loss', label: 'Loss', of: 'step' },
  { id: 'train_loss', label: 'Training loss of an epoch', short: 'Train loss', of: 'epoch' },
  { id: 'valid_loss', label: 'Validation loss', short: 'Valid loss', of: 'epoch' },
  { id: 'valid_loss_ema', label: 'Validation loss of the average', short: 'Valid EMA', of: 'epoch' },
  { id: 'fid', label: 'FID', of: 'epoch' },
  { id: 'kid', label: 'KID', of: 'epoch' },
  { id: 'accuracy', label: 'Accuracy', of: 'epoch' },
  { id: 'lr', label: 'Learning rate', short: 'LR', of: 'step' },
  { id: 'grad_norm', label: 'Gradient norm', short: 'Grad norm', of: 'step' },
  { id: 'img_per_s', label: 'Images a second', short: 'img/s', of: 'step' },
  { id: 'memory', label: 'Memory', of: 'step', format: bytes },
];

/** metrics in the order they are offered. */
export const metrics = list.map((m) => ({ short: m.label, format: number, ...m }));

/** metric with that id. */
export const metric = (id) => metrics.find((m) => m.id === id);

/** axes are what x may be. */
export const axes = [['step', 'Step'], ['images', 'Images'], ['time', 'Time']];

/** across is how a value of an axis reads: seconds as 1h 30m. */
export const across = (axis, value) => (axis === 'time' ? duration(value).replace(/ 0[ms]$/, '') : short(value));

/** steps are the distances between an axis's ticks that read well; undefined is any. */
export const steps = (axis) => (axis === 'time' ? times : undefined);

const [minute, hour, day] = [60, 3600, 86400];
const times = [1, 2, 5, 10, 15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour,
  3 * hour, 6 * hour, 12 * hour, day, 2 * day, 5 * day, 10 * day, 20 * day, 50 * day, 100 * day];
