#include "executor/layers/head.h"

#include <cmath>

#include "executor/layers/gemm.h"
#include "executor/layers/rms_norm.h"
#include "executor/layers/softmax.h"

namespace sextant {
namespace {

// How `saved` is divided.
template <typename T>
struct Saved {
  T* dlogits;      // [R, V]
  T* normed;       // [R, M]
  T* inverse_rms;  // [R]

  Saved(const HeadShape& shape, T* memory)
      : dlogits(memory),
        normed(dlogits + shape.rows * shape.vocabulary),
        inverse_rms(normed + shape.rows * shape.model_dim) {}
};

RmsNormShape norm_shape(const HeadShape& shape) {
  return {.rows = shape.rows, .dim = shape.model_dim};
}

}  // namespace

std::size_t head_saved_size(const HeadShape& shape) {
  return static_cast<std::size_t>(shape.rows * (shape.vocabulary + shape.model_dim + 1));
}

template <typename T>
double cross_entropy_in_place(std::int64_t vocabulary, std::span<const std::int32_t> targets, double loss_scale,
                              T* logits) {
  double loss = 0.0;
  T* row = logits;
  for (const std::int32_t target : targets) {
    const T peak = maximum(vocabulary, row);
    const double above_target = static_cast<double>(peak) - static_cast<double>(row[target]);
    const T sum = exponentiate(vocabulary, peak, row);
    loss += std::log(static_cast<double>(sum)) + above_target;
    scale(vocabulary, T(loss_scale) / sum, row);
    row[target] -= T(loss_scale);
    row += vocabulary;
  }
  return loss;
}

template <typename T>
double head_forward(const HeadShape& shape, const HeadWeights<T>& weights, const T* x,
                    std::span<const std::int32_t> targets, double loss_scale, T* saved) {
  const Saved<T> memory(shape, saved);
  rms_norm_forward(norm_shape(shape), x, weights.norm, memory.normed, memory.inverse_rms);
  gemm<T>({.m = shape.rows, .n = shape.vocabulary, .k = shape.model_dim}, T(1), {memory.normed, shape.model_dim},
          {weights.out, shape.vocabulary}, T(0), memory.dlogits, shape.vocabulary);
  return cross_entropy_in_place(shape.vocabulary, targets, loss_scale, memory.dlogits);
}

template <typename T>
void head_backward(const HeadShape& shape, const HeadWeights<T>& weights, const T* x, T* dx,
                   const HeadGradients<T>& gradients, T* saved) {
  const Saved<T> memory(shape, saved);
  gemm<T>({.m = shape.model_dim, .n = shape.vocabulary, .k = shape.rows}, T(1),
          {memory.normed, shape.model_dim, Transpose::kYes}, {memory.dlogits, shape.vocabulary}, T(1), gradients.out,
          shape.vocabulary);
  gemm<T>({.m = shape.rows, .n = shape.model_dim, .k = shape.vocabulary}, T(1), {memory.dlogits, shape.vocabulary},
          {weights.out, shape.vocabulary, Transpose::kYes}, T(0), dx, shape.model_dim);
  rms_norm_backward<T>(norm_shape(shape), {.x = x, .weight = weights.norm, .inverse_rms = memory.inverse_rms}, dx, dx,
                       Store::kReplace, gradients.norm);
}

#define SEXTANT_INSTANTIATE(T)                                                                                      \
  template double cross_entropy_in_place<T>(std::int64_t, std::span<const std::int32_t>, double, T*);               \
  template double head_forward<T>(const HeadShape&, const HeadWeights<T>&, const T*, std::span<const std::int32_t>, \
                                  double, T*);                                                                      \
  template void head_backward<T>(const HeadShape&, const HeadWeights<T>&, const T*, T*, const HeadGradients<T>&, T*);
SEXTANT_INSTANTIATE(float)
SEXTANT_INSTANTIATE(double)
#undef SEXTANT_INSTANTIATE

}  // namespace sextant
