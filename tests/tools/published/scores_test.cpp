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
  ASSERT_EQ(scores.order.groups.size(), 1U);
  EXPECT_EQ(scores.order.groups[0].rows, 3);
  // Fewer stages are faster here, predicted as measured.
  EXPECT_EQ(scores.order.groups[0].kendall_tau, 1.0);
  EXPECT_EQ(scores.order.top1_regret, 0.0);
}

TEST(Score, RowsOfSeveralSourcesAreAlsoOrderedWithinEach) {
  // Four stages are faster than two only by a later release; within each release fewer are faster, as predicted.
  CsvTable mixed{"t.csv", {}, {row(2, "2", "8000"), row(3, "4", "7000"), row(4, "4", "9000"), row(5, "8", "8500")}};
  for (CsvRow& r : mixed.rows) r.cells["source"] = r.line <= 3 ? "release 1" : "release 2";
  const Scores scores = score(mixed, shipped());
  ASSERT_EQ(scores.order.groups.size(), 1U);
  EXPECT_LT(scores.order.kendall_tau, 0.5);
  EXPECT_GT(scores.order.top1_regret, 0.1);  // 9000 / 8000 - 1
  ASSERT_EQ(scores.order_within_source.groups.size(), 2U);
  EXPECT_EQ(scores.order_within_source.kendall_tau, 1.0);
  EXPECT_EQ(scores.order_within_source.top1_regret, 0.0);
}

TEST(Score, MemoryIsHeldAgainstWhatTheRowsSay) {
  // Llama-3 8B on 8 devices, 8 samples of 8192 tokens each: runs with everything computed again.
  const auto memory_row = [](const std::string& batch, const std::string& note) {
    CsvRow r = row(9, "1", "9000", note);
    r.cells["n_gpus"] = "8";
    r.cells["mbs"] = batch;
    return r;
  };
  const CsvTable table{"t.csv",
                       {},
                       {memory_row("1", "peak alloc 60.0 GiB"), memory_row("64", ""), memory_row("64", "OOM"),
                        memory_row("1", "OOM"), memory_row("8", "selective AC")}};
  const Scores scores = score(table, shipped());
  ASSERT_EQ(scores.peaks.size(), 1U);
  EXPECT_EQ(scores.peaks[0].run.peak_memory->bytes, parse_bytes("60 GiB"));
  EXPECT_DOUBLE_EQ(scores.peaks[0].error(), allocated(scores.peaks[0].memory) / parse_bytes("60 GiB") - 1.0);
  EXPECT_EQ(scores.wrongly_refused.size(), 2U);  // 64 samples, however much is computed again; 8, with what is said
  EXPECT_EQ(scores.wrongly_taken.size(), 1U);    // one sample, which fits
}

TEST(Score, ATableWithoutRowsHasNoScores) {
  const Scores scores = score({"t.csv", {}, {}}, shipped());
  EXPECT_TRUE(scores.runs.empty());
  EXPECT_EQ(scores.mean_abs_error, 0.0);
}

}  // namespace
}  // namespace sextant
