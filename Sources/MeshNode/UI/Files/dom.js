// Building and updating the page. Text goes in as text only; nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** An element with attributes (`onclick` and the like are listeners, null leaves one out) and children. */
export function el(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same for a part of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Writes only what changed: selections, focus and screen readers stay where they are. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * Makes the children of `parent` those of `items`, in their order, keeping the element of every key that stays.
 * `make(item)` returns an element whose property `update`, if there is one, takes the item again later.
 */
export function sync(parent, items, keyOf, make) {
  const known = new Map([...parent.children].map((child) => [child.syncKey, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = known.get(key);
    if (child) known.delete(key);
    else {
      child = make(item);
      child.syncKey = key;
    }
    child.update?.(item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of known.values()) child.remove();
}

/** A labelled bar. `update` takes a share between 0 and 1 (null where unknown) and what to say about it. */
export function bar() {
  const name = el("span", { class: "bar-name" });
  const fill = el("i");
  const text = el("span", { class: "bar-text" });
  const track = el("span", { class: "track", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const row = el("div", { class: "bar" }, name, track, text);
  row.update = ({ name: short, title = short, share, words }) => {
    const percent = share === null ? 0 : Math.round(Math.min(Math.max(share, 0), 1) * 100);
    setText(name, short);
    setAttribute(name, "title", title === short ? null : title);
    setText(text, words);
    setAttribute(track, "aria-label", title);
    setAttribute(track, "aria-valuenow", percent);
    setAttribute(track, "aria-valuetext", words);
    setAttribute(track, "data-level", share === null ? "unknown" : percent >= 95 ? "full" : percent >= 80 ? "high" : "calm");
    fill.style.width = `${percent}%`;
  };
  return row;
}
