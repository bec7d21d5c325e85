// The view of the mesh: the map, what the nodes agree on, each node's card, and the prompts this node routed.

import { makeCard } from "./card.js";
import { decisionTable } from "./decision.js";
import { $, el, setText, sync } from "./dom.js";
import { clock, milliseconds, plural } from "./format.js";
import { MeshMap } from "./map.js";

const PROMPTS_MAX = 12;
const RESULTS = { ok: "answered", cancelled: "stopped", "broken-off": "broke off", refused: "refused" };

export class MeshView {
  #map = new MeshMap($("map"), $("map-summary"));
  #status = null;
  #receivedAt = 0;

  constructor() {
    // Reports age between two pictures.
    setInterval(() => this.#status && !document.hidden && this.#drawCards(), 1000);
  }

  update(status) {
    this.#status = status;
    this.#receivedAt = Date.now();
    this.#map.update(status);
    this.#drawFacts();
    this.#drawCards();
  }

  /** Brings one node's card before the eyes and into focus. */
  show(name) {
    const card = document.getElementById(`node-${name}`);
    if (!card) return;
    card.focus({ preventScroll: true });
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    card.scrollIntoView({ block: "center", behavior: isStill ? "auto" : "smooth" });
  }

  addPrompt(route) {
    $("prompts-empty").hidden = true;
    this.#map.pulse(route.node);
    const figures = [];
    if (typeof route.first_byte_ms === "number") figures.push(`first word ${milliseconds(route.first_byte_ms)}`);
    figures.push(`all ${milliseconds(route.total_ms)}`);
    if (typeof route.tokens === "number") figures.push(plural(route.tokens, "token"));
    if (route.attempts > 1) figures.push(plural(route.attempts, "attempt"));
    const head = [
      el("span", { class: "prompt-head" },
        el("time", { class: "quiet" }, clock(new Date())), el("b", {}, route.node ?? "no node"),
        el("span", { class: "model" }, route.model),
        el("span", { class: route.result === "ok" ? "quiet" : "notice" }, RESULTS[route.result] ?? route.result)),
      el("span", { class: "quiet figures" }, figures.join(" · ")),
    ];
    const table = decisionTable(route.decision);
    const list = $("prompts");
    list.prepend(el("li", {}, table ? el("details", {}, el("summary", {}, ...head), table) : el("div", { class: "no-choice" }, ...head)));
    while (list.children.length > PROMPTS_MAX) list.lastElementChild.remove();
  }

  /** For whoever signs in next: what went before is not theirs to see. */
  clear() {
    this.#status = null;
    $("prompts").replaceChildren();
    $("cards").replaceChildren();
    $("prompts-empty").hidden = false;
  }

  #drawFacts() {
    const status = this.#status;
    const { voters, needed, reachable, has_quorum: hasQuorum } = status.quorum;
    const facts = [
      ["Primary", status.primary ?? "none known"],
      ["This node", `${status.node}, ${status.role}`],
      ["Quorum", `${hasQuorum ? "yes" : "no"}: ${reachable} of ${voters} in reach, ${needed} needed`],
      ["Term", String(status.term)],
      ["Log", `${status.commit_index} committed, ${status.applied_index} applied`],
      ["Mesh", `${status.cluster_id.slice(0, 12)} · ${status.version}`],
    ];
    sync($("facts"), facts, ([name]) => name, ([name]) => {
      const value = el("dd");
      const row = el("div", {}, el("dt", {}, name), value);
      row.update = ([, text]) => setText(value, text);
      return row;
    });
  }

  #drawCards() {
    const items = this.#status.members.map((member) => ({ member, receivedAt: this.#receivedAt }));
    sync($("cards"), items, ({ member }) => member.id, makeCard);
  }
}
