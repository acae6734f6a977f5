#include "executor/runtime/mpi/mpi_deadline.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "executor/runtime/mpi/mpi_session.h"

namespace sextant {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;

constexpr int kBackendFailed = 4;
constexpr int kEndedBySignal = 128 + SIGTERM;
// By which rank 0 is ahead of the others, so that the launcher has ended them before they tell too.
constexpr duration<double> kAheadOfOthers{3.0};

}  // namespace

MpiDeadline::MpiDeadline(std::string call, int rank, Seconds patience)
    : call_(std::move(call)), rank_(rank), patience_(patience), watcher_([this] { watch(); }) {}

MpiDeadline::~MpiDeadline() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

void MpiDeadline::watch() {
  const duration<double> patience = duration<double>(patience_.value()) + (rank_ == 0 ? 0.0 : 1.0) * kAheadOfOthers;
  const Clock::time_point begin = Clock::now();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return is_over_; })) {
    if (MpiSession::is_asked_to_end()) std::_Exit(kEndedBySignal);
    if (Clock::now() - begin < patience) continue;
    fmt::print(stderr, "sextant: rank {}: {}: given up: other ranks did not come within {} s\n", rank_, call_,
               patience_.value());
    std::fflush(nullptr);
    std::_Exit(kBackendFailed);
  }
}

}  // namespace sextant
