// The sextant command: reads the command line, runs one verb, turns errors into exit codes.
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "executor/runtime/runtime.h"
#include "models/error.h"
#include "tools/console.h"
#include "tools/verbs/verbs.h"

namespace {

constexpr int kOurBug = 1;
constexpr int kBadInput = 2;
constexpr int kBackendFailed = 4;

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 a bug of sextant, 2 bad input, 3 no feasible plan, 4 a back end is missing or failed.";

// One line over all ranks: an error that every rank throws is told by the first of them.
int fail(const std::string& message, int exit_code) {
  sextant::tell_error(message);
  return exit_code;
}

int run_command_line(int argc, char** argv) {
  CLI::App app{"Sextant plans the training of Mixture-of-Experts networks from measurements, and trains them.",
               "sextant"};
  app.set_version_flag("--version", "sextant " SEXTANT_VERSION);
  app.require_subcommand(1);
  app.footer(kExitCodes);
  sextant::RunVerb run;
  sextant::add_profile_verb(app, run);
  sextant::add_plan_verb(app, run);
  sextant::add_simulate_verb(app, run);
  sextant::add_train_verb(app, run);
  sextant::add_report_verb(app, run);
  sextant::add_import_verb(app, run);
  sextant::add_import_nccl_verb(app, run);
  sextant::add_validate_verb(app, run);
  sextant::add_experiment_verb(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return sextant::is_speaking_rank() ? app.exit(success) : 0;
  } catch (const CLI::ParseError& error) {
    throw sextant::ConfigError(fmt::format("{} (see sextant --help)", error.what()));
  }
  return run();
}

// An error before the job is up must reach every rank before the launcher sees the first one end.
int run_in_job(int argc, char** argv) {
  try {
    return run_command_line(argc, argv);
  } catch (...) {
    sextant::throw_in_job(std::current_exception());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_in_job(argc, argv);
  } catch (const sextant::ConfigError& error) {
    return fail(error.what(), kBadInput);
  } catch (const sextant::BackendError& error) {
    return fail(error.what(), kBackendFailed);
  } catch (const std::exception& error) {
    return fail(fmt::format("internal error: {}", error.what()), kOurBug);
  }
}
