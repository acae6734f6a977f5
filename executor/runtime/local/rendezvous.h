// Where the threads of a group meet: a reusable barrier that can fail.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "models/units.h"

namespace sextant {

class Rendezvous {
 public:
  explicit Rendezvous(int num_ranks) : num_ranks_(num_ranks) {}

  // Blocks until all ranks of the group have arrived. Returns the reason when the rendezvous has
  // failed, or fails it when the others stay away for longer than `patience`.
  [[nodiscard]] std::optional<std::string> arrive_and_wait(Seconds patience);

  // Releases everyone who waits here, now and later. The first reason stays.
  void fail(const std::string& reason);

 private:
  const int num_ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  std::uint64_t generation_ = 0;  // completed meetings
  std::optional<std::string> failure_;
};

}  // namespace sextant
