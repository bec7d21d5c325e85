"use strict";
// What the mesh was at any moment, from the recorded changes. Times are microseconds.
const run = JSON.parse(document.getElementById("data").textContent);
const recording = run.recording;
const end = Math.max(recording.end, 1);
const nodeCount = recording.nodes.length;

/// Each node's life as spans of one state: down, follower, candidate, leader, paused, refused.
const spans = recording.nodes.map((_, node) => makeSpans(node));

function makeSpans(node) {
  const changes = [];
  for (const change of recording.lives) if (change.node === node) changes.push({ at: change.at, life: change.life });
  for (const change of recording.roles) if (change.node === node) changes.push(change);
  changes.sort((a, b) => a.at - b.at);
  const found = [];
  let state = { state: "down", term: 0, leader: -1 };
  let role = "follower";
  for (const change of changes) {
    const next = { ...state };
    if (change.life === undefined) {
      role = change.role === "preCandidate" ? "candidate" : change.role;
      next.term = change.term;
      next.leader = change.leader;
      if (state.state !== "halted") next.state = role;
    } else if (change.life === "up") {
      role = "follower";
      next.state = role;
      next.leader = -1;
    } else if (change.life === "resumed") {
      next.state = role;
    } else {
      next.state = change.life;
    }
    if (next.state === state.state && next.term === state.term) { state = next; continue; }
    found.push({ ...state, until: change.at });
    state = next;
  }
  found.push({ ...state, until: end });
  let start = 0;
  for (const span of found) { span.from = start; start = span.until; }
  return found.filter((span) => span.until > span.from);
}

// A lease may outlast the recording.
for (const reign of recording.reigns) reign.until = Math.min(reign.until, end);
const reigns = recording.nodes.map((_, node) => recording.reigns.filter((reign) => reign.node === node));
const applied = recording.nodes.map((_, node) => recording.commits.filter((commit) => commit.node === node));
const appliedMax = Math.max(1, ...recording.commits.map((commit) => commit.index));

/// The last item that began at or before `at`, or undefined. `items` are in order.
function lastBefore(items, at) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].at <= at) low = middle + 1; else high = middle;
  }
  return items[low - 1];
}

function stateOf(node, at) {
  const span = spans[node].find((candidate) => at < candidate.until) ?? spans[node].at(-1);
  const isPrimary = reigns[node].some((reign) => reign.at <= at && at < reign.until) && span.state === "leader";
  return { ...span, state: isPrimary ? "primary" : span.state, applied: lastBefore(applied[node], at)?.index ?? 0 };
}

function cutsAt(at) { return lastBefore(recording.cuts, at)?.pairs ?? []; }

/// Groups that reach each other both ways, as "n1 n2 | n3"; empty while nothing is cut.
function describeCuts(pairs) {
  if (pairs.length === 0) return "";
  const isCut = new Set(pairs.map(([a, b]) => a * 64 + b));
  const joined = (a, b) => !isCut.has(a * 64 + b) && !isCut.has(b * 64 + a);
  const seen = new Set();
  const groups = [];
  for (let first = 0; first < nodeCount; first++) {
    if (seen.has(first)) continue;
    const group = [first];
    seen.add(first);
    for (const member of group) {
      for (let other = 0; other < nodeCount; other++) {
        if (!seen.has(other) && joined(member, other)) { seen.add(other); group.push(other); }
      }
    }
    groups.push(group.sort((a, b) => a - b).map((node) => recording.nodes[node]).join(" "));
  }
  return groups.length > 1 ? groups.join("  |  ") : `${pairs.length} of ${nodeCount * (nodeCount - 1)} directions cut`;
}

const stateNames = {
  primary: "primary", leader: "leads without lease", follower: "follows", candidate: "campaigns", down: "down",
  paused: "stopped", halted: "halted", refused: "refuses to start",
};

function colourName(state) { return state === "halted" ? "refused" : state; }

function spell(micros, digits = 3) {
  const seconds = micros / 1e6;
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  return `${Math.floor(seconds / 60)} min ${(seconds % 60).toFixed(Math.min(digits, 1)).padStart(2, "0")} s`;
}
