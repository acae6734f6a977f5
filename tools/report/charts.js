// Everything that Chart.js draws. A chart is made by a function of the colours in force, so that it can be
// made again for the other theme and for paper.

const kLightSeries = ["#2f6db5", "#d08420", "#2b9483", "#8a5bb0", "#bf4a5c", "#66737f", "#7f8f2a", "#2fa3c7", "#8a5a3c",
                      "#c77fb0", "#3d4f8f", "#b3a06a"];
const kDarkSeries = ["#6fa8e8", "#edac55", "#56c2ae", "#b990de", "#ea8090", "#a2aeba", "#b5c45c", "#6cd0ee", "#c79a7c",
                     "#e3a6d0", "#8d9fe0", "#d3c493"];
const darkMode = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => darkMode.matches && !document.documentElement.classList.contains("paper");
const seriesColour = (index) => (isDark() ? kDarkSeries : kLightSeries)[index % kLightSeries.length];
const itemColour = seriesColour;
const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faded = (colour, alpha = "66") => colour + alpha;

const charts = [];  // {make, chart}

function addChart(canvas, make) {
  const entry = {make: () => new Chart(canvas, make()), chart: null};
  charts.push(entry);
  entry.chart = entry.make();
  return entry;
}

function remake(entry) {
  entry.chart.destroy();
  entry.chart = entry.make();
}

function applyDefaults() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12;
  Chart.defaults.color = cssColour("muted");
  Chart.defaults.borderColor = cssColour("grid");
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.devicePixelRatio = Math.max(2, window.devicePixelRatio);
  Object.assign(Chart.defaults.plugins.legend, {align: "start"});
  Object.assign(Chart.defaults.plugins.legend.labels, {boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 2});
}

function restyle() {
  applyDefaults();
  charts.forEach(remake);
  document.querySelectorAll("#plan-table thead .swatch").forEach((node, index) => { node.style.background = itemColour(index); });
  if (window.redrawTimeline) window.redrawTimeline();
}

// Charts follow the theme; on paper everything is light.
function followTheme() {
  darkMode.addEventListener("change", restyle);
  const paper = (on) => () => { document.documentElement.classList.toggle("paper", on); restyle(); };
  window.addEventListener("beforeprint", paper(true));
  window.addEventListener("afterprint", paper(false));
}

// Whiskers {low, high} and a tick (the lower bound) of each element of a dataset, along the value axis.
const whiskers = {
  id: "whiskers",
  afterDatasetsDraw(chart) {
    const {ctx} = chart;
    chart.data.datasets.forEach((dataset, index) => {
      const meta = chart.getDatasetMeta(index);
      if (!dataset.whiskers || meta.hidden) return;
      const horizontal = chart.options.indexAxis === "y";
      const scale = chart.scales[horizontal ? "x" : "y"];
      ctx.save();
      ctx.beginPath();
      ctx.rect(chart.chartArea.left, chart.chartArea.top - 4, chart.chartArea.width + 4, chart.chartArea.height + 8);
      ctx.clip();
      meta.data.forEach((drawn, i) => {
        const range = dataset.whiskers[i];
        if (!range) return;
        const across = horizontal ? drawn.y : drawn.x;
        const stroke = (from, to, cap, colour, width) => {
          ctx.strokeStyle = colour;
          ctx.lineWidth = width;
          ctx.beginPath();
          const point = (along, offset, move) => ctx[move ? "moveTo" : "lineTo"](
              horizontal ? along : across + offset, horizontal ? across + offset : along);
          point(from, 0, true); point(to, 0, false);
          for (const end of [from, to]) { point(end, -cap, true); point(end, cap, false); }
          ctx.stroke();
        };
        stroke(scale.getPixelForValue(range.low), scale.getPixelForValue(range.high), dataset.cap ?? 4,
               dataset.whiskerColour ?? cssColour("ink"), 1.2);
        if (range.tick) {
          const at = scale.getPixelForValue(range.tick);
          stroke(at, at, (drawn.height ?? 12) / 2 + 3, cssColour("ink"), 2);
        }
      });
      ctx.restore();
    });
  },
};

// "50 ms" and "1.5 s" on an axis, not "50.0 ms" and "1.50 s".
const short = (text) => text.replace(/(\.\d*?)0+(?=\D)/, "$1").replace(/\.(?=\D)/, "");
const timeTicks = {callback: (value) => short(seconds(value)), maxTicksLimit: 7, includeBounds: false};
const lineLegend = {position: "bottom", labels: {usePointStyle: true, pointStyle: "line", pointStyleWidth: 18}};
const tooltipLabel = (format) => ({callbacks: {label: (c) => ` ${c.dataset.label}: ${format(c)}`}});

// Datasets that only accompany another have no legend of their own; they hide and show with it.
const withoutTwins = (label, chart) => !chart.datasets[label.datasetIndex].twin;
function toggleFamily(event, label, legend) {
  const {chart} = legend;
  const {family} = chart.data.datasets[label.datasetIndex];
  const visible = chart.isDatasetVisible(label.datasetIndex);
  chart.data.datasets.forEach((set, index) => { if (set.family === family) chart.setDatasetVisibility(index, !visible); });
  chart.update();
}

// ---- plans ----

function stepChart() {
  const labels = data.items.map((item) => item.name);
  const range = (low, high, tick) => ({low, high, tick});
  const datasets = [{
    label: "predicted", data: data.items.map(predictedTime),
    backgroundColor: data.items.map((item, i) => faded(itemColour(i))),
    whiskers: data.items.map((item) => range(...predictedInterval(item), item.plan.lower_bound_s)),
  }];
  if (runs.length > 0) {
    datasets.push({
      label: "measured", data: data.items.map((item) => measuredTime(item) ?? null),
      backgroundColor: data.items.map((item, i) => itemColour(i)),
      whiskers: data.items.map((item) => item.run && range(item.run.step_time_s.p10, item.run.step_time_s.p90)),
    });
  }
  for (const dataset of datasets) Object.assign(dataset, {maxBarThickness: 20, borderRadius: 2});
  return {
    type: "bar", data: {labels, datasets}, plugins: [whiskers],
    options: {
      indexAxis: "y",
      scales: {x: {beginAtZero: true, suggestedMax: 1.03 * Math.max(...data.items.map((i) => predictedInterval(i)[1])),
                   ticks: timeTicks}, y: {grid: {display: false}}},
      plugins: {
        legend: {display: datasets.length > 1, labels: {generateLabels: () => datasets.map((d, index) => (
          {text: d.label, fillStyle: index === 0 ? faded(itemColour(0)) : itemColour(0), strokeStyle: "transparent",
           fontColor: cssColour("muted"), datasetIndex: index}))}, onClick: () => {}},
        tooltip: tooltipLabel((c) => {
          const r = c.dataset.whiskers[c.dataIndex];
          return `${seconds(c.raw)} (${seconds(r.low)} – ${seconds(r.high)})`;
        }),
      },
    },
  };
}

function memoryChart() {
  const terms = [...new Set(data.items.flatMap((item) => item.memory.filter((term) => term.bytes > 0).map((term) => term.name)))];
  const datasets = terms.map((name, index) => ({
    label: name, backgroundColor: seriesColour(index), maxBarThickness: 28,
    data: data.items.map((item) => item.memory.find((term) => term.name === name)?.bytes ?? 0),
  }));
  return {
    type: "bar", data: {labels: data.items.map((item) => item.name), datasets},
    options: {
      indexAxis: "y",
      scales: {x: {stacked: true, ticks: {callback: (value) => short(bytes(value)), maxTicksLimit: 6}, afterBuildTicks: binaryTicks},
               y: {stacked: true, grid: {display: false}}},
      plugins: {legend: {position: "bottom"}, tooltip: tooltipLabel((c) => bytes(c.raw))},
    },
  };
}

// Round numbers of MiB rather than of bytes.
function binaryTicks(axis) {
  const rough = axis.max / 5;
  const unit = 2 ** (10 * Math.floor(Math.log2(Math.max(rough, 1)) / 10));
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((n) => n * unit >= rough) * unit;
  axis.ticks = [];
  for (let value = 0; value <= axis.max; value += step) axis.ticks.push({value});
}

function drawPlanCharts() {
  const height = 70 + data.items.length * (runs.length > 0 ? 58 : 36);
  for (const id of ["step-chart", "memory-chart"]) $(id).parentElement.style.height = `${Math.max(220, height)}px`;
  addChart($("step-chart"), stepChart);
  addChart($("memory-chart"), memoryChart);
}

// ---- training ----

let lossAxis = "step";

function elapsed(item) {
  let total = 0;
  return item.log.step_time_s.map((time) => (total += time * item.log.stride));
}

function lossChart() {
  const datasets = runs.map((item) => {
    const colour = itemColour(data.items.indexOf(item));
    const x = lossAxis === "step" ? item.log.step : elapsed(item);
    return {label: item.name, data: item.log.loss.map((loss, i) => ({x: x[i], y: loss})), borderColor: colour,
            backgroundColor: colour, borderWidth: 1.8, pointRadius: 0};
  });
  const right = Math.max(...datasets.flatMap((dataset) => dataset.data.map((point) => point.x)));
  for (const entropy of new Set(runs.map((item) => item.run.unigram_entropy_nats))) {
    datasets.push({label: `unigram entropy ${entropy.toFixed(3)}`, data: [{x: 0, y: entropy}, {x: right, y: entropy}],
                   borderColor: cssColour("muted"), backgroundColor: "transparent", borderDash: [6, 4], borderWidth: 1.5,
                   pointRadius: 0, pointHitRadius: 0});
  }
  const format = lossAxis === "step" ? (x) => `step ${x}` : (x) => `${seconds(x)} of training`;
  return {
    type: "line", data: {datasets},
    options: {
      interaction: {mode: "nearest", axis: "x", intersect: false},
      scales: {x: {type: "linear", max: right, title: {display: true, text: lossAxis === "step" ? "step" : "time of the steps"},
                   ticks: lossAxis === "step" ? {precision: 0} : timeTicks}, y: {title: {display: false}}},
      plugins: {legend: lineLegend,
                tooltip: {callbacks: {title: (c) => c.length ? format(c[0].parsed.x) : "",
                                      label: (c) => ` ${c.dataset.label}: ${c.parsed.y.toFixed(4)}`}}},
    },
  };
}

function paceChart() {
  const datasets = [];
  for (const item of runs) {
    const colour = itemColour(data.items.indexOf(item));
    const steps = item.log.step;
    datasets.push({label: item.name, family: item.name, data: item.log.step_time_s.map((time, i) => ({x: steps[i], y: time})),
                   borderColor: colour, backgroundColor: colour, borderWidth: 1.2, pointRadius: 0});
    datasets.push({label: `${item.name} predicted`, family: item.name, data: [steps[0], steps[steps.length - 1]].map((x) => ({x, y: predictedTime(item)})),
                   borderColor: colour, borderDash: [6, 4], borderWidth: 1.5, pointRadius: 0, pointHitRadius: 0, twin: true});
  }
  // The first steps of a run may be far slower than the rest; they must not flatten everything else.
  const usual = runs.map((item) => item.run.step_time_s.p90);
  const top = 1.3 * Math.max(...usual, ...runs.map(predictedTime));
  return {
    type: "line", data: {datasets},
    options: {
      interaction: {mode: "nearest", axis: "x", intersect: false},
      scales: {x: {type: "linear", title: {display: true, text: "step"}, ticks: {precision: 0}},
               y: {beginAtZero: true, max: top, ticks: timeTicks}},
      plugins: {legend: {...lineLegend, labels: {...lineLegend.labels, filter: withoutTwins}, onClick: toggleFamily},
                tooltip: {callbacks: {title: (c) => c.length ? `step ${c[0].parsed.x}` : "",
                                      label: (c) => ` ${c.dataset.label}: ${seconds(c.parsed.y)}`}}},
    },
  };
}

function drawTrainingCharts() {
  const loss = addChart($("loss-chart"), lossChart);
  addChart($("pace-chart"), paceChart);
  const buttons = [["step", "by step"], ["time", "by time"]].map(([axis, label]) => {
    const button = element("button", {"aria-pressed": String(axis === lossAxis)}, label);
    button.addEventListener("click", () => {
      lossAxis = axis;
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      remake(loss);
    });
    return button;
  });
  $("loss-axis").append(...buttons);
}

// ---- fits ----

// Powers of a base as ticks of a logarithmic axis, at most about seven.
const powerTicks = (base) => (axis) => {
  const log = (value) => Math.log(value) / Math.log(base);
  const first = Math.ceil(log(axis.min) - 1e-9);
  const last = Math.floor(log(axis.max) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first + 1) / 7));
  const between = last - first < 2 ? (base === 10 ? [1, 2, 5] : [1, base / 2]) : [1];
  axis.ticks = [];
  for (let power = between.length > 1 ? first - 1 : first; power <= last; power += stride) {
    for (const factor of between) axis.ticks.push({value: factor * base ** power});
  }
  axis.ticks = axis.ticks.filter(({value}) => value >= axis.min * 0.999 && value <= axis.max * 1.001);
};

const logAxis = (base, format, title) => ({type: "logarithmic", afterBuildTicks: powerTicks(base),
                                           title: {display: Boolean(title), text: title},
                                           ticks: {callback: (value) => short(format(value))}});

// A scatter of medians with whiskers, and the curve of its series. `family` hides and shows together.
function fitDatasets({label, family, colour, points, curve, hollow = false, twin = false}) {
  const sets = [{label, family, twin, data: points.map((p) => ({x: p.x, y: p.median, point: p})), borderColor: colour,
                 backgroundColor: hollow ? cssColour("card") : colour, borderWidth: hollow ? 1.6 : 0, pointRadius: 3.5,
                 pointHoverRadius: 5, whiskers: points.map(({low, high}) => ({low, high})), whiskerColour: colour, cap: 3}];
  if (curve.length > 0) {
    sets.push({label: `${label} fit`, family, twin: true, type: "line", data: curve, borderColor: colour, borderWidth: 1.3,
               pointRadius: 0, pointHitRadius: 0, borderDash: hollow ? [5, 4] : []});
  }
  return sets;
}

const rangeOf = (values, margin) => ({min: Math.min(...values) / margin, max: Math.max(...values) * margin});

function fitChart(datasets, xAxis) {
  const points = datasets.flatMap((set) => set.data);
  const times = points.flatMap((p) => p.point ? [p.point.low, p.point.high] : [p.y]);
  return {
    type: "scatter", data: {datasets}, plugins: [whiskers],
    options: {
      scales: {x: {...xAxis, ...rangeOf(points.map((p) => p.x), 1.2)}, y: {...logAxis(10, seconds), ...rangeOf(times, 1.25)}},
      plugins: {
        legend: {position: "bottom", labels: {usePointStyle: true, filter: withoutTwins}, onClick: toggleFamily},
        tooltip: {callbacks: {label: (c) => {
          const p = c.raw.point;
          return p ? [` ${c.dataset.label}`, ` ${p.size}: ${seconds(p.median)} (${seconds(p.low)} – ${seconds(p.high)}), ${p.repeats} repeats`] : "";
        }}},
      },
    },
  };
}

function collectiveChart(series) {
  const datasets = series.flatMap((s, index) => {
    const points = s.points.map((p) => ({...p, x: p.bytes, size: bytes(p.bytes)}));
    const ends = points.length > 1 ? [points[0].x, points[points.length - 1].x] : [1024, 2 ** 28];
    const curve = [];
    if (s.line) {
      for (let i = 0; i <= 40; ++i) {
        const x = ends[0] * (ends[1] / ends[0]) ** (i / 40);
        curve.push({x, y: s.line.alpha_s + x * s.line.beta_s_per_byte});
      }
    }
    const label = s.line ? `${s.group}: ${s.line.text}` : s.group;
    return fitDatasets({label, family: s.group, colour: seriesColour(index), points, curve});
  });
  return fitChart(datasets, logAxis(4, bytes, "buffer of a rank"));
}

// Points of a shape share a colour: filled forward, hollow backward.
function kernelChart(series, counted) {
  const shapes = [...new Set(series.map((s) => s.shape))];
  const datasets = series.flatMap((s) => {
    const backward = s.pass === "backward";
    const points = s.points.map((p) => ({...p, x: p.rows, size: `${whole(p.rows)} ${counted}`}));
    const label = shapes.length > 1 ? (backward ? `${s.shape}, backward` : s.shape) : s.pass;
    return fitDatasets({label, family: shapes.length > 1 ? s.shape : s.pass, colour: seriesColour(shapes.indexOf(s.shape)), points,
                        curve: points.filter((p) => p.fit).map((p) => ({x: p.x, y: p.fit})),
                        hollow: backward, twin: backward && shapes.length > 1});
  });
  return fitChart(datasets, logAxis(4, (n) => n >= 2 ** 20 ? `${significant(n / 2 ** 20)} Mi` : whole(n), counted));
}

function residualText(series, of) {
  const known = series.map(of).filter((value) => value !== undefined && value !== null);
  return known.length ? ` residual of the fit: median ${percent(median(known.map((r) => r[0])))}, 90th percentile ${percent(Math.max(...known.map((r) => r[1])))}` : "";
}

function drawFits(cluster, grid) {
  const figure = (title, note, height, make) => {
    const canvas = element("canvas");
    grid.append(element("figure", {}, element("figcaption", {}, title, element("span", {class: "muted"}, note)),
                        element("div", {class: "chart", style: {height: `${height}px`}}, canvas)));
    addChart(canvas, make);
  };
  const legendHeight = (rows) => 230 + 22 * rows;
  for (const op of new Set(cluster.collectives.map((s) => s.op))) {
    const series = cluster.collectives.filter((s) => s.op === op);
    figure(words(op), residualText(series, (s) => s.line && s.points.length && [s.line.residual_median, s.line.residual_p90]),
           legendHeight(series.length), () => collectiveChart(series));
  }
  for (const op of new Set(cluster.kernels.map((s) => s.op))) {
    const series = cluster.kernels.filter((s) => s.op === op);
    const shapes = new Set(series.map((s) => s.shape));
    const note = residualText(series, (s) => s.residual_p90 === undefined ? null : [s.residual_median, s.residual_p90]);
    const passes = shapes.size > 1 && series.some((s) => s.pass === "backward") ? "filled forward, hollow backward;" : "";
    const counted = op === "optimizer" || op === "gradient_norm" ? "elements" : "rows";
    figure(words(op), `${passes}${note}`, legendHeight(shapes.size), () => kernelChart(series, counted));
  }
}
