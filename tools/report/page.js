// The page but for its drawings: numbers as text, cards, tables, and the start of it all.
// Names come from files, so text only ever enters the page through textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.items.filter((item) => item.run);
const $ = (id) => document.getElementById(id);

// ---- numbers as text ----

function significant(value, digits = 3) {
  if (value === 0) return "0";
  const whole = Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(Math.max(0, Math.min(digits - whole, 9)));
}

function scaled(value, units, fallback = "–") {
  if (value === null || value === undefined || !Number.isFinite(value)) return fallback;
  const [factor, unit] = units.find(([from]) => Math.abs(value) >= from * 0.9995) ?? units[units.length - 1];
  return `${significant(value / factor)} ${unit}`;
}

const seconds = (value) => value === 0 ? "0 s" : scaled(value, [[1, "s"], [1e-3, "ms"], [1e-6, "us"], [1e-9, "ns"]]);
const bytes = (value) => scaled(value, [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]]);
const percent = (value, digits = 1) => Number.isFinite(value) ? `${(100 * value).toFixed(digits)} %` : "–";
const signedPercent = (value) => Number.isFinite(value) ? `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)} %` : "–";
const whole = (value) => Number.isFinite(value) ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : "–";
const dateText = (iso) => iso.replace("T", " ").replace(/:\d\d(\.\d+)?Z$/, " UTC");
const words = (name) => name.replaceAll("_", " ");
const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

// ---- what the items say ----

const predictedTime = (item) => item.run ? item.run.predicted_step_time_s : item.plan.step_time_s;
const predictedInterval = (item) => item.run?.predicted_step_time_interval_s ?? item.plan.step_time_interval_s;
const measuredTime = (item) => item.run?.step_time_s.mean;
const predictionError = (item) => item.run ? predictedTime(item) / measuredTime(item) - 1 : NaN;
const stepTime = (item) => measuredTime(item) ?? predictedTime(item);
const predictedTokens = (item) => item.global_batch * item.sequence / predictedTime(item);

// ---- elements ----

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key === "style") Object.assign(node.style, value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const swatch = (colour) => element("span", {class: "swatch", style: {background: colour}});

function card(label, value, note, tone = "") {
  return element("div", {class: "card"}, element("div", {class: "label"}, label),
                 element("div", {class: `value ${tone}`}, value), element("div", {class: "note"}, note));
}

// ---- summary ----

// The items that answer the same question: same network, batch, sequence and number of ranks.
const sameTask = (a, b) => a.texts.network_hash === b.texts.network_hash && a.global_batch === b.global_batch &&
                           a.sequence === b.sequence && a.ranks === b.ranks;

function fillCards() {
  const cards = $("cards");
  const measured = runs.length > 0;
  const rivals = measured ? runs : data.items;
  const best = rivals.reduce((a, b) => stepTime(b) < stepTime(a) ? b : a);
  const slowest = rivals.filter((item) => sameTask(item, best)).reduce((a, b) => stepTime(b) > stepTime(a) ? b : a);
  cards.append(card(measured ? "Fastest run" : "Fastest plan", best.name, `${best.texts.policy} · ${best.texts.layout}`));
  cards.append(card("Step time", seconds(stepTime(best)),
                    measured ? `measured; predicted ${seconds(predictedTime(best))}` : "predicted"));
  if (measured) {
    const error = median(runs.map((item) => Math.abs(predictionError(item))));
    cards.append(card("Prediction error", percent(error),
                      runs.length > 1 ? `median over ${runs.length} runs` : `predicted ${signedPercent(predictionError(best))}`,
                      error <= 0.2 ? "good" : "bad"));
  }
  if (slowest !== best) {
    cards.append(card("Speed-up", `${(stepTime(slowest) / stepTime(best)).toFixed(2)}×`, `over ${slowest.name}`));
  }
  cards.append(card("Throughput", `${whole(best.run?.tokens_per_s ?? predictedTokens(best))}`,
                    `tokens/s on ${best.ranks} ranks`));
  if (measured) {
    const {last_loss: last, first_loss: first, unigram_entropy_nats: entropy} = best.run;
    cards.append(card("Loss", last.toFixed(3), `from ${first.toFixed(3)}; unigram entropy ${entropy.toFixed(3)}`,
                      last < entropy ? "good" : ""));
  }
}

function headText() {
  if (data.items.length === 0) return `experiments ${data.experiments.map((experiment) => experiment.name).join(", ")}`;
  const networks = [...new Set(data.items.map((item) => item.texts.network))];
  const clusters = [...new Set(data.items.map((item) => item.texts.cluster))];
  return `${networks.join(", ")} on ${clusters.join(", ")}`;
}

function fillHead() {
  $("subtitle").textContent = `${headText()} · ${data.date.slice(0, 10)}`;
  document.title = `Sextant report: ${headText()}`;
  for (const section of document.querySelectorAll("section[data-title]")) {
    if (!section.hidden) $("contents").append(element("a", {href: `#${section.id}`}, section.dataset.title));
  }
}

// ---- plans side by side ----

// [label, text of an item, number to compare (lowest wins; negate for highest), shown only where a run has it]
function planRows() {
  const prediction = (key) => (item) => item.plan[key];
  const groups = [
    ["What is done", [
      ["schedule", (i) => i.texts.policy],
      ["layout (attention | experts)", (i) => i.texts.layout],
      ["pipeline degrees forward, backward", (i) => `${i.texts.r_fwd}, ${i.texts.r_bwd}`],
      ["micro-batch × number, a replica", (i) => `${i.plan.micro_batch} × ${i.plan.num_micro_batches}`],
      ["global batch × sequence", (i) => `${i.global_batch} × ${i.sequence}`],
      ["ranks", (i) => `${i.ranks}`],
    ]],
    ["Predicted", [
      ["step time", (i) => seconds(predictedTime(i)), predictedTime],
      ["interval", (i) => predictedInterval(i).map(seconds).join(" – ")],
      ["lower bound of the layout", (i) => seconds(i.plan.lower_bound_s)],
      ["gap to the bound", (i) => percent(i.plan.optimality_gap)],
      ["exposed communication", (i) => seconds(i.run?.exposed_communication_s.predicted ?? i.plan.exposed_communication_s),
       (i) => i.run?.exposed_communication_s.predicted ?? i.plan.exposed_communication_s],
      ["tokens/s", (i) => whole(predictedTokens(i)), (i) => -predictedTokens(i)],
      ["memory of a rank", (i) => bytes(i.plan.peak_memory_bytes), prediction("peak_memory_bytes")],
      ["model flops utilisation", (i) => percent(i.plan.mfu)],
      ["weakest cost behind it", (i) => i.texts.source],
    ]],
  ];
  if (runs.length > 0) {
    const run = (text) => (i) => i.run ? text(i.run, i) : "–";
    groups.push(["Measured", [
      ["step time, mean", run((r) => seconds(r.step_time_s.mean)), measuredTime],
      ["median", run((r) => seconds(r.step_time_s.median))],
      ["10th – 90th percentile", run((r) => `${seconds(r.step_time_s.p10)} – ${seconds(r.step_time_s.p90)}`)],
      ["error of the prediction", run((r, i) => signedPercent(predictionError(i)))],
      ["exposed communication", run((r) => seconds(r.exposed_communication_s.measured)),
       (i) => i.run?.exposed_communication_s.measured],
      ["tokens/s", run((r) => whole(r.tokens_per_s)), (i) => i.run && -i.run.tokens_per_s],
      ["loss, first → last", run((r) => `${r.first_loss.toFixed(3)} → ${r.last_loss.toFixed(3)}`)],
      ["unigram entropy of the text", run((r) => r.unigram_entropy_nats.toFixed(3))],
    ]]);
  }
  return groups;
}

function fillPlanTable() {
  const table = $("plan-table");
  const head = element("tr", {}, element("th"));
  data.items.forEach((item, index) => head.append(element("th", {}, swatch(itemColour(index)), item.name)));
  table.append(element("thead", {}, head));
  const body = element("tbody");
  const comparable = data.items.length > 1 && data.items.every((item) => sameTask(item, data.items[0]));
  for (const [title, rows] of planRows()) {
    body.append(element("tr", {class: "group"}, element("th", {colspan: data.items.length + 1}, title)));
    for (const [label, text, order] of rows) {
      const values = data.items.map((item) => order?.(item) ?? NaN).filter(Number.isFinite);
      const best = comparable && new Set(values).size > 1 ? Math.min(...values) : NaN;
      const row = element("tr", {}, element("th", {}, label));
      for (const item of data.items) {
        row.append(element("td", order?.(item) === best ? {class: "best"} : {}, text(item)));
      }
      body.append(row);
    }
  }
  table.append(body);
}

// ---- costs and provenance ----

function fillClusters() {
  $("costs").hidden = data.clusters.length === 0;
  for (const cluster of data.clusters) {
    const facts = element("div", {class: "facts"});
    for (const [label, value] of [["ranks", `${cluster.nodes * cluster.devices_per_node} (${cluster.nodes} × ${cluster.devices_per_node})`],
                                  ["back end", cluster.backend], ["peak of a rank", cluster.peak],
                                  ["memory bandwidth", cluster.memory_bandwidth], ["memory of a rank", cluster.memory],
                                  ["hand-over between queues", cluster.launch_latency], ["date", dateText(cluster.date)]]) {
      facts.append(element("span", {}, `${label} `, element("b", {}, value)));
    }
    const head = element("div", {class: "cluster-head"}, element("h3", {}, cluster.name), facts,
                         element("p", {}, cluster.machine), element("p", {}, cluster.source));
    const grid = element("div", {class: "fits"});
    $("cluster-list").append(head, grid);
    drawFits(cluster, grid);
  }
}

function fillProvenance() {
  const table = $("provenance-table");
  const row = (tag, cells) => element("tr", {}, ...cells.map((cell) => element(tag, {}, ...[cell].flat())));
  const code = (text) => element("code", {}, text);
  table.append(element("thead", {}, row("th", ["", "file", "network", "cluster", "trained"])));
  const body = element("tbody");
  for (const item of data.items) {
    const {texts, run} = item;
    body.append(row("td", [item.name, code(item.path), [`${texts.network}: ${texts.network_shape}`, code(texts.network_hash)],
                           [texts.cluster, code(texts.cluster_hash)],
                           run ? `${run.steps} steps on ${run.ranks} ranks (${run.backend}), ${dateText(run.date)}` : "no"]));
  }
  table.append(body);
  $("made").textContent = `Made ${dateText(data.date)} by sextant report; the page holds all of its data and needs no network.`;
}

function start() {
  $("training").hidden = runs.length === 0;
  const traced = runs.filter((item) => item.run.timeline.tasks.length > 0);
  $("step").hidden = traced.length === 0;
  for (const id of ["summary", "plans", "provenance"]) $(id).hidden = data.items.length === 0;
  applyDefaults();
  if (data.items.length > 0) {
    fillCards();
    fillPlanTable();
    fillProvenance();
    drawPlanCharts();
  }
  if (runs.length > 0) drawTrainingCharts();
  if (traced.length > 0) startTimeline(traced);
  drawExperiments();
  fillClusters();
  fillHead();
  followTheme();
  document.documentElement.dataset.state = "ready";
}
