#include "executor/layers/expert.h"

#include "executor/layers/activation.h"
#include "executor/layers/gemm.h"

namespace sextant {
namespace {

std::size_t hidden_elements(const ExpertShape& shape) {
  return static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(shape.hidden_dim);
}

bool is_gated(const ExpertShape& shape) {
  return shape.kind == ExpertKind::kSwiglu;
}

// hidden [R, H] = x [R, M] w [M, H]
template <typename T>
void expand(const ExpertShape& shape, const T* x, const T* w, T* hidden) {
  gemm<T>({.m = shape.rows, .n = shape.hidden_dim, .k = shape.model_dim}, T(1), {x, shape.model_dim},
          {w, shape.hidden_dim}, T(0), hidden, shape.hidden_dim);
}

// dx [R, M] = dhidden [R, H] w^T, or added to it
template <typename T>
void expand_input_gradient(const ExpertShape& shape, const T* dhidden, const T* w, T beta, T* dx) {
  gemm<T>({.m = shape.rows, .n = shape.model_dim, .k = shape.hidden_dim}, T(1), {dhidden, shape.hidden_dim},
          {w, shape.hidden_dim, Transpose::kYes}, beta, dx, shape.model_dim);
}

// dw [M, H] = x^T dhidden + beta * dw
template <typename T>
void expand_weight_gradient(const ExpertShape& shape, const T* x, const T* dhidden, T beta, T* dw) {
  gemm<T>({.m = shape.model_dim, .n = shape.hidden_dim, .k = shape.rows}, T(1), {x, shape.model_dim, Transpose::kYes},
          {dhidden, shape.hidden_dim}, beta, dw, shape.hidden_dim);
}

}  // namespace

std::size_t expert_workspace_size(const ExpertShape& shape) {
  return hidden_elements(shape);
}

template <typename T>
void expert_forward(const ExpertShape& shape, const ExpertWeights<T>& weights, const T* x, T* y,
                    const ExpertBuffers<T>& buffers) {
  const std::size_t n = hidden_elements(shape);
  expand(shape, x, weights.w1, buffers.saved);
  if (is_gated(shape)) {
    expand(shape, x, weights.w3, buffers.saved_gate);
    silu_gate_forward(n, buffers.saved, buffers.saved_gate, buffers.workspace);
  } else {
    gelu_forward(n, buffers.saved, buffers.workspace);
  }
  gemm<T>({.m = shape.rows, .n = shape.model_dim, .k = shape.hidden_dim}, T(1), {buffers.workspace, shape.hidden_dim},
          {weights.w2, shape.model_dim}, T(0), y, shape.model_dim);
}

template <typename T>
void expert_input_gradient(const ExpertShape& shape, const ExpertWeights<T>& weights, const T* dy, T* dx,
                           const ExpertBuffers<T>& buffers) {
  const std::size_t n = hidden_elements(shape);
  gemm<T>({.m = shape.rows, .n = shape.hidden_dim, .k = shape.model_dim}, T(1), {dy, shape.model_dim},
          {weights.w2, shape.model_dim, Transpose::kYes}, T(0), buffers.workspace, shape.hidden_dim);
  if (is_gated(shape)) {
    silu_gate_backward_in_place(n, buffers.saved, buffers.saved_gate, buffers.workspace);
  } else {
    gelu_backward_in_place(n, buffers.saved, buffers.workspace);
  }
  expand_input_gradient(shape, buffers.saved, weights.w1, T(0), dx);
  if (is_gated(shape)) expand_input_gradient(shape, buffers.saved_gate, weights.w3, T(1), dx);
}

template <typename T>
void expert_weight_gradient(const ExpertShape& shape, const T* x, const T* dy, const ExpertGradients<T>& gradients,
                            const ExpertBuffers<T>& buffers) {
  const T beta = gradients.store == Store::kAdd ? T(1) : T(0);
  expand_weight_gradient(shape, x, buffers.saved, beta, gradients.w1);
  if (is_gated(shape)) expand_weight_gradient(shape, x, buffers.saved_gate, beta, gradients.w3);
  gemm<T>({.m = shape.hidden_dim, .n = shape.model_dim, .k = shape.rows}, T(1),
          {buffers.workspace, shape.hidden_dim, Transpose::kYes}, {dy, shape.model_dim}, beta, gradients.w2,
          shape.model_dim);
}

template <typename T>
void expert_backward(const ExpertShape& shape, const ExpertWeights<T>& weights, const ExpertBackwardData<T>& data,
                     const ExpertGradients<T>& gradients, const ExpertBuffers<T>& buffers) {
  expert_input_gradient(shape, weights, data.dy, data.dx, buffers);
  expert_weight_gradient(shape, data.x, data.dy, gradients, buffers);
}

#define SEXTANT_INSTANTIATE(T)                                                                                         \
  template void expert_forward<T>(const ExpertShape&, const ExpertWeights<T>&, const T*, T*, const ExpertBuffers<T>&); \
  template void expert_input_gradient<T>(const ExpertShape&, const ExpertWeights<T>&, const T*, T*,                    \
                                         const ExpertBuffers<T>&);                                                     \
  template void expert_weight_gradient<T>(const ExpertShape&, const T*, const T*, const ExpertGradients<T>&,           \
                                          const ExpertBuffers<T>&);                                                    \
  template void expert_backward<T>(const ExpertShape&, const ExpertWeights<T>&, const ExpertBackwardData<T>&,          \
                                   const ExpertGradients<T>&, const ExpertBuffers<T>&);
SEXTANT_INSTANTIATE(float)
SEXTANT_INSTANTIATE(double)
#undef SEXTANT_INSTANTIATE

}  // namespace sextant
