// The verbs of the command line: each file beside this one registers one.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace sextant {

// What the verb that was named on the command line does; returns the exit code. Set while parsing and
// called after it, so that a verb's errors are never mistaken for the parser's.
using RunVerb = std::function<int()>;

void add_profile_verb(CLI::App& app, RunVerb& run);
void add_plan_verb(CLI::App& app, RunVerb& run);
void add_simulate_verb(CLI::App& app, RunVerb& run);
void add_train_verb(CLI::App& app, RunVerb& run);
void add_report_verb(CLI::App& app, RunVerb& run);
void add_import_verb(CLI::App& app, RunVerb& run);
void add_import_nccl_verb(CLI::App& app, RunVerb& run);
void add_validate_verb(CLI::App& app, RunVerb& run);
void add_experiment_verb(CLI::App& app, RunVerb& run);

}  // namespace sextant
