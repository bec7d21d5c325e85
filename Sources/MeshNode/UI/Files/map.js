// The mesh as a drawing: nodes around a ring of the voters.
//
// What a line means: hairline, both ends are alive; plain, a link of the node that serves this page; heavy, the primary
// and a voter. A node's shape tells its state as well as its colour does: solid is alive, a dashed rim with a question
// mark suspect, a hollow one with a cross dead, a dotted rim left, dashes and dots a node that hears nobody.

import { milliseconds } from "./format.js";
import { setAttribute, setText, svg, sync } from "./dom.js";

const VOTER_RADIUS = 21;
const OBSERVER_RADIUS = 13;
const DOT_RADIUS = 6;
const RING_RADIUS_MAX = 46;
const GAP = 0.09;
/** Beyond this many nodes the observers become dots without names and links. */
const NAMED_MAX = 16;
const PULSE_MS = 900;

export class MeshMap {
  #root;
  #summary;
  #links = svg("g", { class: "links", "aria-hidden": "true" });
  #pulses = svg("g", { class: "pulses", "aria-hidden": "true" });
  #ring = svg("g", { class: "ring", "aria-hidden": "true" });
  #nodes = svg("g");
  #status = null;
  #places = new Map();

  constructor(root, summary) {
    this.#root = root;
    this.#summary = summary;
    root.append(this.#links, this.#pulses, this.#ring, this.#nodes);
    new ResizeObserver(() => this.#status && this.#draw()).observe(root);
  }

  update(status) {
    this.#status = status;
    this.#draw();
  }

  /** A dot that travels from this node to the one that answered. */
  pulse(name) {
    const from = this.#places.get(this.#status?.node);
    const to = this.#places.get(name);
    if (!from || !to || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const dot = svg("circle", { class: "pulse", r: from === to ? VOTER_RADIUS : 5 });
    this.#pulses.append(dot);
    const at = ({ x, y }) => `translate(${x}px, ${y}px)`;
    const frames = from === to
      ? [{ transform: `${at(from)} scale(1)`, opacity: 0.6 }, { transform: `${at(from)} scale(1.7)`, opacity: 0 }]
      : [{ transform: at(from), opacity: 1 }, { transform: at(to), opacity: 1, offset: 0.8 }, { transform: at(to), opacity: 0 }];
    dot.animate(frames, { duration: PULSE_MS, easing: "ease-in-out" }).finished.finally(() => dot.remove());
  }

  #draw() {
    const width = this.#root.clientWidth;
    const height = this.#root.clientHeight;
    if (width === 0 || height === 0) return;
    setAttribute(this.#root, "viewBox", `0 0 ${width} ${height}`);
    const members = this.#status.members;
    this.#places = placesOf(members, width, height);
    setText(this.#summary, summaryOf(this.#status));
    this.#drawLinks(members);
    this.#drawRing(width / 2, height / 2);
    const items = members.map((member) => ({
      member,
      place: this.#places.get(member.name),
      radius: radiusOf(member, members.length),
      isIsolated: member.is_self && this.#status.is_isolated,
    }));
    sync(this.#nodes, items, ({ member, radius }) => `${member.id} ${radius}`, makeNode);
  }

  #drawLinks(members) {
    const present = members.filter((member) => member.is_self || member.state === "alive" || member.state === "suspect")
      .filter((member) => radiusOf(member, members.length) > DOT_RADIUS);
    const lines = [];
    for (const [index, a] of present.entries()) {
      for (const b of present.slice(index + 1)) {
        const [from, to] = [this.#places.get(a.name), this.#places.get(b.name)];
        lines.push({ key: `${a.id} ${b.id}`, kind: kindOfLink(a, b), from, to });
      }
    }
    sync(this.#links, lines, (line) => line.key, () => {
      const line = svg("line");
      line.update = ({ kind, from, to }) => {
        setAttribute(line, "class", `link ${kind}`);
        const ends = { x1: from.x, y1: from.y, x2: to.x, y2: to.y };
        for (const [name, value] of Object.entries(ends)) setAttribute(line, name, value.toFixed(1));
      };
      return line;
    });
  }

  /** One arc a voter, filled while it is within reach; a mark shows how many make a quorum. */
  #drawRing(x, y) {
    const { voters, needed, reachable, has_quorum: hasQuorum } = this.#status.quorum;
    const radius = Math.min(RING_RADIUS_MAX, x / 4.2);
    const parts = [svg("circle", { class: "ring-ground", cx: x, cy: y, r: radius + 9 })];
    for (let index = 0; index < voters; index++) {
      const [from, to] = [index, index + 1].map((turn) => (turn / voters) * 2 * Math.PI - Math.PI / 2);
      const gap = voters > 1 ? GAP : 0.001;
      parts.push(svg("path", { class: index < reachable ? "arc reached" : "arc", d: arc(x, y, radius, from + gap / 2, to - gap / 2) }));
    }
    if (voters > 1) {
      const angle = (needed / voters) * 2 * Math.PI - Math.PI / 2;
      const end = (distance) => `${(x + distance * Math.cos(angle)).toFixed(1)} ${(y + distance * Math.sin(angle)).toFixed(1)}`;
      parts.push(svg("path", { class: "quorum-mark", d: `M${end(radius - 8)}L${end(radius + 8)}` }));
    }
    parts.push(
      svg("text", { class: "ring-count", x, y: y + 2 }, `${reachable}/${voters}`),
      svg("text", { class: "ring-words", x, y: y + 17 }, hasQuorum ? "quorum" : reachable < needed ? "no quorum" : "electing"),
    );
    this.#ring.setAttribute("class", `ring ${hasQuorum ? "" : "broken"}`);
    this.#ring.replaceChildren(...parts);
  }
}

function kindOfLink(a, b) {
  if (a.state === "suspect" || b.state === "suspect") return "doubtful";
  if ((a.is_primary && b.is_voter) || (b.is_primary && a.is_voter)) return "lead";
  return a.is_self || b.is_self ? "own" : "far";
}

/** Voters on an ellipse, the first on top; observers on a wider one. By name, so that nobody moves when roles do. */
function placesOf(members, width, height) {
  const places = new Map();
  const outer = members.filter((member) => !member.is_voter);
  const inner = members.filter((member) => member.is_voter);
  const hasBoth = inner.length > 0 && outer.length > 0;
  const put = (group, radiusX, radiusY) => {
    for (const [index, member] of group.entries()) {
      const angle = (index / group.length) * 2 * Math.PI - Math.PI / 2;
      places.set(member.name, { x: width / 2 + radiusX * Math.cos(angle), y: height / 2 - 8 + radiusY * Math.sin(angle) });
    }
  };
  const [wide, high] = [Math.min(width / 2 - 62, 330), height / 2 - 56];
  const areDots = members.length > NAMED_MAX;
  put(inner, hasBoth ? wide * 0.72 : wide, hasBoth ? high * 0.72 : high);
  put(outer, areDots ? width / 2 - 20 : wide, areDots ? height / 2 - 20 : high);
  return places;
}

function radiusOf(member, count) {
  if (member.is_voter) return VOTER_RADIUS;
  return count > NAMED_MAX && !member.is_self ? DOT_RADIUS : OBSERVER_RADIUS;
}

function makeNode({ radius }) {
  const load = svg("circle", { class: "n-load", r: radius + 4, pathLength: 100, transform: "rotate(-90)" });
  const body = svg("circle", { r: radius - 2 });
  const crown = svg("circle", { class: "n-crown", r: radius + 9 });
  const arm = radius / 3.5;
  const cross = svg("path", { class: "n-cross", d: `M${-arm} ${-arm}L${arm} ${arm}M${arm} ${-arm}L${-arm} ${arm}` });
  const mark = svg("text", { class: "n-mark", y: 5 });
  const name = svg("text", { class: "n-name", y: radius + 24 });
  const details = svg("text", { class: "n-words", y: radius + 38 });
  const track = svg("circle", { class: "n-track", r: radius + 4 });
  const node = svg("a", { class: "node" }, track, load, crown, body, cross, mark, name, details);
  const isNamed = radius > DOT_RADIUS;
  node.update = ({ member: now, place, isIsolated }) => {
    const looks = `${now.state}${isIsolated ? " isolated" : ""}`;
    const words = isIsolated ? "this node · isolated" : wordsFor(now);
    setAttribute(node, "href", `#mesh/${encodeURIComponent(now.name)}`);
    setAttribute(node, "transform", `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})`);
    setAttribute(node, "class", `node ${looks}${now.is_self ? " is-self" : ""}`);
    setAttribute(node, "aria-label", `${now.name}: ${words}. Show its card`);
    setAttribute(body, "class", `n-body ${looks}${now.is_primary ? " is-primary" : ""}`);
    setAttribute(load, "stroke-dasharray", `${(loadOf(now) * 100).toFixed(1)} 100`);
    setAttribute(crown, "visibility", now.is_primary ? "visible" : "hidden");
    setAttribute(cross, "visibility", now.state === "dead" ? "visible" : "hidden");
    const running = now.health?.running ? String(now.health.running) : "";
    setText(mark, { suspect: "?", left: "–", alive: running }[now.state] ?? "");
    setText(name, isNamed ? now.name : "");
    setText(details, isNamed ? words : "");
  };
  return node;
}

/** The busiest of its GPUs, or the CPU where it has none; nothing for who is not there. */
function loadOf(member) {
  if (!member.health || (member.state !== "alive" && !member.is_self)) return 0;
  const loads = (member.health.gpus ?? []).map((gpu) => gpu.load).filter((load) => load !== null);
  return Math.min(Math.max(loads.length > 0 ? Math.max(...loads) : (member.health.cpu ?? 0), 0), 1);
}

function wordsFor(member) {
  const words = [];
  if (member.is_primary) words.push("primary");
  if (member.is_self) words.push("this node");
  else if (member.state !== "alive") words.push(member.state);
  else if (member.round_trip_ms !== null && !member.is_primary) words.push(milliseconds(member.round_trip_ms));
  return words.join(" · ") || member.state;
}

function summaryOf(status) {
  const { reachable, voters, needed } = status.quorum;
  const primary = status.primary ? `${status.primary} is primary` : "no primary is known";
  return `Seen from ${status.node}: ${primary}; ${reachable} of ${voters} voters are within reach, ${needed} are needed.`;
}

function arc(x, y, radius, from, to) {
  const point = (angle) => `${(x + radius * Math.cos(angle)).toFixed(2)} ${(y + radius * Math.sin(angle)).toFixed(2)}`;
  return `M${point(from)}A${radius} ${radius} 0 ${to - from > Math.PI ? 1 : 0} 1 ${point(to)}`;
}
