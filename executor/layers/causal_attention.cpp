#include "executor/layers/causal_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "executor/layers/gemm.h"
#include "executor/layers/softmax.h"

namespace sextant {
namespace {

// Query rows handled at once: a block meets the keys up to its last row only, so that most of the
// part above the diagonal is never computed. A multiple of the rows that the product's kernel takes.
constexpr std::int64_t kBlockRows = 48;

// `rows` query rows from `begin`, each with the keys 0 .. begin + rows - 1 and padding to
// `leading_dim`. The kept probabilities of a head are stored block after block.
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

// What is kept of one head: its probabilities, or per row what they are computed from again.
std::int64_t saved_per_head(const AttentionShape& shape) {
  if (shape.recompute) return 2 * shape.sequence;
  std::int64_t size = 0;
  for_each_block(shape.sequence, [&](const Block& block) { size += block.rows * block.leading_dim; });
  return size;
}

std::int64_t block_size(const AttentionShape& shape) {
  return std::min(kBlockRows, shape.sequence) * round_up_to_lanes(shape.sequence);
}

// One query head of one sample: columns in a row of qkv, and its part of `saved`.
struct Head {
  std::int64_t sample;
  std::int64_t query;
  std::int64_t key;
  std::int64_t value;
  std::int64_t saved;
};

struct Widths {
  std::int64_t qkv;      // of a row of qkv
  std::int64_t context;  // of a row of the context
};

Widths widths(const AttentionShape& shape) {
  return {.qkv = (shape.heads + 2 * shape.kv_heads) * shape.head_dim, .context = shape.heads * shape.head_dim};
}

template <typename Function>
void for_each_head(const AttentionShape& shape, const Function& function) {
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::int64_t per_head = saved_per_head(shape);
  for (std::int64_t sample = 0; sample < shape.batch; ++sample) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const std::int64_t key = (shape.heads + head / group) * shape.head_dim;
      function(Head{.sample = sample,
                    .query = head * shape.head_dim,
                    .key = key,
                    .value = key + shape.kv_heads * shape.head_dim,
                    .saved = (sample * shape.heads + head) * per_head});
    }
  }
}

// Calls function(row, visible, padded, i) for each row of a block: `visible` keys of `padded` elements.
template <typename T, typename Function>
void for_each_row(const Block& block, T* rows, const Function& function) {
  for (std::int64_t i = 0; i < block.rows; ++i) {
    const std::int64_t visible = block.begin + i + 1;
    function(rows + i * block.leading_dim, visible, round_up_to_lanes(visible), block.begin + i);
  }
}

template <typename T>
void hide(T* row, std::int64_t visible, std::int64_t padded) {
  std::fill(row + visible, row + padded, -std::numeric_limits<T>::infinity());
}

// Scores of a block become probabilities; keys after the query's own position get none. Per position
// `statistics` gets the peak and the inverse of the sum: p = exp(score - peak) * inverse_sum.
template <typename T>
void causal_softmax(const Block& block, T* scores, T* statistics) {
  for_each_row(block, scores, [&](T* row, std::int64_t visible, std::int64_t padded, std::int64_t position) {
    hide(row, visible, padded);
    const T peak = maximum(padded, row);
    const T inverse_sum = T(1) / exponentiate(padded, peak, row);
    scale(padded, inverse_sum, row);
    std::fill(row + padded, row + block.leading_dim, T(0));
    if (statistics == nullptr) return;
    statistics[2 * position] = peak;
    statistics[2 * position + 1] = inverse_sum;
  });
}

// The same probabilities from the statistics of the forward.
template <typename T>
void causal_softmax_again(const Block& block, T* scores, const T* statistics) {
  for_each_row(block, scores, [&](T* row, std::int64_t visible, std::int64_t padded, std::int64_t position) {
    const T peak = statistics[2 * position];
    const T inverse_sum = statistics[2 * position + 1];
    hide(row, visible, padded);
#pragma omp simd
    for (std::int64_t j = 0; j < padded; ++j) row[j] = exp_of(row[j] - peak) * inverse_sum;
    std::fill(row + padded, row + block.leading_dim, T(0));
  });
}

// d becomes p * (d - shift)
template <typename T>
void subtract_and_multiply(std::int64_t n, const T* p, T shift, T* d) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) d[i] = p[i] * (d[i] - shift);
}

// Gradients of the probabilities become those of the scores: ds = p * (dp - sum over the keys of p dp).
template <typename T>
void softmax_backward(const Block& block, const T* probabilities, T* dscores) {
  for_each_row(block, dscores, [&](T* d, std::int64_t visible, std::int64_t padded, std::int64_t position) {
    const T* p = probabilities + (position - block.begin) * block.leading_dim;
    std::fill(d + visible, d + padded, T(0));
    subtract_and_multiply(padded, p, dot(padded, p, d), d);
    std::fill(d + padded, d + block.leading_dim, T(0));
  });
}

template <typename T>
T score_scale(const AttentionShape& shape) {
  return T(1.0 / std::sqrt(static_cast<double>(shape.head_dim)));
}

// scores [rows, keys] = q k^T / sqrt(d); `qkv` is the sample's.
template <typename T>
void score(const AttentionShape& shape, const Head& head, const Block& block, const T* qkv, T* scores) {
  const std::int64_t width = widths(shape).qkv;
  gemm<T>({.m = block.rows, .n = block.keys, .k = shape.head_dim}, score_scale<T>(shape),
          {qkv + block.begin * width + head.query, width}, {qkv + head.key, width, Transpose::kYes}, T(0), scores,
          block.leading_dim);
}

template <typename T>
void attend(const AttentionShape& shape, const Head& head, const CausalAttentionBuffers<T>& buffers, T* context) {
  const Widths width = widths(shape);
  const T* qkv = buffers.qkv + head.sample * shape.sequence * width.qkv;
  T* head_context = context + head.sample * shape.sequence * width.context + head.query;
  T* saved = buffers.saved + head.saved;
  for_each_block(shape.sequence, [&](const Block& block) {
    T* probabilities = shape.recompute ? buffers.workspace : saved + block.offset;
    score(shape, head, block, qkv, probabilities);
    causal_softmax(block, probabilities, shape.recompute ? saved : nullptr);
    gemm<T>({.m = block.rows, .n = shape.head_dim, .k = block.keys}, T(1), {probabilities, block.leading_dim},
            {qkv + head.value, width.qkv}, T(0), head_context + block.begin * width.context, width.context);
  });
}

// The probabilities of a block as the forward left them, or computed again into the workspace.
template <typename T>
const T* probabilities_again(const AttentionShape& shape, const Head& head, const Block& block, const T* qkv,
                             const CausalAttentionBuffers<T>& buffers) {
  T* saved = buffers.saved + head.saved;
  if (!shape.recompute) return saved + block.offset;
  T* probabilities = buffers.workspace + block_size(shape);
  score(shape, head, block, qkv, probabilities);
  causal_softmax_again(block, probabilities, saved);
  return probabilities;
}

template <typename T>
void attend_backward(const AttentionShape& shape, const Head& head, const CausalAttentionBuffers<T>& buffers,
                     const T* dcontext, T* dqkv) {
  const Widths width = widths(shape);
  const T* qkv = buffers.qkv + head.sample * shape.sequence * width.qkv;
  T* gradient = dqkv + head.sample * shape.sequence * width.qkv;
  const T* head_dcontext = dcontext + head.sample * shape.sequence * width.context + head.query;
  T* dscores = buffers.workspace;
  for_each_block(shape.sequence, [&](const Block& block) {
    const T* probabilities = probabilities_again(shape, head, block, qkv, buffers);
    const T* block_dcontext = head_dcontext + block.begin * width.context;
    const std::int64_t query = block.begin * width.qkv + head.query;
    gemm<T>({.m = block.rows, .n = block.keys, .k = shape.head_dim}, T(1), {block_dcontext, width.context},
            {qkv + head.value, width.qkv, Transpose::kYes}, T(0), dscores, block.leading_dim);
    softmax_backward(block, probabilities, dscores);
    gemm<T>({.m = block.rows, .n = shape.head_dim, .k = block.keys}, score_scale<T>(shape),
            {dscores, block.leading_dim}, {qkv + head.key, width.qkv}, T(0), gradient + query, width.qkv);
    gemm<T>({.m = block.keys, .n = shape.head_dim, .k = block.rows}, score_scale<T>(shape),
            {dscores, block.leading_dim, Transpose::kYes}, {qkv + query, width.qkv}, T(1), gradient + head.key,
            width.qkv);
    gemm<T>({.m = block.keys, .n = shape.head_dim, .k = block.rows}, T(1),
            {probabilities, block.leading_dim, Transpose::kYes}, {block_dcontext, width.context}, T(1),
            gradient + head.value, width.qkv);
  });
}

// Gradients of keys and values are summed over blocks and over the heads of a group.
template <typename T>
void clear_kv_gradients(const AttentionShape& shape, T* dqkv) {
  const Widths width = widths(shape);
  for (std::int64_t row = 0; row < shape.batch * shape.sequence; ++row) {
    std::fill_n(dqkv + row * width.qkv + width.context, width.qkv - width.context, T(0));
  }
}

}  // namespace

std::size_t causal_attention_saved_size(const AttentionShape& shape) {
  return static_cast<std::size_t>(shape.batch * shape.heads * saved_per_head(shape));
}

std::size_t causal_attention_workspace_size(const AttentionShape& shape) {
  return static_cast<std::size_t>(block_size(shape) * (shape.recompute ? 2 : 1));
}

template <typename T>
void causal_attention_forward(const AttentionShape& shape, const CausalAttentionBuffers<T>& buffers, T* context) {
  for_each_head(shape, [&](const Head& head) { attend(shape, head, buffers, context); });
}

template <typename T>
void causal_attention_backward(const AttentionShape& shape, const CausalAttentionBuffers<T>& buffers, const T* dcontext,
                               T* dqkv) {
  clear_kv_gradients(shape, dqkv);
  for_each_head(shape, [&](const Head& head) { attend_backward(shape, head, buffers, dcontext, dqkv); });
}

template void causal_attention_forward<float>(const AttentionShape&, const CausalAttentionBuffers<float>&, float*);
template void causal_attention_forward<double>(const AttentionShape&, const CausalAttentionBuffers<double>&, double*);
template void causal_attention_backward<float>(const AttentionShape&, const CausalAttentionBuffers<float>&,
                                               const float*, float*);
template void causal_attention_backward<double>(const AttentionShape&, const CausalAttentionBuffers<double>&,
                                                const double*, double*);

}  // namespace sextant
