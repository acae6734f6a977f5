#include "tools/train_progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace sextant {

std::string progress_line(const StepRecord& record, std::int64_t num_steps, Seconds predicted) {
  return fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s  step time {} (predicted {})", record.step, num_steps,
                     record.result.loss, record.tokens_per_s, to_text(record.step_time), to_text(predicted));
}

TrainProgress::TrainProgress(std::FILE* stream, bool is_terminal, std::int64_t num_steps, Seconds predicted)
    : stream_(stream), is_terminal_(is_terminal), num_steps_(num_steps), predicted_(predicted) {}

void TrainProgress::show(const StepRecord& record) {
  const bool is_last = record.step == num_steps_;
  const std::string line = progress_line(record, num_steps_, predicted_);
  if (is_terminal_) {
    fmt::print(stream_, "\r{}\033[K{}", line, is_last ? "\n" : "");  // ESC [K clears what a longer line left
  } else {
    const std::int64_t interval = std::max<std::int64_t>(1, num_steps_ / 20);
    if (record.step % interval != 0 && record.step != 1 && !is_last) return;
    fmt::print(stream_, "{}\n", line);
  }
  std::fflush(stream_);
}

}  // namespace sextant
