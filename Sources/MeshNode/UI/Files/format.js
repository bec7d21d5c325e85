// Quantities in words: short, with their unit, in steady widths.

const KIB = 1024;

export function bytes(count) {
  if (count >= KIB ** 3) return `${trim(count / KIB ** 3)} GiB`;
  if (count >= KIB ** 2) return `${trim(count / KIB ** 2)} MiB`;
  return `${trim(count / KIB)} KiB`;
}

/** Used of total in the total's unit. */
export function usage({ used, total }) {
  const unit = total >= KIB ** 3 ? [KIB ** 3, "GiB"] : [KIB ** 2, "MiB"];
  return `${trim(used / unit[0])} / ${trim(total / unit[0])} ${unit[1]}`;
}

/** 8 bytes of 16 GiB is nothing, not 0.0 of it. */
function trim(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(value >= 1 ? 1 : 2);
}

export const percent = (share) => `${Math.round(share * 100)} %`;

export function milliseconds(value) {
  if (value >= 60_000) return span(value / 1000);
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 10) return `${value.toFixed(0)} ms`;
  return `${value.toFixed(value >= 1 ? 1 : 2)} ms`;
}

/** Seconds in at most two units: 42 s, 3 min 10 s, 1 h 25 min, 4 d 2 h. */
export function span(seconds) {
  const s = Math.max(Math.round(seconds), 0);
  const two = (a, unitA, b, unitB) => (b === 0 ? `${a} ${unitA}` : `${a} ${unitA} ${b} ${unitB}`);
  if (s < 60) return `${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86_400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return two(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3600), "h");
}

/** One unit: for what people read at a glance. */
export function roughly(seconds) {
  const s = Math.max(Math.round(seconds), 0);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  if (s < 2 * 86_400) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} days`;
}

export function ago(moment, now) {
  const seconds = (now - Date.parse(moment)) / 1000;
  return seconds < 5 ? "just now" : `${roughly(seconds)} ago`;
}

export function ahead(moment, now) {
  const seconds = (Date.parse(moment) - now) / 1000;
  return seconds <= 0 ? "now" : `in ${roughly(seconds)}`;
}

export const clock = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export const exact = (moment) => new Date(moment).toLocaleString();

// Each before those that it pretends to be.
const BROWSERS = [
  ["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["HeadlessChrome/", "Chromium (headless)"],
  ["Chrome/", "Chrome"], ["Safari/", "Safari"],
];
const SYSTEMS = [
  ["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS X", "macOS"],
  ["Linux", "Linux"],
];

/** What a `User-Agent` says to a person: "Chromium on Linux", "curl". */
export function client(agent) {
  if (!agent) return "Unnamed client";
  const browser = BROWSERS.find(([mark]) => agent.includes(mark));
  const system = SYSTEMS.find(([mark]) => agent.includes(mark));
  if (agent.startsWith("Mozilla/") && browser) return system ? `${browser[1]} on ${system[1]}` : browser[1];
  return agent.split(/[\s/(]/)[0] || agent;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
