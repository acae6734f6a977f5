// Experiments: predicted against measured of every plan, errors and speed-ups of the schedules, and the plans picked.

const experimentRows = (experiment) => experiment.summary.rows;
// In the order of the experiment file.
const schedulesOf = (experiment) => [...new Set(experimentRows(experiment).map((row) => row.schedule))];

// `predicted`: the member of a row on the x axis.
function experimentChart(experiment, predicted) {
  const schedules = schedulesOf(experiment);
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

const numberOrDash = (value, text, dash = "–") => value === null || value === undefined ? dash : text(value);

const factor = (value, digits = 3) => numberOrDash(value, (x) => `${x.toFixed(digits)}×`);

// A table of texts; a row is a list of cells, each a text or {text, best}.
function textTable(head, rows) {
  const line = (tag, cells) => element("tr", {}, ...cells.map((cell) => cell.best ? element(tag, {class: "best"}, cell.text) : element(tag, {}, `${cell.text ?? cell}`)));
  return element("table", {class: "experiment"}, element("thead", {}, line("th", head)), element("tbody", {}, ...rows.map((row) => line("td", row))));
}

// ---- errors ----

// A line of errors; `accuracy` is the whole experiment's or one schedule's.
function accuracyCells(label, plans, accuracy) {
  return [label, plans, percent(accuracy.median_abs_error), percent(accuracy.p95_abs_error), signedPercent(accuracy.median_error),
          numberOrDash(accuracy.kendall_tau, (tau) => tau.toFixed(2)), numberOrDash(accuracy.regret, (regret) => percent(regret)),
          factor(accuracy.measured_over_lower_bound, 2)];
}

function errorTable(experiment) {
  const {summary} = experiment;
  const head = ["", "plans", "median |error|", "95th percentile", "median error", "Kendall's tau", "regret", "measured / lower bound"];
  return textTable(head, [
    accuracyCells("all", summary.plans, summary),
    accuracyCells("all, contention left out", summary.plans, summary.without_contention),
    ...schedulesOf(experiment).map((schedule) => accuracyCells(words(schedule), summary.by_schedule[schedule].plans, summary.by_schedule[schedule])),
  ]);
}

// ---- speed-ups ----

const shareText = (share) => numberOrDash(share, ([least, largest]) => {
  const [from, to] = [percent(least, 0), percent(largest, 0)];
  return from === to ? from : `${from.replace(" %", "")} to ${to}`;
});

// Times as fast as `reference`, a column a schedule, a row a group of cases; null where nothing ran beside it.
function speedupTable(experiment, reference) {
  const groups = experiment.summary.speedups.filter((group) => group.over === reference);
  const schedules = schedulesOf(experiment).filter((schedule) => schedule in groups[0].schedules);
  if (schedules.length === 0) return null;
  const cells = (group, member, text) => {
    const most = Math.max(...Object.values(group.schedules).map((speedup) => speedup[member]));
    return schedules.map((schedule) => {
      const speedup = group.schedules[schedule];
      return speedup ? {text: factor(speedup[member]) + text(speedup), best: speedup[member] === most && most > 1} : "–";
    });
  };
  const rows = groups.map((group) => [group.group, shareText(group.communication_share), group.cases,
      ...cells(group, "measured", (speedup) => speedup.cases < group.cases ? ` (${speedup.cases})` : "")]);
  rows.splice(1, 0, ["all cases, predicted", "", "", ...cells(groups[0], "predicted", () => "")],
              ["all cases, predicted, contention left out", "", "", ...cells(groups[0], "without_contention", () => "")]);
  return textTable(["", "communication", "cases", ...schedules.map(words)], rows);
}

// ---- choice ----

const choiceText = (plan) => `${words(plan.schedule)} on ${plan.layout}, degrees ${plan.r_fwd}, ${plan.r_bwd}`;

function repeatsText(regrets) {
  if (!regrets) return "";
  return ` (${signedPercent(Math.min(...regrets))} to ${signedPercent(Math.max(...regrets))})`;
}

function choiceTable(choice) {
  const rows = choice.names.map(({name, plans, picked, fastest, regret, regret_by_repeat: repeats}) =>
      [name, plans, signedPercent(regret) + repeatsText(repeats), choiceText(picked), seconds(picked.measured_s),
       choiceText(fastest), seconds(fastest.measured_s)]);
  return textTable(["", "plans", "pick over fastest", "picked", "takes", "fastest", "takes"], rows);
}

const choiceNote = (choice) => `the pick takes ${percent(choice.mean_regret)} longer than the fastest on average, ${percent(choice.worst_regret)} at worst`;

// ---- one experiment ----

function tableFigure(title, note, table) {
  return table && element("figure", {class: "below"}, element("figcaption", {}, title, element("span", {class: "muted"}, note)),
                          element("div", {class: "scroll"}, table));
}

function experimentTables(experiment) {
  const {summary} = experiment;
  const figures = [tableFigure("Errors", "predicted / measured − 1; lower bound: what the busiest queue of a plan's layout needs on the model", errorTable(experiment))];
  if (summary.choice) figures.push(tableFigure("Choice", `predicted fastest beside measured fastest: ${choiceNote(summary.choice)}`, choiceTable(summary.choice)));
  if (summary.final) {
    figures.push(tableFigure("Choice, measured again", `the pick and those that looked fastest, ${summary.final.repeats} times in turn: ${choiceNote(summary.final)}`, choiceTable(summary.final)));
  }
  for (const reference of summary.references) {
    figures.push(tableFigure(`Times as fast as ${words(reference)}`,
        "measured; communication: its share of the sequential step, predicted; in brackets the cases where fewer", speedupTable(experiment, reference)));
  }
  return figures.filter((figure) => figure !== null);
}

function drawExperiments() {
  $("experiments").hidden = data.experiments.length === 0;
  for (const experiment of data.experiments) {
    const {summary} = experiment;
    const canvases = [];
    const facts = `${summary.plans} plans, ${summary.skipped.length} skipped, on ${summary.nodes} × ${summary.devices_per_node} ranks ` +
        `(${summary.backend}), ${dateText(summary.date)}; ` +
        numberOrDash(summary.repeat_spread, (spread) => `the median of a plan moved by ${percent(spread)} between its repeats`, "each plan ran once") +
        numberOrDash(summary.repeat_kendall_tau, (tau) => `, which order the plans alike with τ ${tau.toFixed(2)}`, "");
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
        ...experimentTables(experiment));
    canvases.forEach(([canvas, make]) => addChart(canvas, make));  // sized only once they are in the page
  }
}
