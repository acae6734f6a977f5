// sextant report: plans and runs side by side, as one page for a browser.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tools/report/report.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct ReportArguments {
  std::vector<std::filesystem::path> inputs;
  std::filesystem::path out;
};

int run_report(const ReportArguments& arguments) {
  write_report(arguments.inputs, arguments.out);
  fmt::print("report: {}\n", arguments.out.string());
  return 0;
}

}  // namespace

void add_report_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("report", "Compare plans and runs on one HTML page that opens offline.");
  auto arguments = std::make_shared<ReportArguments>();
  verb->add_option("inputs", arguments->inputs, "Plan files and run folders")->required()->type_name("PLAN_OR_RUN");
  verb->add_option("--out", arguments->out, "Page to write")->required()->type_name("FILE");
  verb->callback([arguments, &run] { run = [arguments] { return run_report(*arguments); }; });
}

}  // namespace sextant
