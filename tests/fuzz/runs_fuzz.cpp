// Tables of published runs: every row is scored with finite numbers or skipped with a reason.
#include "tests/fuzz/fuzz.h"
#include "tools/published/catalogue.h"
#include "tools/published/csv_table.h"
#include "tools/published/scores.h"

namespace sextant::fuzz {
namespace {

void require_scores(const CsvTable& table) {
  static const Catalogue kCatalogue(SEXTANT_SOURCE_DIR "/configs");
  const Scores scores = score(table, kCatalogue);
  SEXTANT_CHECK(scores.runs.size() + scores.skipped.size() == table.rows.size(), "{} + {} of {} rows",
                scores.runs.size(), scores.skipped.size(), table.rows.size());
  for (const ScoredRun& scored : scores.runs) {
    require_time(scored.estimate.total());
    require_time(scored.run.step_time);
    SEXTANT_CHECK(std::isfinite(scored.error()), "error {}", scored.error());
  }
  for (const SkippedRun& skipped : scores.skipped) require_clear(skipped.reason);
  for (const double mean : {scores.mean_abs_error, scores.order.kendall_tau, scores.order.top1_regret,
                            scores.order_within_source.kendall_tau, scores.order_within_source.top1_regret}) {
    SEXTANT_CHECK(std::isfinite(mean), "mean {}", mean);
  }
}

}  // namespace
}  // namespace sextant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sextant;
  const auto table =
      fuzz::answer([&] { return parse_csv(fuzz::text_of(data, size), fuzz::kOrigin, required_run_columns()); });
  if (table) fuzz::require_scores(*table);
  return 0;
}
