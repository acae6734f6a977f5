// Training setups found for a machine known by reference, as a table for people and as JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "planner/setup_explanation.h"
#include "planner/setup_search.h"

namespace sextant {

// A heading and three lines a setup: layout, micro-batch, methods, predicted time, memory, rates; then what costs most
// or, for all but the first, the term that makes it slower than the first; then the grid of ranks and its links.
[[nodiscard]] std::string setup_table(const SetupRequest& request, const Cluster& cluster, const SetupResult& result);
// "1234 setups, 200 priced, 1034 pruned (bound 1.2 s), 3 do not fit, 12 ms"
[[nodiscard]] std::string setup_summary(const SetupSearchSummary& summary);
// What holds for all setups of the table: what binds, the balance assumed, and every default inherited, those of
// the command line, `inherited`, first. Searches again to learn what binds. REQUIRES: a setup was found.
[[nodiscard]] std::string setup_assumptions(const SetupRequest& request, const Cluster& cluster,
                                            const SetupResult& result,
                                            const std::vector<InheritedDefault>& inherited = {});
// One JSON object: the fastest setup, how the search went, the next ones as `alternatives`.
[[nodiscard]] std::string setup_result_json(const SetupRequest& request, const Cluster& cluster,
                                            const SetupResult& result,
                                            const std::vector<InheritedDefault>& inherited = {});
// Why nothing was found: what the nearest miss lacks, or that nothing divides.
[[nodiscard]] std::string infeasible_setups_text(const SetupRequest& request, const Cluster& cluster,
                                                 const SetupResult& result);

}  // namespace sextant
