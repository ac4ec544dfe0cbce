// Elements are made here. Whatever a run says of itself (names, notes, tags,
// errors) becomes a text node or an attribute's value, never markup.

/** byId is the element of the page with that id. */
export const byId = (id) => document.getElementById(id);

/**
 * el makes an element. Properties of attrs that are functions listen to the
 * event of their name, `vars` are custom properties of its style, false and null are
 * left out; children are nodes or text.
 */
export function el(tag, attrs = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (name === 'vars') setVars(node, value);
    else if (name === 'checked' || name === 'value' || name === 'open') node[name] = value;
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((c) => c != null && c !== false));
  return node;
}

function setVars(node, vars) {
  for (const [name, value] of Object.entries(vars)) node.style.setProperty(name, value);
}

/** show reveals or hides an element. */
export function show(node, yes) {
  node.hidden = !yes;
}

/** say writes a message, and hides its element where there is none. */
export function say(node, text) {
  node.textContent = text ?? '';
  node.hidden = !text;
}

/** command is text for a person to type. */
export const command = (text) => el('code', { class: 'command' }, text);

/** later calls fn once, some time after the last of many calls. */
export function later(ms, fn) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), ms);
  };
}

/** radios fills a fieldset with choices, [value, label], one of which holds. */
export function radios(fieldset, name, choices, chosen, choose) {
  const old = [...fieldset.querySelectorAll('input')].map((i) => i.value).join();
  if (old !== choices.map(([value]) => value).join()) {
    fieldset.querySelectorAll('label').forEach((l) => l.remove());
    for (const [value, label] of choices) {
      const input = el('input', { type: 'radio', name, value, change: () => choose(value) });
      fieldset.append(el('label', {}, input, el('span', {}, label)));
    }
  }
  for (const input of fieldset.querySelectorAll('input')) input.checked = input.value === chosen;
}
