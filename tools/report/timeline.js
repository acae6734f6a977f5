// One step, task by task: lanes of the predicted step above those of the measured one, on one time axis.

const kKinds = {
  embedding: ["#7d8794", "#8b97a5"], attention: ["#4a7fb8", "#6b9fd6"], route: ["#93b5d8", "#9dbde0"],
  expert: ["#2b9483", "#45b3a0"], unroute: ["#a3c9bf", "#9fcfc2"], head: ["#5f6a78", "#a6b1bd"],
  gradient_norm: ["#a99bc8", "#b3a6d3"], optimizer: ["#8a76b5", "#a48fd0"],
  dispatch: ["#e0a03a", "#ecb155"], combine: ["#c9761f", "#dc8f3f"],
  expert_gather: ["#d98a94", "#e39aa3"], expert_scatter: ["#bf5566", "#d77080"],
  attention_gather: ["#d8a7c4", "#dcaecb"], attention_scatter: ["#b5739b", "#cb8db4"],
  gradient_reduce: ["#8f3f3f", "#c97272"], balance_reduce: ["#b0a090", "#bfb0a1"], norm_reduce: ["#c9bcae", "#cabfb3"],
};
const kindColour = (kind) => (kKinds[kind] ?? ["#888888", "#aaaaaa"])[isDark() ? 1 : 0];
// Dark letters on light colours and the other way round (relative luminance of sRGB, roughly).
function readableOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.3 * r + 0.59 * g + 0.11 * b > 150 ? "#1c2733" : "#ffffff";
}
const kQueues = ["compute", "intra", "inter", "host"];
const kQueueNames = {compute: "compute", intra: "links in node", inter: "links between nodes", host: "host"};

const view = {item: null, rank: "0", start: 0, end: 1, limit: 1, hovered: null, lanes: []};
const kLaneHeight = 30, kHeadHeight = 20, kGap = 10, kLeft = 138, kAxisHeight = 26;

// ---- what is shown ----

const tasksOf = (item) => item.run.timeline.tasks;
const ranksOf = (item) => Object.keys(tasksOf(item)[0].measured ?? {}).sort((a, b) => a - b);
const queuesOf = (task) => task.second_queue ? [task.queue, task.second_queue] : [task.queue];

// Blocks of lanes from top to bottom: {title, lanes: [{queue, spans: [{task, start, end}]}], end}
function blocks() {
  const tasks = tasksOf(view.item);
  const queues = kQueues.filter((queue) => tasks.some((task) => queuesOf(task).includes(queue)));
  const block = (title, spanOf, faded) => {
    const lanes = queues.map((queue) => ({queue, spans: tasks.filter((t) => queuesOf(t).includes(queue) && spanOf(t))
        .map((task) => ({task, start: spanOf(task)[0], end: spanOf(task)[1]}))}));
    return {title, lanes, faded, end: Math.max(0, ...lanes.flatMap((lane) => lane.spans.map((span) => span.end)))};
  };
  const list = [];
  if (tasks.some((task) => task.predicted)) list.push(block("predicted", (task) => task.predicted));
  const ranks = view.rank === "all" ? ranksOf(view.item) : [view.rank];
  for (const rank of ranks) list.push(block(`measured, rank ${rank}`, (task) => task.measured?.[rank]));
  return list;
}

function showStep() {
  view.blocks = blocks();
  view.limit = 1.01 * Math.max(...view.blocks.map((block) => block.end));
  view.start = 0;
  view.end = view.limit;
  drawTimeline();
}

// ---- drawing ----

function timeAxisStep(span, pixels) {
  const rough = span / Math.max(2, pixels / 110);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((n) => n * power >= rough);
}

function tickText(value, step) {
  const [factor, unit] = view.end >= 1 ? [1, "s"] : view.end >= 1e-3 ? [1e-3, "ms"] : [1e-6, "us"];
  const digits = Math.max(0, -Math.floor(Math.log10(step / factor) + 1e-9));
  return `${(value / factor).toFixed(digits)} ${unit}`;
}

function drawAxis(ctx, width, height, x) {
  const step = timeAxisStep(view.end - view.start, width - kLeft);
  ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  for (let k = Math.ceil(view.start / step - 1e-9); k * step <= view.end; ++k) {
    const at = Math.round(x(k * step)) + 0.5;
    ctx.strokeStyle = cssColour("grid");
    ctx.beginPath();
    ctx.moveTo(at, 0);
    ctx.lineTo(at, height - kAxisHeight + 4);
    ctx.stroke();
    ctx.fillStyle = cssColour("muted");
    if (at < width - 22) ctx.fillText(tickText(k * step, step), Math.max(at, kLeft + 14), height - kAxisHeight / 2 + 2);
  }
}

function drawSpan(ctx, span, top, x, width) {
  const left = Math.max(kLeft, x(span.start));
  const right = Math.min(width, x(span.end));
  if (right < kLeft || left > width) return;
  const drawn = Math.max(right - left, 0.7);
  const isTwin = view.hovered === span.task;
  ctx.globalAlpha = view.hovered && !isTwin ? 0.55 : 1;
  ctx.fillStyle = kindColour(span.task.kind);
  ctx.fillRect(left, top + 2, drawn > 2.5 ? drawn - 0.6 : drawn, kLaneHeight - 4);
  if (isTwin) {
    ctx.strokeStyle = cssColour("ink");
    ctx.lineWidth = 1.6;
    ctx.strokeRect(left, top + 2, drawn, kLaneHeight - 4);
    ctx.lineWidth = 1;
  }
  const label = words(span.task.kind) + (span.task.layer >= 0 ? ` ${span.task.layer}` : "");
  if (drawn > 26) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, drawn - 3, kLaneHeight);
    ctx.clip();
    ctx.fillStyle = readableOn(kindColour(span.task.kind));
    ctx.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    if (ctx.measureText(label).width < drawn - 6) ctx.fillText(label, left + 4, top + kLaneHeight / 2 + 0.5);
    ctx.restore();
  }
  ctx.globalAlpha = 1;
}

function drawBlock(ctx, block, top, x, width) {
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
  ctx.fillStyle = cssColour("ink");
  ctx.fillText(block.title, 0, top + kHeadHeight / 2);
  ctx.fillStyle = cssColour("muted");
  ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  ctx.fillText(seconds(block.end), kLeft, top + kHeadHeight / 2);
  let y = top + kHeadHeight;
  for (const lane of block.lanes) {
    ctx.fillStyle = cssColour("lane");
    ctx.fillRect(kLeft, y + 2, width - kLeft, kLaneHeight - 4);
    ctx.fillStyle = cssColour("muted");
    ctx.textAlign = "left";
    ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    ctx.fillText(kQueueNames[lane.queue], 8, y + kLaneHeight / 2);
    for (const span of lane.spans) drawSpan(ctx, span, y, x, width);
    view.lanes.push({top: y, spans: lane.spans});
    y += kLaneHeight;
  }
  const end = x(block.end);
  if (end >= kLeft && end <= width) {
    ctx.strokeStyle = cssColour("bad");
    ctx.setLineDash([3, 3]);
    ctx.beginPath();
    ctx.moveTo(end, top + kHeadHeight);
    ctx.lineTo(end, y);
    ctx.stroke();
    ctx.setLineDash([]);
  }
  return y + kGap;
}

function drawTimeline() {
  const canvas = $("timeline-canvas");
  const width = canvas.parentElement.clientWidth - 20;
  const lanes = view.blocks.reduce((sum, block) => sum + kHeadHeight + kGap + block.lanes.length * kLaneHeight, 0);
  const height = lanes + kAxisHeight - kGap + 6;
  const ratio = Math.max(2, window.devicePixelRatio);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  const x = (time) => kLeft + (time - view.start) / (view.end - view.start) * (width - kLeft);
  view.lanes = [];
  drawAxis(ctx, width, height, x);
  let top = 0;
  for (const block of view.blocks) top = drawBlock(ctx, block, top, x, width);
}

// ---- zoom, move, point ----

function timeAt(event) {
  const box = $("timeline-canvas").getBoundingClientRect();
  return view.start + (event.clientX - box.left - kLeft) / (box.width - kLeft) * (view.end - view.start);
}

function show(start, end) {
  const span = Math.min(Math.max(end - start, view.limit / 5000), view.limit);
  view.start = Math.min(Math.max(0, start), view.limit - span);
  view.end = view.start + span;
  drawTimeline();
}

function zoom(factor, around = (view.start + view.end) / 2) {
  show(around - (around - view.start) * factor, around + (view.end - around) * factor);
}

function spanAt(event) {
  const box = $("timeline-canvas").getBoundingClientRect();
  const y = event.clientY - box.top;
  const lane = view.lanes.find((l) => y >= l.top && y < l.top + kLaneHeight);
  if (!lane || event.clientX - box.left < kLeft) return null;
  const time = timeAt(event);
  const slack = 1.5 * (view.end - view.start) / box.width;
  return lane.spans.find((span) => time >= span.start && time <= span.end) ??
         lane.spans.find((span) => time >= span.start - slack && time <= span.end + slack) ?? null;
}

function tooltipRows(task) {
  const rows = [["phase", task.phase]];
  if (task.layer >= 0) rows.push(["layer", task.layer]);
  rows.push(["micro-batch", task.micro_batch], ["chunk", task.chunk]);
  rows.push(["queue", queuesOf(task).map((queue) => kQueueNames[queue]).join(", ")]);
  const line = (span) => `${seconds(span[1] - span[0])}, from ${seconds(span[0])}`;
  if (task.predicted) rows.push(["predicted", line(task.predicted)]);
  const ranks = view.rank === "all" ? ranksOf(view.item) : [view.rank];
  for (const rank of ranks) if (task.measured?.[rank]) rows.push([`measured, rank ${rank}`, line(task.measured[rank])]);
  return rows;
}

function point(event) {
  const span = spanAt(event);
  const tooltip = $("tooltip");
  if ((span?.task ?? null) !== view.hovered) {
    view.hovered = span?.task ?? null;
    drawTimeline();
  }
  tooltip.hidden = !span;
  if (!span) return;
  const table = element("table");
  for (const [label, value] of tooltipRows(span.task)) {
    table.append(element("tr", {}, element("td", {class: "muted"}, label), element("td", {}, String(value))));
  }
  tooltip.replaceChildren(element("b", {}, swatch(kindColour(span.task.kind)), span.task.name), table);
  const {offsetWidth: w, offsetHeight: h} = tooltip;
  tooltip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - w - 8)}px`;
  tooltip.style.top = `${event.clientY + 16 + h > window.innerHeight ? event.clientY - h - 10 : event.clientY + 16}px`;
}

function listen() {
  const box = $("timeline");
  const canvas = $("timeline-canvas");
  let drag = null;
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== box) return;  // the page scrolls
    event.preventDefault();
    zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 240))), timeAt(event));
  }, {passive: false});
  canvas.addEventListener("pointerdown", (event) => {
    box.focus({preventScroll: true});
    drag = {x: event.clientX, start: view.start, end: view.end};
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return point(event);
    const shift = (event.clientX - drag.x) / (canvas.clientWidth - kLeft) * (drag.end - drag.start);
    show(drag.start - shift, drag.end - shift);
  });
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { $("tooltip").hidden = true; view.hovered = null; drawTimeline(); });
  canvas.addEventListener("dblclick", () => show(0, view.limit));
  box.addEventListener("keydown", (event) => {
    const step = 0.2 * (view.end - view.start);
    const moves = {ArrowLeft: () => show(view.start - step, view.end - step), ArrowRight: () => show(view.start + step, view.end + step),
                   "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7), Escape: () => show(0, view.limit)};
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });
  $("zoom-in").addEventListener("click", () => zoom(0.6));
  $("zoom-out").addEventListener("click", () => zoom(1 / 0.6));
  $("zoom-fit").addEventListener("click", () => show(0, view.limit));
  window.addEventListener("resize", drawTimeline);
}

// ---- beside the lanes: legend, sums by kind, busy shares ----

const kindsOf = (item) => Object.keys(kKinds).filter((kind) => tasksOf(item).some((task) => task.kind === kind));

function fillLegend() {
  $("legend").replaceChildren(...kindsOf(view.item).map((kind) => element("span", {}, swatch(kindColour(kind)), words(kind))));
}

function kindSums(kind) {
  const tasks = tasksOf(view.item).filter((task) => task.kind === kind);
  const length = (span) => span[1] - span[0];
  const ranks = ranksOf(view.item);
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  return {kind, count: tasks.length,
          predicted: tasks.every((t) => t.predicted) ? sum(tasks.map((t) => length(t.predicted))) : NaN,
          measured: sum(tasks.map((t) => sum(ranks.map((rank) => length(t.measured[rank]))) / ranks.length))};
}

function fillKinds() {
  const sums = kindsOf(view.item).map(kindSums).sort((a, b) => b.measured - a.measured);
  const longest = Math.max(...sums.flatMap((s) => [s.predicted, s.measured]).filter(Number.isFinite));
  const head = element("tr", {}, ...["kind", "tasks", "", "predicted", "measured", "error"].map((text) => element("th", {}, text)));
  const rows = sums.map((s) => {
    const colour = kindColour(s.kind);
    const bar = (value, name) => element("i", {class: name, style: {width: `${100 * (value || 0) / longest}%`, background: colour}});
    return element("tr", {}, element("td", {}, swatch(colour), words(s.kind)), element("td", {}, String(s.count)),
                   element("td", {class: "bars"}, bar(s.predicted, "predicted"), bar(s.measured, "measured")),
                   element("td", {}, Number.isFinite(s.predicted) ? seconds(s.predicted) : "–"), element("td", {}, seconds(s.measured)),
                   element("td", {}, signedPercent(s.predicted / s.measured - 1)));
  });
  $("kind-table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}

function busyChart() {
  const {run} = view.item;
  const {measured, predicted} = run.busy_fraction;
  const resources = Object.keys(measured);
  const exposed = run.exposed_communication_s;
  const index = data.items.indexOf(view.item);
  const datasets = [];
  if (predicted) {
    datasets.push({label: "predicted", backgroundColor: faded(itemColour(index)),
                   data: [...resources.map((r) => predicted[r]), exposed.predicted / predictedTime(view.item)]});
  }
  datasets.push({label: "measured", backgroundColor: itemColour(index),
                 data: [...resources.map((r) => measured[r]), exposed.measured / run.step_time_s.mean]});
  for (const dataset of datasets) Object.assign(dataset, {maxBarThickness: 18, borderRadius: 2});
  return {
    type: "bar", data: {labels: [...resources.map((r) => kQueueNames[r] ?? r), "exposed"], datasets},
    options: {indexAxis: "y",
              scales: {x: {min: 0, max: 1, ticks: {callback: (v) => percent(v, 0)}}, y: {grid: {display: false}}},
              plugins: {legend: {position: "bottom"}, tooltip: tooltipLabel((c) => percent(c.raw))}},
  };
}

// Every task as a point, predicted across and measured upwards: on the diagonal the model was right.
function taskChart() {
  const ranks = ranksOf(view.item);
  const length = (span) => span[1] - span[0];
  const datasets = kindsOf(view.item).map((kind) => ({
    label: words(kind), backgroundColor: kindColour(kind), pointRadius: 3,
    data: tasksOf(view.item).filter((t) => t.kind === kind && t.predicted).map((task) => ({
      x: length(task.predicted), y: ranks.reduce((sum, rank) => sum + length(task.measured[rank]), 0) / ranks.length,
      name: task.name})).filter((p) => p.x > 0 && p.y > 0),
  }));
  const all = datasets.flatMap((dataset) => dataset.data.flatMap((p) => [p.x, p.y]));
  const [low, high] = all.length ? [0.7 * Math.min(...all), 1.4 * Math.max(...all)] : [1e-6, 1];
  datasets.push({label: "", type: "line", data: [{x: low, y: low}, {x: high, y: high}], borderColor: cssColour("muted"),
                 borderDash: [5, 4], borderWidth: 1.2, pointRadius: 0, pointHitRadius: 0});
  const axis = (title) => ({...logAxis(10, seconds, title), min: low, max: high});
  return {
    type: "scatter", data: {datasets},
    options: {scales: {x: axis("predicted"), y: axis("measured")},
              plugins: {legend: {display: false},
                        tooltip: {callbacks: {label: (c) => ` ${c.raw.name}: predicted ${seconds(c.raw.x)}, measured ${seconds(c.raw.y)}`}}}},
  };
}

const stepCharts = [];  // of the run that is shown

function chooseRun(item) {
  view.item = item;
  const ranks = ranksOf(item);
  const options = ranks.map((rank) => element("option", {value: rank}, rank));
  if (ranks.length > 1) options.push(element("option", {value: "all"}, "all"));
  $("timeline-rank").replaceChildren(...options);
  view.rank = ranks.includes(view.rank) || (view.rank === "all" && ranks.length > 1) ? view.rank : ranks[0];
  $("timeline-rank").value = view.rank;
  fillLegend();
  fillKinds();
  if (stepCharts.length > 0) stepCharts.forEach(remake);
  else stepCharts.push(addChart($("busy-chart"), busyChart), addChart($("task-chart"), taskChart));
  showStep();
}

function startTimeline(traced) {
  const select = $("timeline-run");
  traced.forEach((item, index) => select.append(element("option", {value: index}, item.name)));
  select.addEventListener("change", () => chooseRun(traced[select.value]));
  $("timeline-rank").addEventListener("change", (event) => { view.rank = event.target.value; showStep(); });
  chooseRun(traced[0]);
  listen();
  window.redrawTimeline = () => { fillLegend(); fillKinds(); drawTimeline(); };
}
