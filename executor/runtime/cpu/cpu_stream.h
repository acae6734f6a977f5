// Streams and events of the CPU back ends: one worker thread a stream, condition variables between them.
//
// Nothing here spins: the ranks of one machine usually have more streams than it has cores.
// Errors travel as work does. Once a kernel throws, its stream skips later kernels, events recorded
// from then on carry the error to whoever waits for them, and synchronize() rethrows it and clears it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "executor/runtime/runtime.h"

namespace sextant {

class CpuEvent : public Event {
 public:
  CpuEvent() : state_(std::make_shared<State>()) {}
  void synchronize() override;
  [[nodiscard]] Seconds time() const override;

 private:
  friend class CpuStream;
  using Clock = std::chrono::steady_clock;

  // Shared with the streams' queues, so that an event may go while its records are still under way.
  struct State {
    std::mutex mutex;
    std::condition_variable reached;
    std::uint64_t last_issued = 0;   // number of record() calls
    std::uint64_t last_reached = 0;  // the latest of them that a stream has come to
    Clock::time_point time;
    std::exception_ptr error;

    void reach(std::uint64_t record, const std::exception_ptr& stream_error);
    [[nodiscard]] std::exception_ptr await(std::uint64_t record);
  };
  std::shared_ptr<State> state_;
};

class CpuStream : public Stream {
 public:
  // `on_abandon` is called when the stream is destroyed by an exception while work is still queued:
  // it must release whatever that work may be waiting for, since the destructor joins the thread.
  CpuStream(const std::string& name, std::function<void()> on_abandon);
  ~CpuStream() override;  // finishes what was issued
  CpuStream(const CpuStream&) = delete;
  CpuStream& operator=(const CpuStream&) = delete;

  void enqueue(std::function<void()> kernel) override;
  void record(Event& event) override;
  void wait(Event& event) override;
  void synchronize() override;

 private:
  void push(std::function<void()> item);
  void run();
  void abandon_if_unwinding();

  std::function<void()> on_abandon_;
  int exceptions_at_birth_;
  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable drained_;
  std::vector<std::function<void()>> queue_;  // issued, not yet taken by the worker
  bool busy_ = false;                         // the worker is running what it took
  bool stopping_ = false;
  std::exception_ptr error_;  // the worker's; others touch it only under mutex_ while !busy_
  std::thread worker_;
};

}  // namespace sextant
