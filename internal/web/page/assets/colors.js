// A run keeps its colour: it begins with one that its name gives, and moves on
// where a run drawn before it has that one. The runs of a link are in order, so
// whoever opens it sees the same colours.

const hues = 10; // --run-0 … --run-9 in theme.css
const given = new Map();

function hash(name) {
  let h = 2166136261; // FNV-1a
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619);
  return h >>> 0;
}

/** assign gives each name a colour and forgets those of other runs. */
export function assign(names) {
  for (const name of given.keys()) {
    if (!names.includes(name)) given.delete(name);
  }
  for (const name of names) {
    if (given.has(name)) continue;
    const taken = new Set(given.values());
    let slot = hash(name) % hues;
    for (let i = 0; i < hues && taken.has(slot); i++) slot = (slot + 1) % hues;
    given.set(name, slot);
  }
}

/** variable is the style's name for a run's colour. */
export const variable = (name) => `var(--run-${given.get(name) ?? hash(name) % hues})`;

/** ink is a run's colour as a canvas needs it. */
export function ink(name) {
  return color('--run-' + (given.get(name) ?? hash(name) % hues));
}

/** color is the value of a variable of the theme. */
export const color = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
