#include "executor/runtime/mpi/mpi_wait.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <thread>
#include <utility>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "models/error.h"

namespace sextant {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::nanoseconds;

// A sleep is a fixed fraction of the time waited so far, so that polling adds at most that fraction to
// a collective's time, between bounds: below the first a sleep costs more than it yields, above the
// second nothing is saved. A poll costs a few microseconds of a core, and of the work beside it as much again in what
// that had in the caches: two ranks of a core that poll every 200 us for 70 ms took 0.3 of it, every 500 us 0.2.
constexpr double kSleepFraction = 1.0 / 8.0;
struct SleepRange {
  nanoseconds shortest;
  nanoseconds longest;
};
constexpr SleepRange kInOneNode{nanoseconds(5'000), nanoseconds(200'000)};
constexpr SleepRange kOverNetwork{nanoseconds(20'000), nanoseconds(500'000)};
// After another failure on this rank.
constexpr duration<double> kAbandonedPatience{1.0};

// sched_setattr(2), which the C library of Debian 12 does not declare.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

// Linux 6.12 and later let an ordinary thread that asks for short slices run as soon as its sleep ends, before those
// that compute with long ones. Others take no notice.
void ask_for_short_slices() {
  constexpr std::uint64_t kSlice = 100'000;  // ns, the shortest there is
  SchedulingAttributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0U) != 0 || attributes.policy != SCHED_OTHER)
    return;
  attributes.runtime = kSlice;
  static_cast<void>(syscall(SYS_sched_setattr, 0, &attributes, 0U));
}

// A thread that polls between sleeps wakes up in time for what has come; of a network before work goes on, since
// senders wait for it.
void wake_in_time(const MpiSession& session) {
  thread_local const bool is_done = [&] {
    prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);  // Linux rounds sleeps up by 50 us unless told otherwise
    if (session.has_network()) ask_for_short_slices();
    return true;
  }();
  static_cast<void>(is_done);
}

// Why to wait no longer; "" for going on.
std::string reason_to_give_up(duration<double> waited, const MpiWait& wait) {
  if (waited.count() > wait.patience.value()) {
    return fmt::format("other ranks did not come within {} s", wait.patience.value());
  }
  if (MpiSession::is_asked_to_end()) return "the job is being ended (SIGTERM)";
  const bool is_abandoned = !wait.outlives_failure && wait.session.is_abandoned() && waited > kAbandonedPatience;
  return is_abandoned ? "this rank has failed" : "";
}

void give_up_if_too_long(duration<double> waited, const MpiWait& wait) {
  const std::string reason = reason_to_give_up(waited, wait);
  if (reason.empty()) return;
  wait.session.note_unfinished();
  if (!wait.outlives_failure) wait.session.abandon();  // waits on other streams need not take as long again
  throw BackendError(fmt::format("{}: given up: {}", wait.who(), reason));
}

}  // namespace

void give_up_if_asked(const MpiWait& wait) {
  give_up_if_too_long(duration<double>::zero(), wait);
}

void wait_until(const std::function<bool()>& is_done, const MpiWait& wait) {
  if (is_done()) return;
  wake_in_time(wait.session);
  const SleepRange& range = wait.session.has_network() ? kOverNetwork : kInOneNode;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::duration waited = Clock::now() - begin;
    give_up_if_too_long(waited, wait);
    const auto share = std::chrono::duration_cast<nanoseconds>(waited * kSleepFraction);
    std::this_thread::sleep_for(std::clamp(share, range.shortest, range.longest));
  } while (!is_done());
}

void wait_for(MPI_Request& request, const MpiWait& wait) {
  wait_until(
      [&] {
        int is_done = 0;
        const int code = MPI_Test(&request, &is_done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) {
          wait.session.note_unfinished();
          check_mpi(code, wait.who());
        }
        return is_done != 0;
      },
      wait);
}

void wait_for_call(std::function<int()> call, const MpiWait& wait) {
  std::packaged_task<int()> task(std::move(call));
  std::future<int> code = task.get_future();
  std::thread(std::move(task)).detach();
  wait_until([&] { return code.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }, wait);
  if (const int result = code.get(); result != MPI_SUCCESS) check_mpi(result, wait.who());
}

}  // namespace sextant
