// Device memory of a fixed number of elements, zeroed, released with its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "executor/runtime/runtime.h"

namespace sextant {

template <typename T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Device& device, std::int64_t count)
      : device_(&device),
        data_(count == 0 ? nullptr : static_cast<T*>(device.allocate(static_cast<std::size_t>(count) * sizeof(T)))),
        size_(static_cast<std::size_t>(count)) {}
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() {
    if (data_ != nullptr) device_->deallocate(data_);
  }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<T> span() const { return {data_, size_}; }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  Device* device_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sextant
