// Gate, order and inverse order of a Mixture-of-Experts layer (Tutel's sparse form), and their adjoints.
//
// Shapes: S tokens, M model_dim, E experts, k choices of a token, T capacity, N sources.
// A source is a rank of the distributed run: capacity is counted per (source, expert). A rank has
// one source, itself; the single-rank reference of the tests holds the tokens of N > 1 sources.
//
//   logits = x Wg;  the k largest are chosen (ties: lowest expert);  weight = softmax over the chosen
//   loc[s,j] = number of earlier choices of the same (source, expert), all first choices before all
//   second ones and so on, tokens in order;  loc >= T: dropped, contributes 0 to the output
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sextant {

struct RouteShape {
  std::int64_t tokens = 0;
  std::int64_t model_dim = 0;
  int experts = 0;
  int top_k = 0;
  std::int64_t capacity = 0;
  int sources = 1;
};

// Where the row (expert, loc, source) lies in a buffer cut into chunks along the capacity:
// [chunk][E][rows of the chunk][N], so that every chunk is one contiguous range and in it every expert
// is. With one chunk this is the canonical [E][T][N].
class OrderLayout {
 public:
  OrderLayout() = default;
  OrderLayout(const RouteShape& shape, int num_chunks);

  [[nodiscard]] std::int64_t row(int expert, std::int64_t loc, int source) const {
    const Slot& slot = slots_[static_cast<std::size_t>(loc)];
    return slot.first_row + expert * slot.expert_stride + source;
  }
  [[nodiscard]] std::int64_t num_rows() const { return num_rows_; }
  [[nodiscard]] int num_chunks() const { return num_chunks_; }

 private:
  struct Slot {
    std::int64_t first_row = 0;      // of expert 0, source 0
    std::int64_t expert_stride = 0;  // rows from one expert to the next in this chunk
  };
  std::vector<Slot> slots_;  // [T]
  std::int64_t num_rows_ = 0;
  int num_chunks_ = 0;
};

// What the gate decided, kept for the backward. Memory is the caller's.
template <typename T>
struct Routing {
  std::int32_t* expert = nullptr;  // [S, k]
  std::int32_t* loc = nullptr;     // [S, k]; -1: dropped
  std::int32_t* filled = nullptr;  // [E, N] rows in use
  T* weight = nullptr;             // [S, k]
  T* probability = nullptr;        // [S, E] softmax over all experts, for the auxiliary loss
  T* weight_gradient = nullptr;    // [S, k]
};

// Writes expert, weight and probability.
template <typename T>
void gate_forward(const RouteShape& shape, const T* x, const T* wg, const Routing<T>& routing);

// Writes loc and filled; source[s] < N, or empty where N == 1. Returns the number of dropped choices.
template <typename T>
std::int64_t assign_rows(const RouteShape& shape, std::span<const std::int32_t> source, const Routing<T>& routing);

// Everything between tokens and rows needs the routing, the source of each token and the layout.
template <typename T>
struct RowMap {
  const RouteShape& shape;
  const OrderLayout& layout;
  std::span<const std::int32_t> source;  // [S] or empty
  const Routing<T>& routing;
};

// rows[loc of (s, j)] = x[s]; rows not in use become 0.
template <typename T>
void order_forward(const RowMap<T>& map, const T* x, T* rows);
// dx[s] += sum over j of drows[loc of (s, j)].
template <typename T>
void order_backward(const RowMap<T>& map, const T* drows, T* dx);

// y[s] = residual[s] + sum over j of weight[s, j] * rows[loc of (s, j)].
template <typename T>
void inverse_order_forward(const RowMap<T>& map, const T* rows, const T* residual, T* y);
// The adjoint, `map` being that of the gradient rows:
//   drows[loc of (s, j)] = weight[s, j] * dy[s]; rows not in use become 0
//   weight_gradient[s, j] = <dy[s], rows[loc of (s, j)]>; 0 where dropped
template <typename T>
struct InverseOrderGradient {
  const T* dy;    // [S, M]
  const T* rows;  // of the forward, in its layout
  const OrderLayout& forward_layout;
  T* drows;  // replaced
};
template <typename T>
void inverse_order_backward(const RowMap<T>& map, const InverseOrderGradient<T>& data);

// Sums for the auxiliary loss: out[0..E) += number of first choices, out[E..2E) += sum of probabilities.
template <typename T>
void add_balance(const RouteShape& shape, const Routing<T>& routing, std::span<double> out);

template <typename T>
struct GateBackwardData {
  const T* x;                                    // [S, M] of the forward
  const T* wg;                                   // [M, E]
  std::span<const double> probability_gradient;  // [E], the same for every token; may be empty
  T* dlogits;                                    // [S, E] workspace
  T* dx;                                         // [S, M], replaced
  T* dwg;                                        // [M, E], added to
};
template <typename T>
void gate_backward(const RouteShape& shape, const Routing<T>& routing, const GateBackwardData<T>& data);

}  // namespace sextant
