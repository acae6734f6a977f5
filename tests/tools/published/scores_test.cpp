#include "tools/published/scores.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

namespace sextant {
namespace {

const Catalogue& shipped() {
  static const Catalogue catalogue(SEXTANT_SOURCE_DIR "/configs");
  return catalogue;
}

CsvRow row(int line, const std::string& pp, const std::string& speed, const std::string& note = "") {
  return {line,
          {{"source", line < 3 ? "first" : "second"},
           {"model", "Llama-3-8B"},
           {"gpu", "H100"},
           {"n_gpus", "64"},
           {"gbs", "256"},
           {"seq", "8192"},
           {"tp", "2"},
           {"pp", pp},
           {"precision", "BF16"},
           {"tokens_per_s_per_gpu", speed},
           {"notes", note}}};
}

// Three layouts of one job, one that ran out of memory and one that has no speed.
CsvTable table() {
  return {"t.csv",
          {},
          {row(2, "1", "9000"), row(3, "2", "8000"), row(4, "4", "7000"), row(5, "8", "", "OOM"), row(6, "1", "")}};
}

TEST(Score, ScoresRowsSourcesAndGroups) {
  const Scores scores = score(table(), shipped());
  ASSERT_EQ(scores.runs.size(), 3U);
  ASSERT_EQ(scores.skipped.size(), 2U);
  EXPECT_EQ(scores.skipped[0].line, 5);
  ASSERT_EQ(scores.sources.size(), 2U);
  EXPECT_EQ(scores.sources[0].name, "first");
  EXPECT_EQ(scores.sources[1].rows, 2);
  ASSERT_EQ(scores.devices.size(), 1U);
  EXPECT_EQ(scores.devices[0].name, "DGX H100, 16-bit products");
  double sum = 0.0;
  for (const ScoredRun& run : scores.runs) sum += std::abs(run.error());
  EXPECT_DOUBLE_EQ(scores.mean_abs_error, sum / 3);
  ASSERT_EQ(scores.groups.size(), 1U);
  EXPECT_EQ(scores.groups[0].rows, 3);
  // Fewer stages are faster here, predicted as measured.
  EXPECT_EQ(scores.groups[0].kendall_tau, 1.0);
  EXPECT_EQ(scores.top1_regret, 0.0);
}

TEST(Score, ATableWithoutRowsHasNoScores) {
  const Scores scores = score({"t.csv", {}, {}}, shipped());
  EXPECT_TRUE(scores.runs.empty());
  EXPECT_EQ(scores.mean_abs_error, 0.0);
}

}  // namespace
}  // namespace sextant
