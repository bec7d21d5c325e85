// What surrounds the timeline: the mesh at the chosen moment, the story, and the controls.
const byID = (id) => document.getElementById(id);
const svgSpace = "http://www.w3.org/2000/svg";

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function shapeElement(name, attributes, text) {
  const made = document.createElementNS(svgSpace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function placeOf(node) {
  const angle = (node / nodeCount) * 2 * Math.PI - Math.PI / 2;
  return { x: 160 + 98 * Math.cos(angle), y: 126 + 98 * Math.sin(angle) };
}

function drawGraph() {
  const parts = [];
  const isCut = new Set(cutsAt(view.at).map(([a, b]) => a * 64 + b));
  for (let a = 0; a < nodeCount; a++) {
    for (let b = a + 1; b < nodeCount; b++) {
      const cuts = isCut.has(a * 64 + b) + isCut.has(b * 64 + a);
      const [p, q] = [placeOf(a), placeOf(b)];
      const colour = cuts === 0 ? "--line" : "--cut";
      const line = shapeElement("line", { x1: p.x, y1: p.y, x2: q.x, y2: q.y, "stroke-width": cuts === 0 ? 1.6 : 1 });
      line.style.stroke = `var(${colour})`;
      if (cuts > 0) line.setAttribute("stroke-dasharray", cuts === 1 ? "8 4" : "1 6");
      parts.push(line);
    }
  }
  for (const message of recording.messages) {
    if (message.at > view.at) break;
    if (message.arrival <= view.at || message.kind === "gossip") continue;
    const share = (view.at - message.at) / (message.arrival - message.at);
    const [p, q] = [placeOf(message.from), placeOf(message.to)];
    const dot = shapeElement("circle", { cx: p.x + (q.x - p.x) * share, cy: p.y + (q.y - p.y) * share, r: 3.5 });
    dot.style.fill = `var(${messageColours[message.kind] ?? "--leader"})`;
    parts.push(dot);
  }
  for (let node = 0; node < nodeCount; node++) parts.push(...drawNode(node));
  byID("graph").replaceChildren(...parts);
}

function drawNode(node) {
  const { x, y } = placeOf(node);
  const state = stateOf(node, view.at);
  const circle = shapeElement("circle", { cx: x, cy: y, r: 21, "stroke-width": 2 });
  circle.style.fill = `var(--${colourName(state.state)})`;
  circle.style.stroke = "var(--card)";
  const label = shapeElement("text", { x, y }, recording.nodes[node]);
  const isLight = ["primary", "refused", "halted", "down"].includes(state.state);
  label.style.fill = isLight ? (state.state === "down" ? "#fff" : "var(--card)") : "var(--ink)";
  return [circle, label];
}

function drawStates() {
  byID("states").replaceChildren(...recording.nodes.map((name, node) => {
    const state = stateOf(node, view.at);
    const row = element("tr");
    const cell = element("td");
    const mark = element("i");
    mark.style.background = `var(--${colourName(state.state)})`;
    cell.append(mark, stateNames[state.state]);
    row.append(element("td", name), cell, element("td", String(state.term || "–"), { class: "number" }),
      element("td", String(state.applied || "–"), { class: "number" }));
    return row;
  }));
}

function markStory(follows) {
  const current = recording.captions.findLastIndex((caption) => caption.at <= view.at);
  [...byID("story").children].forEach((item, place) => item.setAttribute("aria-current", String(place === current)));
  if (follows && current >= 0 && isPlaying) byID("story").children[current].scrollIntoView({ block: "nearest" });
}

function show(at, follows = true) {
  view.at = Math.min(end, Math.max(0, at));
  if (view.at < view.from || view.at > view.to) {
    const half = (view.to - view.from) / 2;
    setWindow(view.at - half, view.at + half);
  }
  byID("clock").textContent = spell(view.at);
  lanesCanvas.setAttribute("aria-valuenow", String(Math.round(view.at / 1000)));
  lanesCanvas.setAttribute("aria-valuetext", spell(view.at));
  drawLanes();
  drawOverview();
  drawGraph();
  drawStates();
  markStory(follows);
}

function setWindow(from, to) {
  const width = Math.min(end, Math.max(2000, to - from));
  view.from = Math.min(Math.max(0, from), end - width);
  view.to = view.from + width;
}

function zoom(factor, around = view.at) {
  const from = around - (around - view.from) * factor;
  setWindow(from, from + (view.to - view.from) * factor);
  show(view.at);
}

function stepTo(direction) {
  const captions = recording.captions;
  const found = direction > 0
    ? captions.find((caption) => caption.at > view.at + 1)
    : captions.findLast((caption) => caption.at < view.at - 1);
  if (found) show(found.at);
}

function toggleMessages() {
  view.showsMessages = !view.showsMessages;
  byID("messages").setAttribute("aria-pressed", String(view.showsMessages));
  // Single messages can be told apart within a second or so.
  if (view.showsMessages && view.to - view.from > 1.5e6) setWindow(view.at - 3e5, view.at + 9e5);
  show(view.at);
}

let isPlaying = false;
let lastFrame = 0;

function togglePlay() {
  isPlaying = !isPlaying;
  byID("play").textContent = isPlaying ? "Pause" : "Play";
  if (isPlaying && view.at >= end) view.at = 0;
  lastFrame = performance.now();
  if (isPlaying) requestAnimationFrame(advance);
}

/// Twenty seconds for what the lanes show, whatever that is.
function advance(frame) {
  if (!isPlaying) return;
  const next = view.at + ((frame - lastFrame) / 20_000) * (view.to - view.from);
  lastFrame = frame;
  show(next);
  if (view.at >= end) togglePlay(); else requestAnimationFrame(advance);
}

function fillHeader() {
  document.title = run.title;
  byID("title").textContent = run.title;
  byID("about").textContent = run.about;
  byID("verdict").textContent = run.passed ? "Every promise was kept" : `Broken: ${run.failures.join("\n")}`;
  byID("verdict").classList.toggle("bad", !run.passed);
  const terms = Math.max(0, ...recording.roles.map((role) => role.term));
  const faults = Object.values(run.faults).reduce((sum, count) => sum + count, 0);
  const facts = [
    ["simulated", spell(end, 1)], ["nodes", nodeCount], ["terms", terms], ["entries", appliedMax],
    ["messages", recording.messages.length], ["faults met", faults], ["seed", run.seed],
  ];
  byID("facts").replaceChildren(...facts.map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", String(value)));
    return pair;
  }));
  byID("facts").title = Object.entries(run.faults).map(([name, count]) => `${name} ${count}`).join(", ");
  byID("incomplete").hidden = recording.isComplete;
}

function fillStory() {
  byID("story").replaceChildren(...recording.captions.map((caption) => {
    const item = element("li", undefined, { tabindex: 0 });
    item.append(element("time", spell(caption.at, 2)), element("code", caption.text));
    for (const line of caption.output) item.append(element("span", line, { class: "printed" }));
    item.addEventListener("click", () => show(caption.at, false));
    item.addEventListener("keydown", (event) => { if (event.key === "Enter") show(caption.at, false); });
    return item;
  }));
}

function fillLegend() {
  const shown = ["primary", "leader", "follower", "candidate", "paused", "down", "refused"];
  byID("legend").replaceChildren(...shown.map((state) => {
    const item = element("li");
    const mark = element("i");
    mark.style.background = `var(--${state})`;
    item.append(mark, state === "refused" ? "halted or refuses to start" : stateNames[state]);
    return item;
  }), element("li", "the rising line is what the node has applied"), element("li", "red band: links are cut"));
}

function handleKey(event) {
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  const width = view.to - view.from;
  const actions = {
    ArrowLeft: () => show(view.at - width / (event.shiftKey ? 20 : 200)),
    ArrowRight: () => show(view.at + width / (event.shiftKey ? 20 : 200)),
    Home: () => show(0), End: () => show(end), "[": () => stepTo(-1), "]": () => stepTo(1),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => { setWindow(0, end); show(view.at); },
    m: toggleMessages, " ": togglePlay,
  };
  const action = actions[event.key];
  if (!action || (event.key === " " && event.target.tagName === "BUTTON")) return;
  event.preventDefault();
  action();
}

function listen() {
  byID("play").addEventListener("click", togglePlay);
  byID("previous").addEventListener("click", () => stepTo(-1));
  byID("next").addEventListener("click", () => stepTo(1));
  byID("messages").addEventListener("click", toggleMessages);
  byID("zoom-in").addEventListener("click", () => zoom(0.5));
  byID("zoom-out").addEventListener("click", () => zoom(2));
  byID("zoom-all").addEventListener("click", () => { setWindow(0, end); show(view.at); });
  document.addEventListener("keydown", handleKey);
  dragging(lanesCanvas, (event) => show(timeAt(event.offsetX, lanesCanvas.clientWidth)));
  dragging(overviewCanvas, (event) => {
    const at = ((event.offsetX - shape.left) / (overviewCanvas.clientWidth - shape.left - 8)) * end;
    const half = (view.to - view.from) / 2;
    setWindow(at - half, at + half);
    show(at);
  });
  lanesCanvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const shift = ((view.to - view.from) * event.deltaX) / 1000;
      setWindow(view.from + shift, view.to + shift);
      drawLanes();
      drawOverview();
    } else {
      zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, timeAt(event.offsetX, lanesCanvas.clientWidth));
    }
  }, { passive: false });
  window.addEventListener("resize", () => show(view.at));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(view.at));
}

function dragging(canvas, act) {
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); act(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) act(event); });
}

lanesCanvas.setAttribute("aria-valuemin", "0");
lanesCanvas.setAttribute("aria-valuemax", String(Math.round(end / 1000)));
fillHeader();
fillStory();
fillLegend();
listen();
const opening = new URLSearchParams(location.hash.slice(1));
if (opening.has("from")) setWindow(Number(opening.get("from")) * 1e6, Number(opening.get("to") ?? end / 1e6) * 1e6);
if (opening.has("messages")) view.showsMessages = true;
byID("messages").setAttribute("aria-pressed", String(view.showsMessages));
show(opening.has("at") ? Number(opening.get("at")) * 1e6 : 0);
