// One node's card: who it is, how loaded it is, what it can run.

import { bar, el, setAttribute, setText, sync } from "./dom.js";
import { bytes, milliseconds, percent, plural, span, usage } from "./format.js";

/** Pips up to here; beyond, only the numbers. */
const PIPS_MAX = 16;

export function makeCard() {
  const name = el("h3");
  const badges = el("span", { class: "badges" });
  const about = el("p", { class: "quiet about" });
  const bars = el("div", { class: "bars" });
  const handmade = el("p", { class: "quiet handmade" });
  const pips = el("span", { class: "pips", "aria-hidden": "true" });
  const work = el("span");
  const backends = el("ul", { class: "plain-list backends" });
  const models = el("ul", { class: "chips" });
  const foot = el("p", { class: "quiet foot" });
  const nothing = el("p", { class: "quiet nothing" });
  const card = el("li", { class: "sheet card", tabindex: -1 },
    el("div", { class: "card-head" }, name, badges), about, nothing,
    el("div", { class: "last-known" }, bars, handmade, el("p", { class: "work" }, pips, work), backends, models), foot);
  card.update = ({ member, receivedAt }) => {
    const health = member.health;
    card.id = `node-${member.name}`;
    setAttribute(card, "class", `sheet card ${member.state}`);
    setText(name, member.name);
    writeBadges(badges, member);
    setText(about, aboutOf(member));
    const isUnheard = member.state === "unheard";
    setText(nothing, health ? "" : isUnheard ? "Not heard of since this node started." : "No report from this node has arrived yet.");
    sync(bars, health ? barsOf(health) : [], (row) => row.key, () => bar());
    const isHandmade = health?.gpus?.some((gpu) => gpu.source === "configured");
    setText(handmade, isHandmade ? "GPU figures are set by hand, not measured." : "");
    writeWork(pips, work, health);
    sync(backends, health?.backends ?? [], (backend) => backend.name, makeBackend);
    sync(models, health?.models ?? [], (model) => model.name, makeModel);
    setText(foot, footOf(member, receivedAt));
  };
  return card;
}

function writeBadges(parent, member) {
  const words = [];
  if (member.is_primary) words.push(["primary", "lead"]);
  if (member.is_self) words.push(["this node", "self"]);
  if (member.state !== "alive") words.push([member.state, member.state]);
  if (!member.is_voter) words.push(["observer", "plain"]);
  if (member.health?.accepting === false && member.state === "alive") words.push(["takes no prompts", "plain"]);
  sync(parent, words, ([text]) => text, ([text, kind]) => el("span", { class: `badge ${kind}` }, text));
}

function aboutOf(member) {
  const address = member.http?.replace(/^https?:\/\//, "") ?? (member.address ? `mesh ${member.address}` : undefined);
  const parts = [member.class, address];
  const uptime = member.health?.agent_uptime_seconds;
  if (uptime !== undefined && member.state === "alive") parts.push(`up ${span(uptime)}`);
  return parts.filter((part) => part).join(" · ");
}

function barsOf(health) {
  const rows = [];
  if (health.cpu !== undefined) {
    rows.push({ key: "cpu", name: "CPU", share: health.cpu, words: `${percent(health.cpu)} of ${plural(health.cores, "core")}` });
  }
  if (health.memory?.total > 0) {
    rows.push({ key: "memory", name: "Memory", share: health.memory.used / health.memory.total, words: usage(health.memory) });
  }
  for (const [index, gpu] of (health.gpus ?? []).entries()) {
    const name = gpu.name.replace(/^(NVIDIA|Apple) (GeForce )?/, "");
    const words = gpu.load === null ? "load unknown" : percent(gpu.load);
    rows.push({ key: `gpu ${index} load`, name, title: gpu.name, share: gpu.load, words });
    if (gpu.memory.total > 0) {
      const share = gpu.memory.used / gpu.memory.total;
      const title = `${gpu.name}, memory`;
      rows.push({ key: `gpu ${index} memory`, name: "\u00A0\u00A0memory", title, share, words: usage(gpu.memory) });
    }
  }
  return rows;
}

function writeWork(pips, words, health) {
  if (health?.slots === undefined) {
    pips.replaceChildren();
    setText(words, "");
    return;
  }
  const { running, queued, slots } = health;
  const shownCount = slots <= PIPS_MAX ? Math.max(slots, running) : 0;
  const shown = Array.from({ length: shownCount }, (_, index) => ({ index, isBusy: index < running }));
  sync(pips, shown, (pip) => pip.index, () => {
    const pip = el("i");
    pip.update = ({ isBusy }) => setAttribute(pip, "class", isBusy ? "busy" : "");
    return pip;
  });
  const figures = `${running} running · ${queued} queued · ${plural(slots, "slot")}`;
  setText(words, slots === 0 ? "no backend: prompts go elsewhere" : figures);
}

function makeBackend() {
  const words = el("span");
  const notice = el("span", { class: "notice" });
  const row = el("li", {}, words, " ", notice);
  row.update = (backend) => {
    setText(words, `${backend.name} · ${backend.kind}${backend.healthy ? "" : " · does not answer"}`);
    setAttribute(row, "class", backend.healthy ? "" : "unwell");
    setText(notice, backend.slowdown > 1 ? `slowed down ×${+backend.slowdown.toFixed(2)} for the demo` : "");
    notice.hidden = backend.slowdown <= 1;
  };
  return row;
}

function makeModel() {
  const rate = el("span", { class: "quiet" });
  const name = el("span");
  const chip = el("li", { class: "chip" }, name, rate);
  chip.update = (model) => {
    setText(name, model.name);
    setAttribute(chip, "class", model.loaded ? "chip loaded" : "chip");
    const size = model.size > 0 ? `, ${bytes(model.size)}` : "";
    setAttribute(chip, "title", `${model.name}: ${model.loaded ? "in memory" : "on disk, must be loaded first"}${size}`);
    const speed = model.decode_tokens_per_second;
    setText(rate, speed === null ? (model.loaded ? "" : "not loaded") : `${Math.round(speed)} tok/s`);
  };
  return chip;
}

function footOf(member, receivedAt) {
  const parts = [];
  if (!member.is_self && member.round_trip_ms !== null) parts.push(`round trip ${milliseconds(member.round_trip_ms)}`);
  if (member.health) parts.push(`report ${milliseconds(member.health.age_ms + Date.now() - receivedAt)} old`);
  if (member.incarnation !== null) parts.push(`incarnation ${member.incarnation}`);
  return parts.join(" · ");
}
