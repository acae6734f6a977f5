#include "executor/runtime/cpu/cpu_stream.h"

#include <utility>

#include <pthread.h>

#include "executor/runtime/cpu/denormals.h"
#include "models/error.h"

namespace sextant {

void CpuEvent::State::reach(std::uint64_t record, const std::exception_ptr& stream_error) {
  {
    std::scoped_lock lock(mutex);
    if (record <= last_reached) return;  // a later record on another stream was faster
    last_reached = record;
    time = Clock::now();
    error = stream_error;
  }
  reached.notify_all();
}

std::exception_ptr CpuEvent::State::await(std::uint64_t record) {
  std::unique_lock lock(mutex);
  reached.wait(lock, [&] { return last_reached >= record; });
  return error;
}

void CpuEvent::synchronize() {
  std::uint64_t record = 0;
  {
    std::scoped_lock lock(state_->mutex);
    record = state_->last_issued;
  }
  if (const std::exception_ptr error = state_->await(record)) std::rethrow_exception(error);
}

Seconds CpuEvent::time() const {
  std::scoped_lock lock(state_->mutex);
  SEXTANT_CHECK(state_->last_issued > 0 && state_->last_reached == state_->last_issued,
                "time of an event that has not been reached");
  return Seconds(std::chrono::duration<double>(state_->time.time_since_epoch()).count());
}

CpuStream::CpuStream(const std::string& name, std::function<void()> on_abandon)
    : on_abandon_(std::move(on_abandon)), exceptions_at_birth_(std::uncaught_exceptions()), worker_([this] { run(); }) {
  constexpr std::size_t kLongestThreadName = 15;  // of Linux, without the final zero
  pthread_setname_np(worker_.native_handle(), name.substr(0, kLongestThreadName).c_str());
}

CpuStream::~CpuStream() {
  abandon_if_unwinding();
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  work_arrived_.notify_one();
  worker_.join();
}

// The host has failed, so the collectives in the queue may never be joined by other ranks.
void CpuStream::abandon_if_unwinding() {
  if (std::uncaught_exceptions() <= exceptions_at_birth_ || !on_abandon_) return;
  bool is_idle = false;
  {
    std::scoped_lock lock(mutex_);
    is_idle = queue_.empty() && !busy_;
  }
  if (!is_idle) on_abandon_();
}

void CpuStream::enqueue(std::function<void()> kernel) {
  push([this, kernel = std::move(kernel)] {
    if (error_) return;
    try {
      kernel();
    } catch (...) {
      error_ = std::current_exception();
    }
  });
}

void CpuStream::record(Event& event) {
  auto state = static_cast<CpuEvent&>(event).state_;
  std::uint64_t record = 0;
  {
    std::scoped_lock lock(state->mutex);
    record = ++state->last_issued;
  }
  push([this, state = std::move(state), record] { state->reach(record, error_); });
}

void CpuStream::wait(Event& event) {
  auto state = static_cast<CpuEvent&>(event).state_;
  std::uint64_t record = 0;
  {
    std::scoped_lock lock(state->mutex);
    record = state->last_issued;
  }
  push([this, state = std::move(state), record] {
    if (error_) return;
    error_ = state->await(record);
  });
}

void CpuStream::push(std::function<void()> item) {
  {
    std::scoped_lock lock(mutex_);
    queue_.push_back(std::move(item));
  }
  work_arrived_.notify_one();
}

void CpuStream::synchronize() {
  std::exception_ptr error;
  {
    std::unique_lock lock(mutex_);
    drained_.wait(lock, [&] { return queue_.empty() && !busy_; });
    error = std::exchange(error_, nullptr);
  }
  if (error) std::rethrow_exception(error);
}

void CpuStream::run() {
  flush_denormals();
  std::vector<std::function<void()>> taken;
  std::unique_lock lock(mutex_);
  while (true) {
    work_arrived_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    taken.swap(queue_);
    busy_ = true;
    lock.unlock();
    for (std::function<void()>& item : taken) {
      item();
      item = nullptr;  // frees what the kernel holds before the next one starts
    }
    taken.clear();
    lock.lock();
    busy_ = false;
    if (queue_.empty()) drained_.notify_all();
  }
}

}  // namespace sextant
