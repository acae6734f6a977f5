// Runs the same test on groups of ranks, whatever the back end: the test program links local_ranks.cpp
// (threads) or mpi_ranks.cpp (under mpirun).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "executor/runtime/runtime.h"

namespace sextant::testing {

struct Ranks {
  Device& device;
  Communicator& communicator;  // of the ranks that take part
};

// Runs `body` on `num_ranks` ranks, at most 4. With MPI the others of the job wait.
void on_ranks(int num_ranks, const std::function<void(Ranks&)>& body);
// The same with the whole world, always of 4 ranks, as 2 nodes of 2 devices.
void on_world(const std::function<void(World&)>& body);

// Device memory as a vector.
template <typename T>
class Buffer {
 public:
  Buffer(Device& device, std::size_t size)
      : device_(device), data_(static_cast<T*>(device.allocate(size * sizeof(T)))), size_(size) {}
  Buffer(Device& device, const std::vector<T>& values) : Buffer(device, values.size()) {
    device.copy_to_device(data_, values.data(), values.size() * sizeof(T));
  }
  ~Buffer() { device_.deallocate(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> result(size_);
    device_.copy_to_host(result.data(), data_, size_ * sizeof(T));
    return result;
  }

 private:
  Device& device_;
  T* data_;
  std::size_t size_;
};

}  // namespace sextant::testing
