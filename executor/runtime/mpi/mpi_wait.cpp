#include "executor/runtime/mpi/mpi_wait.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include <sys/prctl.h>

#include "models/error.h"

namespace sextant {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::nanoseconds;

// A sleep is a fixed fraction of the time waited so far, so that polling adds at most that fraction to
// a collective's time, between bounds: below the first a sleep costs more than it yields, above the
// second nothing is saved (a poll costs a few microseconds of a core).
constexpr double kSleepFraction = 1.0 / 8.0;
constexpr nanoseconds kShortestSleep{5'000};
constexpr nanoseconds kLongestSleep{200'000};
// After another failure on this rank.
constexpr duration<double> kAbandonedPatience{1.0};

// Linux rounds sleeps of ordinary threads up by 50 us unless told otherwise.
void use_precise_sleeps() {
  thread_local const int result = prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);
  static_cast<void>(result);
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
  use_precise_sleeps();
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::duration waited = Clock::now() - begin;
    give_up_if_too_long(waited, wait);
    const auto share = std::chrono::duration_cast<nanoseconds>(waited * kSleepFraction);
    std::this_thread::sleep_for(std::clamp(share, kShortestSleep, kLongestSleep));
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
