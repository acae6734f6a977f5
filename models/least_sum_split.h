// Of all splits of a network's layers into pipeline stages of which none is slower than a bound, the one whose stages
// take least together.
#pragma once

#include <cstdint>
#include <vector>

#include "models/stage_split.h"
#include "models/units.h"

namespace sextant {

// Dynamic programming over (stage, layers before it). What a stage adds to the least sum is the time of its first n
// layers less that of those before it, so that of the ends that one way allows the best is a minimum over a window,
// both ends of which rise with the stage's begin: a bound costs stages x ways x (layers - stages + 1) steps, not a
// search over ends for each.
class LeastSumSplit {
 public:
  // `problem` must outlive this. REQUIRES: as least_slowest_stage.
  explicit LeastSumSplit(const StageSplitProblem& problem);

  struct Found {
    Seconds sum;      // of the stages; infinite where no split fits
    Seconds slowest;  // stage of one such split
    Seconds next;     // no bound below this, and above the one asked for, has another answer
  };
  Found run(Seconds bound);

  // The split of the last run; of those with the least sum the one whose stages are nearest to the mean of what is
  // left, from the first on. REQUIRES: the last run found a sum.
  [[nodiscard]] StageSplit split();

  // Ends of stages looked at in all runs.
  [[nodiscard]] std::int64_t steps() const { return steps_; }

 private:
  // Stage s begins with layer s + o and ends before layer s + 1 + e for offsets 0 <= o <= e < width.
  struct Choice {
    int end = -1;
    std::size_t way = 0;
  };
  static constexpr int kUnknown = -2;

  // Offsets that a stage can begin with on a way from the first layer to the last, as far as its neighbours tell.
  struct Range {
    int first = 0;
    int last = -1;
  };

  [[nodiscard]] std::size_t at(int stage, int offset) const;
  [[nodiscard]] Range& range(int stage) { return ranges_[static_cast<std::size_t>(stage)]; }
  [[nodiscard]] StageLayers layers(int stage, int offset, int end) const;
  [[nodiscard]] double more_before(std::size_t way, int layer) const;
  [[nodiscard]] double more_after(std::size_t way, int stage, int end) const;
  [[nodiscard]] double more_at(std::size_t way, int stage, int offset) const;
  [[nodiscard]] int room(std::size_t way, int stage, int offset);
  [[nodiscard]] int last_end(int stage, int offset, Seconds bound);
  void keep_next(int stage, int offset, int end);
  bool reach_forwards(Seconds bound);
  bool reach_backwards(Seconds bound);
  void choose_ends(int stage, std::size_t way, Seconds bound);
  [[nodiscard]] Found found() const;
  [[nodiscard]] Choice nearest_to(int wanted, int stage, int offset, double tolerance);

  const StageSplitProblem& p_;
  int width_;                           // layers - stages + 1
  std::vector<std::vector<int>> room_;  // [ways][stages x width] what room() found, kUnknown where it was not asked
  std::vector<Range> ranges_;           // [stages + 1]
  std::vector<double> more_;            // [(stages + 1) x width] s, least sum from a stage on beyond the fastest way's
  std::vector<Choice> choices_;         // [stages x width]
  std::vector<int> window_;             // ends, the best first
  Seconds bound_;                       // of the last run, as the next
  Seconds next_;
  std::int64_t steps_ = 0;
};

}  // namespace sextant
