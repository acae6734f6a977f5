// A bound on the calls by which MPI begins and ends: they block until every rank has come, and nothing else can end
// them.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "models/units.h"

namespace sextant {

// While it lives: when `patience` is over, says "sextant: rank R: CALL: given up: ..." on stderr and ends this process
// with exit code 4, upon which the launcher ends the others. Rank 0 is the first to give up, so that one rank tells.
// A process that is asked to end meanwhile (SIGTERM, as when a rank has died) goes at once and says nothing: the
// launcher names the rank that died.
class MpiDeadline {
 public:
  MpiDeadline(std::string call, int rank, Seconds patience);
  ~MpiDeadline();
  MpiDeadline(const MpiDeadline&) = delete;
  MpiDeadline& operator=(const MpiDeadline&) = delete;

 private:
  void watch();

  std::string call_;
  int rank_;
  Seconds patience_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::thread watcher_;
};

}  // namespace sextant
