#include "executor/layers/attention.h"

#include <cmath>

#include "executor/layers/causal_attention.h"
#include "executor/layers/gemm.h"
#include "executor/layers/rms_norm.h"

namespace sextant {
namespace {

std::int64_t num_rows(const AttentionShape& shape) {
  return shape.batch * shape.sequence;
}
std::int64_t query_dim(const AttentionShape& shape) {
  return shape.heads * shape.head_dim;
}
std::int64_t kv_dim(const AttentionShape& shape) {
  return shape.kv_heads * shape.head_dim;
}
// One row of q, k and v side by side.
std::int64_t qkv_dim(const AttentionShape& shape) {
  return query_dim(shape) + 2 * kv_dim(shape);
}

RmsNormShape norm_shape(const AttentionShape& shape) {
  return {.rows = num_rows(shape), .dim = shape.model_dim};
}

// How `saved` is divided.
template <typename T>
struct Saved {
  T* normed;       // [B L, M]
  T* qkv;          // [B L, (h + 2 g) d], q and k turned
  T* context;      // [B L, h d]
  T* inverse_rms;  // [B L]
  T* attention;    // of causal_attention.h

  Saved(const AttentionShape& shape, T* memory)
      : normed(memory),
        qkv(normed + num_rows(shape) * shape.model_dim),
        context(qkv + num_rows(shape) * qkv_dim(shape)),
        inverse_rms(context + num_rows(shape) * query_dim(shape)),
        attention(inverse_rms + num_rows(shape)) {}
};

// How `workspace` is divided.
template <typename T>
struct Workspace {
  T* dqkv;       // [B L, (h + 2 g) d]
  T* dcontext;   // [B L, h d]
  T* attention;  // of causal_attention.h, forward and backward

  Workspace(const AttentionShape& shape, T* memory)
      : dqkv(memory),
        dcontext(dqkv + num_rows(shape) * qkv_dim(shape)),
        attention(dcontext + num_rows(shape) * query_dim(shape)) {}
};

// Turns each pair (x[i], x[i + d/2]) by the angle of the row's position; direction -1 turns back.
template <typename T>
void turn(std::int64_t half, const T* table, T direction, T* x) {
  const T* cosine = table;
  const T* sine = table + half;
#pragma omp simd
  for (std::int64_t i = 0; i < half; ++i) {
    const T a = x[i];
    const T b = x[i + half];
    const T s = direction * sine[i];
    x[i] = a * cosine[i] - b * s;
    x[i + half] = a * s + b * cosine[i];
  }
}

// The queries and keys of all rows.
template <typename T>
void turn_all(const AttentionShape& shape, const T* table, T direction, T* qkv) {
  for (std::int64_t row = 0; row < num_rows(shape); ++row) {
    const T* angles = table + row % shape.sequence * shape.head_dim;
    T* heads = qkv + row * qkv_dim(shape);
    for (std::int64_t head = 0; head < shape.heads + shape.kv_heads; ++head) {
      turn(shape.head_dim / 2, angles, direction, heads + head * shape.head_dim);
    }
  }
}

// One of the three projections: its weight and its columns in a row of qkv.
template <typename T>
struct Projection {
  const T* weight;
  T* gradient;
  std::int64_t column;
  std::int64_t columns;
};

template <typename T, typename Function>
void for_each_projection(const AttentionShape& shape, const AttentionWeights<T>& weights,
                         const AttentionGradients<T>& gradients, const Function& function) {
  const std::int64_t q = query_dim(shape);
  const std::int64_t kv = kv_dim(shape);
  function(Projection<T>{weights.wq, gradients.wq, 0, q});
  function(Projection<T>{weights.wk, gradients.wk, q, kv});
  function(Projection<T>{weights.wv, gradients.wv, q + kv, kv});
}

template <typename T>
void project(const AttentionShape& shape, const AttentionWeights<T>& weights, const Saved<T>& saved) {
  for_each_projection<T>(shape, weights, {}, [&](const Projection<T>& projection) {
    gemm<T>({.m = num_rows(shape), .n = projection.columns, .k = shape.model_dim}, T(1),
            {saved.normed, shape.model_dim}, {projection.weight, projection.columns}, T(0),
            saved.qkv + projection.column, qkv_dim(shape));
  });
}

// dnormed [B L, M] is replaced.
template <typename T>
void project_backward(const AttentionShape& shape, const AttentionWeights<T>& weights,
                      const AttentionGradients<T>& gradients, const T* normed, const T* dqkv, T* dnormed) {
  const std::int64_t width = qkv_dim(shape);
  for_each_projection<T>(shape, weights, gradients, [&](const Projection<T>& projection) {
    gemm<T>({.m = shape.model_dim, .n = projection.columns, .k = num_rows(shape)}, T(1),
            {normed, shape.model_dim, Transpose::kYes}, {dqkv + projection.column, width}, T(1), projection.gradient,
            projection.columns);
    gemm<T>({.m = num_rows(shape), .n = shape.model_dim, .k = projection.columns}, T(1),
            {dqkv + projection.column, width}, {projection.weight, projection.columns, Transpose::kYes},
            projection.column == 0 ? T(0) : T(1), dnormed, shape.model_dim);
  });
}

// dcontext = dy Wo^T,  dWo += context^T dy
template <typename T>
void output_backward(const AttentionShape& shape, const T* wo, T* dwo, const T* dy, const T* context, T* dcontext) {
  gemm<T>({.m = num_rows(shape), .n = query_dim(shape), .k = shape.model_dim}, T(1), {dy, shape.model_dim},
          {wo, shape.model_dim, Transpose::kYes}, T(0), dcontext, query_dim(shape));
  gemm<T>({.m = query_dim(shape), .n = shape.model_dim, .k = num_rows(shape)}, T(1),
          {context, query_dim(shape), Transpose::kYes}, {dy, shape.model_dim}, T(1), dwo, shape.model_dim);
}

}  // namespace

std::size_t rotary_table_size(const AttentionShape& shape) {
  return static_cast<std::size_t>(shape.sequence * shape.head_dim);
}

std::size_t attention_saved_size(const AttentionShape& shape) {
  return static_cast<std::size_t>(num_rows(shape) * (shape.model_dim + qkv_dim(shape) + query_dim(shape) + 1)) +
         causal_attention_saved_size(shape);
}

std::size_t attention_workspace_size(const AttentionShape& shape) {
  return static_cast<std::size_t>(num_rows(shape) * (qkv_dim(shape) + query_dim(shape))) +
         causal_attention_workspace_size(shape);
}

template <typename T>
void fill_rotary_table(const AttentionShape& shape, double theta, T* table) {
  const std::int64_t half = shape.head_dim / 2;
  for (std::int64_t position = 0; position < shape.sequence; ++position) {
    T* row = table + position * shape.head_dim;
    for (std::int64_t i = 0; i < half; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(shape.head_dim);
      const double angle = static_cast<double>(position) * std::pow(theta, exponent);
      row[i] = T(std::cos(angle));
      row[half + i] = T(std::sin(angle));
    }
  }
}

template <typename T>
void attention_forward(const AttentionShape& shape, const AttentionWeights<T>& weights, const T* x, T* y,
                       const AttentionBuffers<T>& buffers) {
  const Saved<T> saved(shape, buffers.saved);
  const Workspace<T> workspace(shape, buffers.workspace);
  rms_norm_forward(norm_shape(shape), x, weights.norm, saved.normed, saved.inverse_rms);
  project(shape, weights, saved);
  turn_all(shape, buffers.rotary, T(1), saved.qkv);
  causal_attention_forward<T>(shape, {saved.qkv, saved.attention, workspace.attention}, saved.context);
  gemm<T>({.m = num_rows(shape), .n = shape.model_dim, .k = query_dim(shape)}, T(1), {saved.context, query_dim(shape)},
          {weights.wo, shape.model_dim}, T(0), y, shape.model_dim);
}

template <typename T>
void attention_backward(const AttentionShape& shape, const AttentionWeights<T>& weights,
                        const AttentionBackwardData<T>& data, const AttentionGradients<T>& gradients,
                        const AttentionBuffers<T>& buffers) {
  const Saved<T> saved(shape, buffers.saved);
  const Workspace<T> workspace(shape, buffers.workspace);
  output_backward(shape, weights.wo, gradients.wo, data.dy, saved.context, workspace.dcontext);
  causal_attention_backward<T>(shape, {saved.qkv, saved.attention, workspace.attention}, workspace.dcontext,
                               workspace.dqkv);
  turn_all(shape, buffers.rotary, T(-1), workspace.dqkv);
  project_backward(shape, weights, gradients, saved.normed, workspace.dqkv, data.dx);
  rms_norm_backward<T>(norm_shape(shape), {.x = data.x, .weight = weights.norm, .inverse_rms = saved.inverse_rms},
                       data.dx, data.dx, Store::kReplace, gradients.norm);
}

#define SEXTANT_INSTANTIATE(T)                                                                        \
  template void fill_rotary_table<T>(const AttentionShape&, double, T*);                              \
  template void attention_forward<T>(const AttentionShape&, const AttentionWeights<T>&, const T*, T*, \
                                     const AttentionBuffers<T>&);                                     \
  template void attention_backward<T>(const AttentionShape&, const AttentionWeights<T>&,              \
                                      const AttentionBackwardData<T>&, const AttentionGradients<T>&,  \
                                      const AttentionBuffers<T>&);
SEXTANT_INSTANTIATE(float)
SEXTANT_INSTANTIATE(double)
#undef SEXTANT_INSTANTIATE

}  // namespace sextant
