// Why a prompt went where it went, from the text of `X-Mesh-Decision`:
//
//     vengeance/ollama eta=1240ms rtt=2ms queue=0ms load=0ms prefill=210ms decode=1020ms risk=8ms; runpod-tx=1890ms; sark:dead; +2
//
// The winner with its costs in milliseconds, then who else was considered (=) or could not be (:), and how many more.

import { el } from "./dom.js";
import { milliseconds } from "./format.js";

const TERMS = {
  rtt: "round trip",
  queue: "waiting for a slot",
  load: "loading the model",
  prefill: "reading the prompt",
  decode: "writing the answer",
  risk: "risk of failure",
};
const REASONS = {
  dead: "is dead",
  "no-report": "has sent no report yet",
  "no-such-model": "does not have the model",
  "breaker-open": "failed several times lately",
  "not-accepting": "takes no prompts",
  unhealthy: "its backend does not answer",
  "does-not-fit": "the model does not fit its memory",
  "already-tried": "was tried before",
};

/** Null for a text of another form. */
export function parseDecision(text) {
  const [head, ...rest] = (text ?? "").split("; ");
  const match = /^(\S+)\/(\S+) eta=(\d+)ms((?: \w+=\d+ms)*)$/.exec(head);
  if (!match) return null;
  const terms = [...match[4].matchAll(/(\w+)=(\d+)/g)].map(([, name, value]) => [TERMS[name] ?? name, parseInt(value, 10)]);
  const winner = { node: match[1], backend: match[2], eta: Number(match[3]), terms };
  const decision = { winner, losers: [], excluded: [], omitted: 0 };
  for (const other of rest) {
    const [, name, sign, value] = /^([^=:+]*)([=:+])(.*)$/.exec(other) ?? [];
    if (sign === "=") decision.losers.push({ node: name, eta: parseInt(value, 10) });
    else if (sign === ":") decision.excluded.push({ node: name, reason: REASONS[value] ?? value });
    else if (sign === "+") decision.omitted = Number(value);
  }
  return decision;
}

/** The table of all that were considered, to unfold; null where there was no choice. */
export function decisionTable(text) {
  const decision = parseDecision(text);
  if (!decision) return null;
  const { winner, losers, excluded, omitted } = decision;
  const slowest = Math.max(winner.eta, ...losers.map((loser) => loser.eta), 1);
  const rows = [
    estimateRow(winner.node, winner.eta, slowest, `chosen, on ${winner.backend}`, true),
    ...losers.map(({ node, eta }) => estimateRow(node, eta, slowest, `${milliseconds(eta - winner.eta)} later`, false)),
    ...excluded.map(({ node, reason }) =>
      el("tr", { class: "out" }, el("th", { scope: "row" }, node), el("td", { colspan: 2 }, reason))),
  ];
  const heads = ["Node", "Expected", "Verdict"].map((text) => el("th", { scope: "col" }, text));
  const costs = winner.terms.filter(([, value]) => value > 0).map(([name, value]) => `${name} ${milliseconds(value)}`);
  const sum = costs.length > 0
    ? `${winner.node}’s costs: ${costs.join(", ")}.`
    : `${winner.node} was expected to answer at once.`;
  return el("div", { class: "decision" },
    el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)),
    el("p", { class: "quiet" }, sum, omitted > 0 ? ` ${omitted} more were considered.` : ""));
}

function estimateRow(node, eta, slowest, verdict, isWinner) {
  const fill = el("i");
  fill.style.width = `${Math.max((eta / slowest) * 100, 1.5)}%`;
  return el("tr", { class: isWinner ? "won" : "lost" },
    el("th", { scope: "row" }, node),
    el("td", { class: "eta" },
      el("span", { class: "eta-words" }, milliseconds(eta)),
      el("span", { class: "track", "aria-hidden": "true" }, fill)),
    el("td", { class: "verdict" }, verdict));
}
