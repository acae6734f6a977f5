#include "executor/runtime/mpi/mpi_ending.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <mpi.h>

#include "models/error.h"

namespace sextant {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;

constexpr int kTellTag = 2;  // on MPI_COMM_WORLD: "I have told the user why the job ends"
// Ranks that are asked to end take turns to tell, the lowest first; launchers that ask also make, but leave
// a second or more for it. Higher ranks say nothing: it would take all of the lower ones to have died.
constexpr duration<double> kFirstTurn{0.005};
constexpr duration<double> kTurn{0.05};
constexpr int kMostTellers = 16;
constexpr int kEndedBySignal = 128 + SIGTERM;

int report_to_stderr(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ConfigError& e) {
    fmt::print(stderr, "sextant: {}\n", e.what());
    return 2;
  } catch (const BackendError& e) {
    fmt::print(stderr, "sextant: {}\n", e.what());
    return 4;
  } catch (const std::exception& e) {
    fmt::print(stderr, "sextant: internal error: {}\n", e.what());
    return 1;
  } catch (...) {
    fmt::print(stderr, "sextant: internal error of unknown type\n");
    return 1;
  }
}

// MPI_Abort waits for a launcher that may be out of reach.
void exit_soon(int exit_code) {
  constexpr std::chrono::seconds kLongEnoughToAbort{5};
  std::thread([=] {
    std::this_thread::sleep_for(kLongEnoughToAbort);
    std::_Exit(exit_code);
  }).detach();
}

// Whether another rank has told why the job ends; asks until `patience` is over, at least once.
bool has_another_told(duration<double> patience) {
  const Clock::time_point begin = Clock::now();
  while (true) {
    int is_there = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, kTellTag, MPI_COMM_WORLD, &is_there, MPI_STATUS_IGNORE);
    if (is_there != 0 || Clock::now() - begin >= patience) return is_there != 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void announce_told(const MpiSession& session) {
  for (int other = 0; other < std::min(session.size(), kMostTellers); ++other) {
    if (other == session.rank()) continue;
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Isend(nullptr, 0, MPI_CHAR, other, kTellTag, MPI_COMM_WORLD, &request);
    if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
  }
}

// Tells before all else: a message to a rank that has died can end this process inside of MPI.
[[noreturn]] void tell_and_abort(const MpiSession& session, const LaunchOptions& options,
                                 const std::exception_ptr& error) {
  const int exit_code = options.report_error ? options.report_error(error) : report_to_stderr(error);
  std::fflush(nullptr);  // MPI_Abort does not
  exit_soon(exit_code);
  announce_told(session);
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

[[noreturn]] void wait_to_be_ended() {
  constexpr std::chrono::seconds kLongEnough{10};
  const Clock::time_point begin = Clock::now();
  while (!MpiSession::is_asked_to_end() && Clock::now() - begin < kLongEnough) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::_Exit(kEndedBySignal);
}

}  // namespace

void end_job_alone(const MpiSession& session, const LaunchOptions& options, const std::exception_ptr& error) {
  const bool is_asked = MpiSession::is_asked_to_end();
  if (is_asked && session.rank() >= kMostTellers) wait_to_be_ended();
  if (has_another_told(is_asked ? kFirstTurn + kTurn * session.rank() : duration<double>::zero())) wait_to_be_ended();
  tell_and_abort(session, options, error);
}

void end_job_together(const MpiSession& session, const LaunchOptions& options, const std::exception_ptr& error) {
  if (session.rank() != 0) wait_to_be_ended();
  tell_and_abort(session, options, error);
}

}  // namespace sextant
