// The progress line of a training run: rewritten in place on a terminal, else a line now and then.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "executor/trainer.h"
#include "models/units.h"

namespace sextant {

// "step 12/200  loss 2.3456  10234 tokens/s  step time 51.2 ms (predicted 48.0 ms)"
[[nodiscard]] std::string progress_line(const StepRecord& record, std::int64_t num_steps, Seconds predicted);

class TrainProgress {
 public:
  // `is_terminal` decides between one line updated in place and about 20 lines a run.
  TrainProgress(std::FILE* stream, bool is_terminal, std::int64_t num_steps, Seconds predicted);
  void show(const StepRecord& record);

 private:
  std::FILE* stream_;
  bool is_terminal_;
  std::int64_t num_steps_;
  Seconds predicted_;
};

}  // namespace sextant
