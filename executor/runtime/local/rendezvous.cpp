#include "executor/runtime/local/rendezvous.h"

#include <chrono>

#include <fmt/format.h>

namespace sextant {

std::optional<std::string> Rendezvous::arrive_and_wait(Seconds patience) {
  std::unique_lock lock(mutex_);
  if (failure_) return failure_;
  if (++arrived_ == num_ranks_) {
    arrived_ = 0;
    ++generation_;
    lock.unlock();
    changed_.notify_all();
    return std::nullopt;
  }
  const std::uint64_t generation = generation_;
  const auto over = [&] { return generation_ != generation || failure_.has_value(); };
  const bool in_time = changed_.wait_for(lock, std::chrono::duration<double>(patience.value()), over);
  if (generation_ != generation) return std::nullopt;  // complete, even if it has failed since
  if (!in_time) {
    failure_ = fmt::format("only {} of {} ranks came within {} s", arrived_, num_ranks_, patience.value());
    changed_.notify_all();
  }
  return failure_;
}

void Rendezvous::fail(const std::string& reason) {
  {
    std::scoped_lock lock(mutex_);
    if (!failure_) failure_ = reason;
  }
  changed_.notify_all();
}

}  // namespace sextant
