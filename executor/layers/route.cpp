#include "executor/layers/route.h"

#include <algorithm>
#include <cstddef>

#include "executor/layers/gemm.h"
#include "executor/layers/vector_math.h"
#include "models/error.h"
#include "planner/task_graph.h"

namespace sextant {
namespace {

constexpr std::int32_t kDropped = -1;

// Indices of the k largest of `logits`, largest first; equal ones by index. k is small.
template <typename T>
void choose_largest(std::span<const T> logits, std::span<std::int32_t> chosen) {
  for (std::size_t j = 0; j < chosen.size(); ++j) {
    std::int32_t best = -1;
    for (std::int32_t e = 0; e < static_cast<std::int32_t>(logits.size()); ++e) {
      const bool taken = std::find(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(j), e) !=
                         chosen.begin() + static_cast<std::ptrdiff_t>(j);
      if (!taken && (best < 0 || logits[static_cast<std::size_t>(e)] > logits[static_cast<std::size_t>(best)]))
        best = e;
    }
    chosen[j] = best;
  }
}

// values become exp(value - maximum) / sum.
template <typename T>
void softmax_in_place(std::span<T> values, T maximum) {
  T sum = 0;
  for (T& value : values) sum += value = exp_of(value - maximum);
  const T scale = T(1) / sum;
  for (T& value : values) value *= scale;
}

template <typename T>
void add_scaled(std::int64_t n, T scale, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

// Calls visit(token, choice index in [S, k], row) for every choice that was not dropped.
template <typename T, typename Visit>
void for_each_row(const RowMap<T>& map, const Visit& visit) {
  for (std::int64_t s = 0; s < map.shape.tokens; ++s) {
    const int source = map.source.empty() ? 0 : map.source[static_cast<std::size_t>(s)];
    for (std::int64_t i = s * map.shape.top_k; i < (s + 1) * map.shape.top_k; ++i) {
      const std::int32_t loc = map.routing.loc[i];
      if (loc != kDropped) visit(s, i, map.layout.row(map.routing.expert[i], loc, source));
    }
  }
}

template <typename T>
void clear_unused_rows(const RowMap<T>& map, T* rows) {
  for (int e = 0; e < map.shape.experts; ++e) {
    for (int n = 0; n < map.shape.sources; ++n) {
      for (std::int64_t loc = map.routing.filled[e * map.shape.sources + n]; loc < map.shape.capacity; ++loc) {
        std::fill_n(rows + map.layout.row(e, loc, n) * map.shape.model_dim, map.shape.model_dim, T(0));
      }
    }
  }
}

// d logits of one token from the gradients of the weights of its choices: softmax over the chosen.
template <typename T>
void add_choice_gradient(std::span<const std::int32_t> expert, const T* weight, const T* dweight, T* dlogits) {
  T mean = 0;
  for (std::size_t j = 0; j < expert.size(); ++j) mean += weight[j] * dweight[j];
  for (std::size_t j = 0; j < expert.size(); ++j) dlogits[expert[j]] += weight[j] * (dweight[j] - mean);
}

// d logits of one token from the gradients of its probabilities: softmax over all experts.
template <typename T>
void set_probability_gradient(std::span<const double> dprobability, const T* probability, T* dlogits) {
  double mean = 0;
  for (std::size_t e = 0; e < dprobability.size(); ++e) mean += static_cast<double>(probability[e]) * dprobability[e];
  for (std::size_t e = 0; e < dprobability.size(); ++e) {
    dlogits[e] = static_cast<T>(static_cast<double>(probability[e]) * (dprobability[e] - mean));
  }
}

}  // namespace

OrderLayout::OrderLayout(const RouteShape& shape, int num_chunks)
    : slots_(static_cast<std::size_t>(shape.capacity)),
      num_rows_(shape.experts * shape.capacity * shape.sources),
      num_chunks_(num_chunks) {
  for (int chunk = 0; chunk < num_chunks; ++chunk) {
    const ChunkRange range = chunk_range(shape.capacity, chunk, num_chunks);
    for (std::int64_t loc = range.begin; loc < range.end; ++loc) {
      slots_[static_cast<std::size_t>(loc)] = {
          .first_row = (range.begin * shape.experts + loc - range.begin) * shape.sources,
          .expert_stride = range.rows() * shape.sources};
    }
  }
}

template <typename T>
void gate_forward(const RouteShape& shape, const T* x, const T* wg, const Routing<T>& routing) {
  const std::size_t experts = static_cast<std::size_t>(shape.experts);
  const std::size_t top_k = static_cast<std::size_t>(shape.top_k);
  gemm<T>({.m = shape.tokens, .n = shape.experts, .k = shape.model_dim}, T(1), {x, shape.model_dim},
          {wg, shape.experts}, T(0), routing.probability, shape.experts);
  for (std::int64_t s = 0; s < shape.tokens; ++s) {
    const std::span<T> logits(routing.probability + s * shape.experts, experts);
    const std::span<std::int32_t> chosen(routing.expert + s * shape.top_k, top_k);
    const std::span<T> weights(routing.weight + s * shape.top_k, top_k);
    choose_largest<T>(logits, chosen);
    for (std::size_t j = 0; j < top_k; ++j) weights[j] = logits[static_cast<std::size_t>(chosen[j])];
    const T maximum = weights[0];
    softmax_in_place(weights, maximum);
    softmax_in_place(logits, maximum);
  }
}

template <typename T>
std::int64_t assign_rows(const RouteShape& shape, std::span<const std::int32_t> source, const Routing<T>& routing) {
  SEXTANT_CHECK(source.empty() ? shape.sources == 1 : static_cast<std::int64_t>(source.size()) == shape.tokens,
                "{} sources, {} of {} tokens have one", shape.sources, source.size(), shape.tokens);
  std::fill_n(routing.filled, shape.experts * shape.sources, 0);
  std::int64_t dropped = 0;
  for (int j = 0; j < shape.top_k; ++j) {
    for (std::int64_t s = 0; s < shape.tokens; ++s) {
      const int from = source.empty() ? 0 : source[static_cast<std::size_t>(s)];
      const std::int64_t choice = s * shape.top_k + j;
      std::int32_t& filled = routing.filled[routing.expert[choice] * shape.sources + from];
      const bool fits = filled < shape.capacity;
      routing.loc[choice] = fits ? filled++ : kDropped;
      dropped += fits ? 0 : 1;
    }
  }
  return dropped;
}

template <typename T>
void order_forward(const RowMap<T>& map, const T* x, T* rows) {
  const std::int64_t dim = map.shape.model_dim;
  for_each_row(
      map, [&](std::int64_t s, std::int64_t, std::int64_t row) { std::copy_n(x + s * dim, dim, rows + row * dim); });
  clear_unused_rows(map, rows);
}

template <typename T>
void order_backward(const RowMap<T>& map, const T* drows, T* dx) {
  const std::int64_t dim = map.shape.model_dim;
  for_each_row(map, [&](std::int64_t s, std::int64_t, std::int64_t row) {
    add_scaled(dim, T(1), drows + row * dim, dx + s * dim);
  });
}

template <typename T>
void inverse_order_forward(const RowMap<T>& map, const T* rows, const T* residual, T* y) {
  const std::int64_t dim = map.shape.model_dim;
  std::copy_n(residual, map.shape.tokens * dim, y);
  for_each_row(map, [&](std::int64_t s, std::int64_t choice, std::int64_t row) {
    add_scaled(dim, map.routing.weight[choice], rows + row * dim, y + s * dim);
  });
}

template <typename T>
void inverse_order_backward(const RowMap<T>& map, const InverseOrderGradient<T>& data) {
  const std::int64_t dim = map.shape.model_dim;
  std::fill_n(map.routing.weight_gradient, map.shape.tokens * map.shape.top_k, T(0));
  for_each_row(map, [&](std::int64_t s, std::int64_t choice, std::int64_t row) {
    const int source = map.source.empty() ? 0 : map.source[static_cast<std::size_t>(s)];
    const T* dy = data.dy + s * dim;
    const T* forward_row =
        data.rows + data.forward_layout.row(map.routing.expert[choice], map.routing.loc[choice], source) * dim;
    T* drow = data.drows + row * dim;
    const T weight = map.routing.weight[choice];
    T product = 0;
#pragma omp simd reduction(+ : product)
    for (std::int64_t i = 0; i < dim; ++i) {
      product += dy[i] * forward_row[i];
      drow[i] = weight * dy[i];
    }
    map.routing.weight_gradient[choice] = product;
  });
  clear_unused_rows(map, data.drows);
}

template <typename T>
void add_balance(const RouteShape& shape, const Routing<T>& routing, std::span<double> out) {
  for (std::int64_t s = 0; s < shape.tokens; ++s) {
    out[static_cast<std::size_t>(routing.expert[s * shape.top_k])] += 1.0;
    const T* probability = routing.probability + s * shape.experts;
    for (int e = 0; e < shape.experts; ++e) {
      out[static_cast<std::size_t>(shape.experts + e)] += static_cast<double>(probability[e]);
    }
  }
}

template <typename T>
void gate_backward(const RouteShape& shape, const Routing<T>& routing, const GateBackwardData<T>& data) {
  for (std::int64_t s = 0; s < shape.tokens; ++s) {
    T* dlogits = data.dlogits + s * shape.experts;
    if (data.probability_gradient.empty()) {
      std::fill_n(dlogits, shape.experts, T(0));
    } else {
      set_probability_gradient(data.probability_gradient, routing.probability + s * shape.experts, dlogits);
    }
    const std::int64_t first = s * shape.top_k;
    add_choice_gradient<T>({routing.expert + first, static_cast<std::size_t>(shape.top_k)}, routing.weight + first,
                           routing.weight_gradient + first, dlogits);
  }
  gemm<T>({.m = shape.tokens, .n = shape.model_dim, .k = shape.experts}, T(1), {data.dlogits, shape.experts},
          {data.wg, shape.experts, Transpose::kYes}, T(0), data.dx, shape.model_dim);
  gemm<T>({.m = shape.model_dim, .n = shape.experts, .k = shape.tokens}, T(1),
          {data.x, shape.model_dim, Transpose::kYes}, {data.dlogits, shape.experts}, T(1), data.dwg, shape.experts);
}

#define SEXTANT_INSTANTIATE(T)                                                                               \
  template void gate_forward<T>(const RouteShape&, const T*, const T*, const Routing<T>&);                   \
  template std::int64_t assign_rows<T>(const RouteShape&, std::span<const std::int32_t>, const Routing<T>&); \
  template void order_forward<T>(const RowMap<T>&, const T*, T*);                                            \
  template void order_backward<T>(const RowMap<T>&, const T*, T*);                                           \
  template void inverse_order_forward<T>(const RowMap<T>&, const T*, const T*, T*);                          \
  template void inverse_order_backward<T>(const RowMap<T>&, const InverseOrderGradient<T>&);                 \
  template void add_balance<T>(const RouteShape&, const Routing<T>&, std::span<double>);                     \
  template void gate_backward<T>(const RouteShape&, const Routing<T>&, const GateBackwardData<T>&)
SEXTANT_INSTANTIATE(float);
SEXTANT_INSTANTIATE(double);
#undef SEXTANT_INSTANTIATE

}  // namespace sextant
