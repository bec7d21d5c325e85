// The timeline: one lane a node, roles as colours, terms where they change, what was applied as a rising line.
const lanesCanvas = document.getElementById("lanes");
const overviewCanvas = document.getElementById("overview");
const view = { at: 0, from: 0, to: end, showsMessages: false };
const shape = { left: 44, top: 46, lane: 58, gap: 12, bottom: 26 };

const messageColours = {
  append: "--commit", appendReply: "--commit", heartbeat: "--ink", heartbeatReply: "--soft", vote: "--candidate",
  voteReply: "--candidate", preVote: "--candidate", preVoteReply: "--candidate", timeoutNow: "--primary",
};

function paint(canvas, height, draw) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  draw(context, width, height, (name) => style.getPropertyValue(name).trim());
}

function xOf(at, width) { return shape.left + ((at - view.from) / (view.to - view.from)) * (width - shape.left - 8); }
function timeAt(x, width) { return view.from + ((x - shape.left) / (width - shape.left - 8)) * (view.to - view.from); }
function topOf(node) { return shape.top + node * (shape.lane + shape.gap); }

function drawLanes() {
  const height = topOf(nodeCount) - shape.gap + shape.bottom;
  paint(lanesCanvas, height, (context, width, _, colour) => {
    context.save();
    context.beginPath();
    context.rect(shape.left, 0, width - shape.left - 8, height);
    context.clip();
    drawCuts(context, width, height, colour);
    for (let node = 0; node < nodeCount; node++) drawLane(context, node, width, colour);
    if (view.showsMessages) drawMessages(context, width, colour);
    drawSteps(context, width, height, colour);
    context.restore();
    drawNames(context, colour);
    drawAxis(context, width, height, colour);
    drawPlayhead(context, width, height, colour);
  });
}

function drawLane(context, node, width, colour) {
  const top = topOf(node);
  for (const span of spans[node]) {
    if (span.until < view.from || span.from > view.to) continue;
    const x = xOf(span.from, width);
    const right = xOf(span.until, width);
    context.fillStyle = colour(`--${colourName(span.state)}`);
    context.globalAlpha = (span.state === "down" ? 0.22 : 1) * (view.showsMessages ? 0.4 : 1);
    context.fillRect(x, top, Math.max(right - x, 1), shape.lane);
    context.globalAlpha = 1;
    if (span.state === "down" || span.state === "halted" || span.state === "refused") {
      hatch(context, x, top, right - x, colour("--soft"));
    }
  }
  context.fillStyle = colour("--primary");
  context.globalAlpha = view.showsMessages ? 0.45 : 1;
  for (const reign of reigns[node]) {
    if (reign.until < view.from || reign.at > view.to) continue;
    const x = xOf(reign.at, width);
    context.fillRect(x, top, Math.max(xOf(reign.until, width) - x, 1), shape.lane);
  }
  context.globalAlpha = 1;
  drawApplied(context, node, width, colour);
  drawTerms(context, node, width, colour);
}

function hatch(context, x, y, width, colour) {
  if (width < 3) return;
  context.save();
  context.beginPath();
  context.rect(x, y, width, shape.lane);
  context.clip();
  context.strokeStyle = colour;
  context.globalAlpha = 0.35;
  context.beginPath();
  const first = Math.max(x, shape.left) - shape.lane;
  for (let at = first - (first % 9); at < Math.min(x + width, lanesCanvas.clientWidth); at += 9) {
    context.moveTo(at, y + shape.lane);
    context.lineTo(at + shape.lane, y);
  }
  context.stroke();
  context.restore();
}

function drawApplied(context, node, width, colour) {
  const bottom = topOf(node) + shape.lane - 5;
  const scale = (shape.lane - 26) / appliedMax;
  context.strokeStyle = colour("--ink");
  context.globalAlpha = 0.75;
  context.lineWidth = 1.5;
  context.beginPath();
  let y = bottom - (lastBefore(applied[node], view.from)?.index ?? 0) * scale;
  context.moveTo(shape.left, y);
  for (const commit of applied[node]) {
    if (commit.at < view.from || commit.at > view.to) continue;
    const x = xOf(commit.at, width);
    context.lineTo(x, y);
    y = bottom - commit.index * scale;
    context.lineTo(x, y);
  }
  context.lineTo(xOf(Math.min(view.to, end), width), y);
  context.stroke();
  context.globalAlpha = 1;
  context.lineWidth = 1;
}

/// Each term once a lane, where the node was in it longest without a change.
function drawTerms(context, node, width, colour) {
  context.font = "600 12px ui-sans-serif, system-ui, sans-serif";
  context.textBaseline = "top";
  const widest = new Map();
  for (const span of spans[node]) {
    const from = Math.max(span.from, view.from);
    const length = Math.min(span.until, view.to) - from;
    if (span.term > 0 && length > (widest.get(span.term)?.length ?? 0)) widest.set(span.term, { span, from, length });
  }
  for (const [term, { span, from, length }] of widest) {
    const text = `term ${term}`;
    const room = (length / (view.to - view.from)) * (width - shape.left - 8);
    if (context.measureText(text).width + 10 > room) continue;
    context.fillStyle = span.state === "leader" && !view.showsMessages ? colour("--card") : colour("--ink");
    context.fillText(text, xOf(from, width) + 5, topOf(node) + 5);
  }
}

function drawCuts(context, width, height, colour) {
  context.font = "600 12px ui-sans-serif, system-ui, sans-serif";
  context.textBaseline = "middle";
  recording.cuts.forEach((cut, place) => {
    const until = recording.cuts[place + 1]?.at ?? end;
    if (cut.pairs.length === 0 || until < view.from || cut.at > view.to) return;
    const x = xOf(Math.max(cut.at, view.from), width);
    const right = xOf(Math.min(until, view.to), width);
    context.fillStyle = colour("--cut");
    context.globalAlpha = 0.1;
    context.fillRect(x, 22, right - x, height - shape.bottom - 22);
    context.globalAlpha = 1;
    context.fillRect(x, 22, Math.max(right - x, 1), 3);
    const text = describeCuts(cut.pairs);
    if (context.measureText(text).width < right - x - 8) context.fillText(text, x + 4, 35);
  });
}

function drawMessages(context, width, colour) {
  let drawn = 0;
  for (const message of recording.messages) {
    if (message.at > view.to) break;
    if (message.kind === "gossip" || Math.max(message.arrival, message.at) < view.from) continue;
    if (++drawn > 6000) break;
    const isDown = message.to > message.from;
    const y = topOf(message.from) + (isDown ? shape.lane : 0);
    const target = topOf(message.to) + (isDown ? 0 : shape.lane);
    const x = xOf(message.at, width);
    context.strokeStyle = colour(message.arrival < 0 ? "--cut" : messageColours[message.kind] ?? "--leader");
    context.globalAlpha = 0.8;
    context.beginPath();
    context.moveTo(x, y);
    if (message.arrival < 0) {
      const length = Math.sign(target - y) * 9;
      context.lineTo(x, y + length);
      context.moveTo(x - 3, y + length - 3);
      context.lineTo(x + 3, y + length + 3);
      context.moveTo(x + 3, y + length - 3);
      context.lineTo(x - 3, y + length + 3);
    } else {
      context.lineTo(xOf(message.arrival, width), target);
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawSteps(context, width, height, colour) {
  for (const caption of recording.captions) {
    if (caption.at < view.from || caption.at > view.to) continue;
    const x = xOf(caption.at, width);
    context.fillStyle = colour("--ink");
    context.globalAlpha = 0.7;
    context.beginPath();
    context.moveTo(x - 4, 8);
    context.lineTo(x + 4, 8);
    context.lineTo(x, 15);
    context.fill();
  }
  context.globalAlpha = 1;
}

function drawNames(context, colour) {
  context.font = "650 15px ui-sans-serif, system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = colour("--ink");
  recording.nodes.forEach((name, node) => context.fillText(name, 6, topOf(node) + shape.lane / 2));
}

function drawAxis(context, width, height, colour) {
  context.font = "12px ui-sans-serif, system-ui, sans-serif";
  context.textBaseline = "alphabetic";
  context.fillStyle = colour("--soft");
  const rough = (view.to - view.from) / Math.max(2, (width - shape.left) / 110);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const digits = Math.max(0, 6 - Math.floor(Math.log10(step)));
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    const x = xOf(at, width);
    if (x > width - 50) break;
    context.fillRect(x, height - shape.bottom + 2, 1, 5);
    context.fillText(spell(at, digits), x + 3, height - 7);
  }
}

function drawPlayhead(context, width, height, colour) {
  if (view.at < view.from || view.at > view.to) return;
  const x = xOf(view.at, width);
  context.fillStyle = colour("--ink");
  context.fillRect(x - 1, 4, 2, height - shape.bottom);
  context.beginPath();
  context.arc(x, 6, 5, 0, 7);
  context.fill();
}

/// The whole run in one strip: who was primary, and which part the lanes show.
function drawOverview() {
  paint(overviewCanvas, 34, (context, width, height, colour) => {
    const x = (at) => shape.left + (at / end) * (width - shape.left - 8);
    context.fillStyle = colour("--follower");
    context.fillRect(shape.left, 6, width - shape.left - 8, height - 12);
    context.fillStyle = colour("--primary");
    const lane = (height - 12) / nodeCount;
    for (const reign of recording.reigns) {
      context.fillRect(x(reign.at), 6 + reign.node * lane, Math.max(1, x(reign.until) - x(reign.at)), Math.max(lane - 0.5, 1));
    }
    context.fillStyle = colour("--cut");
    recording.cuts.forEach((cut, place) => {
      if (cut.pairs.length > 0) context.fillRect(x(cut.at), 1, Math.max(1, x(recording.cuts[place + 1]?.at ?? end) - x(cut.at)), 3);
    });
    context.strokeStyle = colour("--ink");
    context.lineWidth = 1.5;
    context.strokeRect(x(view.from), 1, Math.max(3, x(view.to) - x(view.from)), height - 2);
    context.fillStyle = colour("--ink");
    context.fillRect(x(view.at) - 1, 0, 2, height);
  });
}
