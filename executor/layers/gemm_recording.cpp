#include "executor/layers/gemm_recording.h"

#include <atomic>

#include "models/error.h"

namespace sextant {
namespace {

std::atomic<GemmRecording*> active_recording = nullptr;

}  // namespace

GemmRecording::GemmRecording() {
  GemmRecording* none = nullptr;
  SEXTANT_CHECK(active_recording.compare_exchange_strong(none, this), "products are being recorded already");
}

GemmRecording::~GemmRecording() {
  stop();
}

void GemmRecording::stop() {
  GemmRecording* self = this;
  active_recording.compare_exchange_strong(self, nullptr);
}

GemmRecording* GemmRecording::active() {
  return active_recording.load(std::memory_order_acquire);
}

void GemmRecording::add(std::function<void()> product, double flops) {
  const std::lock_guard lock(mutex_);
  products_.push_back(std::move(product));
  flops_ += flops;
}

void GemmRecording::replay() const {
  std::vector<std::function<void()>> products;
  {
    const std::lock_guard lock(mutex_);
    products = products_;
  }
  for (const auto& product : products) product();
}

std::size_t GemmRecording::num_products() const {
  const std::lock_guard lock(mutex_);
  return products_.size();
}

double GemmRecording::flops() const {
  const std::lock_guard lock(mutex_);
  return flops_;
}

}  // namespace sextant
