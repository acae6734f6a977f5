// sextant validate: the models scored against measured runs from anywhere.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/published/scores.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

struct ValidateArguments {
  std::string runs;
  std::string configs = std::filesystem::is_directory("configs/networks") ? "configs" : SEXTANT_CONFIGS;
  bool all_rows = false;
  bool json = false;
};

Json rows_json(const Scores& scores) {
  Json rows = Json::array();
  for (const ScoredRun& scored : scores.runs) {
    Json terms = Json::object();
    for (int t = 0; t < kNumStepTerms; ++t) {
      terms[to_text(StepTerm(t))] = scored.estimate[StepTerm(t)].value();
    }
    rows.push_back({{"line", scored.run.line},
                    {"source", scored.run.source},
                    {"group", scored.run.group},
                    {"setup", to_text(scored.run.setup)},
                    {"predicted_s", scored.estimate.total().value()},
                    {"measured_s", scored.run.step_time.value()},
                    {"error", scored.error()},
                    {"terms_s", std::move(terms)}});
  }
  return rows;
}

Json parts_json(const std::vector<PartScore>& parts) {
  Json json = Json::array();
  for (const PartScore& part : parts) {
    json.push_back({{"name", part.name},
                    {"rows", part.rows},
                    {"mean_error", part.mean_error},
                    {"mean_abs_error", part.mean_abs_error}});
  }
  return json;
}

struct PeakErrors {
  double mean = 0.0;  // of the absolute errors, as the next
  double worst = 0.0;
};

PeakErrors peak_errors(const std::vector<MemoryScore>& peaks) {
  PeakErrors errors;
  for (const MemoryScore& peak : peaks) {
    errors.mean += std::abs(peak.error()) / static_cast<double>(peaks.size());
    errors.worst = std::max(errors.worst, std::abs(peak.error()));
  }
  return errors;
}

Json peaks_json(const std::vector<MemoryScore>& peaks) {
  Json json = Json::array();
  for (const MemoryScore& peak : peaks) {
    const PublishedPeak& published = *peak.run.peak_memory;
    json.push_back({{"line", peak.run.line},
                    {"predicted_bytes", published.of(peak.memory).value()},
                    {"published_bytes", published.bytes.value()},
                    {"error", peak.error()},
                    {"device_bytes", peak.memory.total().value()}});
  }
  return json;
}

Json scores_json(const Scores& scores) {
  Json skipped = Json::array();
  for (const SkippedRun& run : scores.skipped) {
    skipped.push_back({{"row", run.line}, {"source", run.source}, {"reason", run.reason}});
  }
  Json groups = Json::array();
  for (const GroupScore& group : scores.order.groups) {
    groups.push_back({{"name", group.name},
                      {"rows", group.rows},
                      {"kendall_tau", group.kendall_tau},
                      {"top1_regret", group.top1_regret}});
  }
  const PeakErrors errors = peak_errors(scores.peaks);
  return {{"rows", scores.runs.size() + scores.skipped.size()},
          {"predicted", scores.runs.size()},
          {"skipped", std::move(skipped)},
          {"mean_abs_pct_error", 100.0 * scores.mean_abs_error},
          {"groups", std::move(groups)},
          {"kendall_tau", scores.order.kendall_tau},
          {"top1_regret", scores.order.top1_regret},
          {"within_source",
           {{"groups", scores.order_within_source.groups.size()},
            {"kendall_tau", scores.order_within_source.kendall_tau},
            {"top1_regret", scores.order_within_source.top1_regret}}},
          {"sources", parts_json(scores.sources)},
          {"devices", parts_json(scores.devices)},
          {"memory",
           {{"published_peaks", scores.peaks.size()},
            {"mean_abs_pct_error", 100.0 * errors.mean},
            {"worst_abs_pct_error", 100.0 * errors.worst},
            {"peaks", peaks_json(scores.peaks)},
            {"ran_but_refused", scores.wrongly_refused.size()},
            {"ran_out_but_taken", scores.wrongly_taken.size()}}},
          {"predictions", rows_json(scores)}};
}

std::string parts_text(const char* heading, const std::vector<PartScore>& parts) {
  std::string text = fmt::format("{:<66}{:>6}{:>12}{:>12}\n", heading, "rows", "mean error", "mean |err|");
  for (const PartScore& part : parts) {
    text += fmt::format("{:<66.65}{:>6}{:>10.1f} %{:>10.1f} %\n", part.name, part.rows, 100.0 * part.mean_error,
                        100.0 * part.mean_abs_error);
  }
  return text;
}

std::string peak_text(const MemoryScore& scored) {
  if (!scored.run.peak_memory) return "";
  const PublishedPeak& published = *scored.run.peak_memory;
  return fmt::format(", {} of it {} for {} published: {:+.1f} %", to_text(published.of(scored.memory)),
                     published.is_allocated ? "allocated" : "held by the allocator", to_text(published.bytes),
                     100.0 * scored.error());
}

std::string memory_rows(const char* what, const std::vector<MemoryScore>& rows) {
  std::string text;
  for (const MemoryScore& scored : rows) {
    const MemoryTerm& largest = scored.memory.largest();
    text += fmt::format("{} line {}: {}  {}: {} of {}{}, most by {}\n", what, scored.run.line, scored.run.group,
                        to_text(scored.run.setup), to_text(scored.memory.total()),
                        to_text(scored.run.cluster.device.memory), peak_text(scored), largest.name);
  }
  return text;
}

std::string memory_text(const Scores& scores) {
  const PeakErrors errors = peak_errors(scores.peaks);
  return fmt::format(
      "memory: {} published peaks, mean |error| {:.1f} %, worst {:.1f} %; {} rows ran that do not fit, {} ran out that "
      "fit\n",
      scores.peaks.size(), 100.0 * errors.mean, 100.0 * errors.worst, scores.wrongly_refused.size(),
      scores.wrongly_taken.size());
}

std::string order_text(const OrderScore& order) {
  return fmt::format("Kendall tau {:.2f} and top-1 regret {:.1f} % over {} groups", order.kendall_tau,
                     100.0 * order.top1_regret, order.groups.size());
}

std::string scores_text(const Scores& scores, bool all_rows) {
  std::string text;
  if (all_rows) {
    for (const ScoredRun& scored : scores.runs) {
      text +=
          fmt::format("{:+7.1f} %  line {:<4} {}  {}  {} for {}, most overhead: {}\n", 100.0 * scored.error(),
                      scored.run.line, scored.run.group, to_text(scored.run.setup), to_text(scored.estimate.total()),
                      to_text(scored.run.step_time), to_text(scored.estimate.largest_overhead()));
    }
    for (const SkippedRun& run : scores.skipped) text += fmt::format("skipped line {}: {}\n", run.line, run.reason);
    text += memory_rows("peak", scores.peaks) + memory_rows("ran, does not fit", scores.wrongly_refused) +
            memory_rows("ran out, fits", scores.wrongly_taken) + "\n";
  }
  text += parts_text("source", scores.sources) + "\n" + parts_text("device", scores.devices);
  text += fmt::format("\n{:<66}{:>6}{:>12}{:>12}\n", "layouts of one job", "rows", "Kendall tau", "regret");
  for (const GroupScore& group : scores.order.groups) {
    text += fmt::format("{:<66.65}{:>6}{:>12.2f}{:>10.1f} %\n", group.name, group.rows, group.kendall_tau,
                        100.0 * group.top1_regret);
  }
  return text +
         fmt::format(
             "\n{} rows, {} predicted, {} skipped{}: mean |error| {:.1f} %, {}\n"
             "where the rows of a group are of one source: {}\n",
             scores.runs.size() + scores.skipped.size(), scores.runs.size(), scores.skipped.size(),
             all_rows ? "" : " (--rows lists them)", 100.0 * scores.mean_abs_error, order_text(scores.order),
             order_text(scores.order_within_source)) +
         memory_text(scores);
}

int run_validate(const ValidateArguments& arguments) {
  const Catalogue catalogue(arguments.configs);
  const Scores scores = score(read_csv(arguments.runs, required_run_columns()), catalogue);
  fmt::print("{}", arguments.json ? scores_json(scores).dump() + "\n" : scores_text(scores, arguments.all_rows));
  return 0;
}

}  // namespace

void add_validate_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("validate", "Score the models against measured training runs from anywhere.");
  verb->footer("Networks and devices are found by name or alias in CONFIGS/networks and CONFIGS/clusters.");
  auto arguments = std::make_shared<ValidateArguments>();
  verb->add_option("--runs", arguments->runs, "Table of runs, comma-separated with a header")
      ->required()
      ->type_name("FILE");
  verb->add_option("--configs", arguments->configs, "Folder of networks/ and clusters/")
      ->type_name("FOLDER")
      ->capture_default_str();
  verb->add_flag("--rows", arguments->all_rows, "Print every row, and why rows were skipped");
  verb->add_flag("--json", arguments->json, "Print one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_validate(*arguments); }; });
}

}  // namespace sextant
