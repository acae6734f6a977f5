#include "executor/layers/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "executor/layers/gemm.h"
#include "executor/layers/rms_norm.h"
#include "executor/layers/softmax.h"

namespace sextant {
namespace {

// Query rows handled at once: a block meets the keys up to its last row only, so that most of the
// part above the diagonal is never computed.
constexpr std::int64_t kBlockRows = 64;

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

// The probabilities of one head are stored block after block: `rows` query rows from `begin`, each
// with the keys 0 .. begin + rows - 1 and padding to `leading_dim`.
struct Block {
  std::int64_t begin;
  std::int64_t rows;
  std::int64_t keys;
  std::int64_t leading_dim;
  std::int64_t offset;  // of the block within the head's probabilities
};

template <typename Function>
void for_each_block(std::int64_t sequence, const Function& function) {
  std::int64_t offset = 0;
  for (std::int64_t begin = 0; begin < sequence; begin += kBlockRows) {
    const std::int64_t rows = std::min(kBlockRows, sequence - begin);
    const std::int64_t leading_dim = round_up_to_lanes(begin + rows);
    function(Block{.begin = begin, .rows = rows, .keys = begin + rows, .leading_dim = leading_dim, .offset = offset});
    offset += rows * leading_dim;
  }
}

std::int64_t probabilities_per_head(std::int64_t sequence) {
  std::int64_t size = 0;
  for_each_block(sequence, [&](const Block& block) { size = block.offset + block.rows * block.leading_dim; });
  return size;
}

// How `saved` is divided.
template <typename T>
struct Saved {
  T* normed;         // [B L, M]
  T* qkv;            // [B L, (h + 2 g) d], q and k turned
  T* context;        // [B L, h d]
  T* inverse_rms;    // [B L]
  T* probabilities;  // [B, h, probabilities_per_head]

  Saved(const AttentionShape& shape, T* memory)
      : normed(memory),
        qkv(normed + num_rows(shape) * shape.model_dim),
        context(qkv + num_rows(shape) * qkv_dim(shape)),
        inverse_rms(context + num_rows(shape) * query_dim(shape)),
        probabilities(inverse_rms + num_rows(shape)) {}
};

// How the backward divides `workspace`.
template <typename T>
struct Workspace {
  T* dqkv;      // [B L, (h + 2 g) d]
  T* dcontext;  // [B L, h d]
  T* dscores;   // [kBlockRows, L, padded]

  Workspace(const AttentionShape& shape, T* memory)
      : dqkv(memory),
        dcontext(dqkv + num_rows(shape) * qkv_dim(shape)),
        dscores(dcontext + num_rows(shape) * query_dim(shape)) {}
};

// One query head of one sample: where its rows start in the buffers of row length qkv_dim.
struct Head {
  std::int64_t sample;
  std::int64_t query;          // column of the head's queries
  std::int64_t key;            // column of its keys
  std::int64_t value;          // column of its values
  std::int64_t probabilities;  // offset of the head's probabilities
};

template <typename Function>
void for_each_head(const AttentionShape& shape, const Function& function) {
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::int64_t per_head = probabilities_per_head(shape.sequence);
  for (std::int64_t sample = 0; sample < shape.batch; ++sample) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const std::int64_t key = query_dim(shape) + head / group * shape.head_dim;
      function(Head{.sample = sample,
                    .query = head * shape.head_dim,
                    .key = key,
                    .value = key + kv_dim(shape),
                    .probabilities = (sample * shape.heads + head) * per_head});
    }
  }
}

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

// Scores of a block become probabilities; keys after the query's own position get none.
template <typename T>
void causal_softmax(const Block& block, T* scores) {
  for (std::int64_t i = 0; i < block.rows; ++i) {
    T* row = scores + i * block.leading_dim;
    const std::int64_t visible = block.begin + i + 1;
    const std::int64_t padded = round_up_to_lanes(visible);
    std::fill(row + visible, row + padded, -std::numeric_limits<T>::infinity());
    softmax_in_place(padded, row);
    std::fill(row + padded, row + block.leading_dim, T(0));
  }
}

template <typename T>
T score_scale(const AttentionShape& shape) {
  return T(1.0 / std::sqrt(static_cast<double>(shape.head_dim)));
}

template <typename T>
void attend(const AttentionShape& shape, const Head& head, const Saved<T>& saved) {
  const std::int64_t width = qkv_dim(shape);
  const T* qkv = saved.qkv + head.sample * shape.sequence * width;
  T* context = saved.context + head.sample * shape.sequence * query_dim(shape) + head.query;
  for_each_block(shape.sequence, [&](const Block& block) {
    T* probabilities = saved.probabilities + head.probabilities + block.offset;
    gemm<T>({.m = block.rows, .n = block.keys, .k = shape.head_dim}, score_scale<T>(shape),
            {qkv + block.begin * width + head.query, width}, {qkv + head.key, width, Transpose::kYes}, T(0),
            probabilities, block.leading_dim);
    causal_softmax(block, probabilities);
    gemm<T>({.m = block.rows, .n = shape.head_dim, .k = block.keys}, T(1), {probabilities, block.leading_dim},
            {qkv + head.value, width}, T(0), context + block.begin * query_dim(shape), query_dim(shape));
  });
}

// d becomes p * (d - shift)
template <typename T>
void subtract_and_multiply(std::int64_t n, const T* p, T shift, T* d) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) d[i] = p[i] * (d[i] - shift);
}

// dscores [rows, keys]: gradients of the probabilities become those of the scores before scaling:
//   ds = p * (dp - sum over the keys of p dp)
template <typename T>
void softmax_backward(const Block& block, const T* probabilities, T* dscores) {
  for (std::int64_t i = 0; i < block.rows; ++i) {
    const T* p = probabilities + i * block.leading_dim;
    T* d = dscores + i * block.leading_dim;
    const std::int64_t visible = block.begin + i + 1;
    const std::int64_t padded = round_up_to_lanes(visible);
    std::fill(d + visible, d + padded, T(0));
    subtract_and_multiply(padded, p, dot(padded, p, d), d);
    std::fill(d + padded, d + block.leading_dim, T(0));
  }
}

template <typename T>
void attend_backward(const AttentionShape& shape, const Head& head, const Saved<T>& saved,
                     const Workspace<T>& workspace) {
  const std::int64_t width = qkv_dim(shape);
  const std::int64_t context_width = query_dim(shape);
  const T* qkv = saved.qkv + head.sample * shape.sequence * width;
  T* dqkv = workspace.dqkv + head.sample * shape.sequence * width;
  const T* dcontext = workspace.dcontext + head.sample * shape.sequence * context_width + head.query;
  for_each_block(shape.sequence, [&](const Block& block) {
    const T* probabilities = saved.probabilities + head.probabilities + block.offset;
    const T* dcontext_rows = dcontext + block.begin * context_width;
    gemm<T>({.m = block.rows, .n = block.keys, .k = shape.head_dim}, T(1), {dcontext_rows, context_width},
            {qkv + head.value, width, Transpose::kYes}, T(0), workspace.dscores, block.leading_dim);
    softmax_backward(block, probabilities, workspace.dscores);
    gemm<T>({.m = block.rows, .n = shape.head_dim, .k = block.keys}, score_scale<T>(shape),
            {workspace.dscores, block.leading_dim}, {qkv + head.key, width}, T(0),
            dqkv + block.begin * width + head.query, width);
    gemm<T>({.m = block.keys, .n = shape.head_dim, .k = block.rows}, score_scale<T>(shape),
            {workspace.dscores, block.leading_dim, Transpose::kYes}, {qkv + block.begin * width + head.query, width},
            T(1), dqkv + head.key, width);
    gemm<T>({.m = block.keys, .n = shape.head_dim, .k = block.rows}, T(1),
            {probabilities, block.leading_dim, Transpose::kYes}, {dcontext_rows, context_width}, T(1),
            dqkv + head.value, width);
  });
}

// Gradients of keys and values are summed over blocks and over the heads of a group.
template <typename T>
void clear_kv_gradients(const AttentionShape& shape, T* dqkv) {
  for (std::int64_t row = 0; row < num_rows(shape); ++row) {
    std::fill_n(dqkv + row * qkv_dim(shape) + query_dim(shape), 2 * kv_dim(shape), T(0));
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
  return static_cast<std::size_t>(num_rows(shape) * (shape.model_dim + qkv_dim(shape) + query_dim(shape) + 1) +
                                  shape.batch * shape.heads * probabilities_per_head(shape.sequence));
}

std::size_t attention_workspace_size(const AttentionShape& shape) {
  return static_cast<std::size_t>(num_rows(shape) * (qkv_dim(shape) + query_dim(shape)) +
                                  std::min(kBlockRows, shape.sequence) * round_up_to_lanes(shape.sequence));
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
  rms_norm_forward(norm_shape(shape), x, weights.norm, saved.normed, saved.inverse_rms);
  project(shape, weights, saved);
  turn_all(shape, buffers.rotary, T(1), saved.qkv);
  for_each_head(shape, [&](const Head& head) { attend(shape, head, saved); });
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
  clear_kv_gradients(shape, workspace.dqkv);
  for_each_head(shape, [&](const Head& head) { attend_backward(shape, head, saved, workspace); });
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
