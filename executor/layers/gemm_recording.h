// Records the products that layers call, so that a benchmark can time them without the layers.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace sextant {

// Records every product of every thread until stop(); at most one records at a time. A product costs
// one atomic load where nothing is recorded.
class GemmRecording {
 public:
  GemmRecording();
  ~GemmRecording();
  GemmRecording(const GemmRecording&) = delete;
  GemmRecording& operator=(const GemmRecording&) = delete;

  void stop();
  // Repeats the products recorded so far, in the order in which they began, on the operands they had:
  // results that were added to their matrix are added again.
  void replay() const;
  [[nodiscard]] std::size_t num_products() const;
  [[nodiscard]] double flops() const;  // 2 m n k each

  // For gemm() alone.
  static GemmRecording* active();
  void add(std::function<void()> product, double flops);

 private:
  mutable std::mutex mutex_;
  std::vector<std::function<void()>> products_;
  double flops_ = 0.0;
};

}  // namespace sextant
