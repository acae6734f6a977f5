// The processor as a device: its memory is the host's. Shared by the local and the MPI back end.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "executor/runtime/runtime.h"

namespace sextant {

class CpuDevice : public Device {
 public:
  // `ranks_on_machine` share its memory evenly. `on_abandon`: see CpuStream.
  CpuDevice(int ranks_on_machine, std::function<void()> on_abandon);

  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void deallocate(void* memory) noexcept override;
  void copy_to_host(void* host, const void* device, std::size_t bytes) override;
  void copy_to_device(void* device, const void* host, std::size_t bytes) override;
  [[nodiscard]] std::unique_ptr<Stream> make_stream(const std::string& name) override;
  [[nodiscard]] std::unique_ptr<Event> make_event() override;
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] Bytes memory() const override { return memory_; }

 private:
  Bytes memory_of_machine_;  // usable when the device was made
  Bytes memory_;
  std::function<void()> on_abandon_;
};

}  // namespace sextant
