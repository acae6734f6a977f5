// Experiments: predicted against measured of every plan, and the errors of each schedule.

const experimentRows = (experiment) => experiment.summary.rows;

// `predicted`: the member of a row on the x axis.
function experimentChart(experiment, predicted) {
  const schedules = [...new Set(experimentRows(experiment).map((row) => row.schedule))];
  const datasets = schedules.map((schedule, index) => ({
    label: words(schedule), backgroundColor: seriesColour(index), pointRadius: 4,
    data: experimentRows(experiment).filter((row) => row.schedule === schedule)
              .map((row) => ({x: row[predicted], y: row.measured_s, row})),
  }));
  const all = experimentRows(experiment).flatMap((row) => [row.predicted_s, row.predicted_uncontended_s, row.measured_s]);
  const {min, max} = rangeOf(all, 1.2);
  datasets.push({label: "", type: "line", data: [{x: min, y: min}, {x: max, y: max}], borderColor: cssColour("muted"),
                 borderDash: [5, 4], borderWidth: 1.2, pointRadius: 0, pointHitRadius: 0});
  const axis = (title) => ({...logAxis(10, seconds, title), min, max});
  const text = ({x, row}) => [` ${words(row.schedule)} on ${row.layout}, degrees ${row.r_fwd}, ${row.r_bwd}`, ` ${row.name}`,
                           ` predicted ${seconds(x)}, measured ${seconds(row.measured_s)}`];
  return {
    type: "scatter", data: {datasets},
    options: {scales: {x: axis("predicted step time"), y: axis("measured")},
              plugins: {legend: {position: "bottom", labels: {usePointStyle: true, filter: (label) => label.text !== ""}},
                        tooltip: {callbacks: {label: (c) => c.raw.row ? text(c.raw) : ""}}}},
  };
}

const numberOrDash = (value, text) => value === null || value === undefined ? "–" : text(value);

// A line of errors; `summary` is the whole experiment's or one schedule's.
function accuracyCells(label, plans, accuracy, speedup) {
  return [label, plans, percent(accuracy.median_abs_error), percent(accuracy.p95_abs_error), signedPercent(accuracy.median_error),
          numberOrDash(accuracy.kendall_tau, (tau) => tau.toFixed(2)), numberOrDash(accuracy.regret, (regret) => percent(regret)),
          numberOrDash(speedup?.[0], (s) => `${s.toFixed(3)}×`), numberOrDash(speedup?.[1], (s) => `${s.toFixed(3)}×`)];
}

function experimentTable({summary}) {
  const row = (tag, cells) => element("tr", {}, ...cells.map((cell) => element(tag, {}, `${cell}`)));
  const head = ["", "plans", "median |error|", "95th percentile", "median error", "Kendall's tau", "regret",
                `over ${words(summary.reference)}`, "predicted"];
  const body = element("tbody", {}, row("td", accuracyCells("all", summary.plans, summary)),
                       row("td", accuracyCells("all, contention left out", summary.plans, summary.without_contention)));
  for (const [schedule, accuracy] of Object.entries(summary.by_schedule)) {
    body.append(row("td", accuracyCells(words(schedule), accuracy.plans, accuracy,
                                        [summary.speedup[schedule], summary.speedup_predicted[schedule]])));
  }
  return element("table", {}, element("thead", {}, row("th", head)), body);
}

function drawExperiments() {
  $("experiments").hidden = data.experiments.length === 0;
  for (const experiment of data.experiments) {
    const {summary} = experiment;
    const canvases = [];
    const facts = `${summary.plans} plans, ${summary.skipped.length} skipped, on ${summary.nodes} × ${summary.devices_per_node} ranks ` +
        `(${summary.backend}), ${dateText(summary.date)}; the median of a plan moved by ${percent(summary.repeat_spread)} between its repeats`;
    const figure = (title, note, predicted) => {
      const canvas = element("canvas");
      canvases.push([canvas, () => experimentChart(experiment, predicted)]);
      return element("figure", {}, element("figcaption", {}, title, element("span", {class: "muted"}, note)),
                     element("div", {class: "chart square"}, canvas));
    };
    $("experiment-list").append(
        element("div", {class: "cluster-head"}, element("h3", {}, experiment.name), element("p", {}, facts),
                element("p", {}, summary.machine), element("p", {}, element("code", {}, experiment.path))),
        element("div", {class: "columns"}, figure("Every plan", "on the dashed line the prediction is exact", "predicted_s"),
                figure("Contention left out", "the same plans, nothing slowed by what runs beside it", "predicted_uncontended_s")),
        element("figure", {class: "below"}, element("figcaption", {}, "Errors"), element("div", {class: "scroll"}, experimentTable(experiment))));
    canvases.forEach(([canvas, make]) => addChart(canvas, make));  // sized only once they are in the page
  }
}
