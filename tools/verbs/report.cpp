// sextant report: plans and runs side by side as one page.
#include "tools/report/report.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct ReportArguments {
  std::vector<std::string> inputs;
  std::string out;
};

int run_report(const ReportArguments& arguments) {
  write_report({arguments.inputs.begin(), arguments.inputs.end()}, arguments.out);
  fmt::print("report: {}\n", arguments.out);
  return 0;
}

}  // namespace

void add_report_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("report", "Compare plans and runs on one page that opens without a network.");
  verb->footer(
      "A plan file shows what is predicted; a run folder of sextant train also what was measured; a folder of\n"
      "sextant experiment the errors over all of its plans:\n"
      "  sextant report run-fsmoe/ run-tutel/ other-plan.yaml --out report.html");
  auto arguments = std::make_shared<ReportArguments>();
  verb->add_option("inputs", arguments->inputs, "Plan files, run and experiment folders, in the order of the page")
      ->required()
      ->type_name("PLAN_OR_RUN");
  verb->add_option("--out", arguments->out, "HTML file to write")->required()->type_name("FILE");
  verb->callback([arguments, &run] { run = [arguments] { return run_report(*arguments); }; });
}

}  // namespace sextant
