#include "executor/runtime/cpu/cpu_device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "executor/runtime/cpu/cpu_stream.h"
#include "executor/runtime/cpu/usable_memory.h"
#include "models/error.h"

namespace sextant {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("model name")) continue;
    const std::size_t name = line.find_first_not_of(" \t", line.find(':') + 1);
    if (name != std::string::npos) return line.substr(name);
  }
  return "unknown processor";
}

}  // namespace

CpuDevice::CpuDevice(int ranks_on_machine, std::function<void()> on_abandon)
    : memory_of_machine_(usable_memory()),
      memory_(memory_of_machine_ / ranks_on_machine),
      on_abandon_(std::move(on_abandon)) {}

void* CpuDevice::allocate(std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector register
  // Linux would grant more than there is, and end the process when it touches it.
  if (static_cast<double>(bytes) > memory_of_machine_.value()) {
    throw BackendError(
        fmt::format("allocate: {} bytes, but this machine has {} to give", bytes, to_text(memory_of_machine_)));
  }
  const std::size_t rounded = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) throw BackendError(fmt::format("allocate: {} bytes cannot be had", bytes));
  std::memset(memory, 0, rounded);
  return memory;
}

void CpuDevice::deallocate(void* memory) noexcept {
  std::free(memory);
}

void CpuDevice::copy_to_host(void* host, const void* device, std::size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
}

void CpuDevice::copy_to_device(void* device, const void* host, std::size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
}

std::unique_ptr<Stream> CpuDevice::make_stream(const std::string& name) {
  return std::make_unique<CpuStream>(name, on_abandon_);
}

std::unique_ptr<Event> CpuDevice::make_event() {
  return std::make_unique<CpuEvent>();
}

std::string CpuDevice::description() const {
  return fmt::format("{}, {} cores", processor_name(), std::thread::hardware_concurrency());
}

}  // namespace sextant
