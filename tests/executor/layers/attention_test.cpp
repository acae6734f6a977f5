#include "executor/layers/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "executor/layers/rms_norm.h"
#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

constexpr double kTheta = 10000.0;

template <typename T>
struct Tensors {
  std::vector<T> x, norm, wq, wk, wv, wo, dy;

  template <typename From>
  static Tensors from(const Tensors<From>& o) {
    const auto convert = [](const std::vector<From>& v) { return std::vector<T>(v.begin(), v.end()); };
    return {convert(o.x), convert(o.norm), convert(o.wq), convert(o.wk), convert(o.wv), convert(o.wo), convert(o.dy)};
  }
  [[nodiscard]] AttentionWeights<T> weights() const {
    return {norm.data(), wq.data(), wk.data(), wv.data(), wo.data()};
  }
};

Tensors<double> random_tensors(const AttentionShape& shape, std::uint32_t seed) {
  RandomData random(seed);
  const std::size_t activations = shape.batch * shape.sequence * shape.model_dim;
  const std::size_t query = shape.model_dim * shape.heads * shape.head_dim;
  const std::size_t kv = shape.model_dim * shape.kv_heads * shape.head_dim;
  return {random.vector(activations), random.vector(shape.model_dim), random.vector(query),      random.vector(kv),
          random.vector(kv),          random.vector(query),           random.vector(activations)};
}

template <typename T>
struct Memory {
  std::vector<T> rotary, saved, workspace;

  explicit Memory(const AttentionShape& shape)
      : rotary(rotary_table_size(shape)),
        saved(attention_saved_size(shape), T(-9)),
        workspace(attention_workspace_size(shape), T(-9)) {
    fill_rotary_table(shape, kTheta, rotary.data());
  }
  AttentionBuffers<T> buffers() { return {rotary.data(), saved.data(), workspace.data()}; }
};

template <typename T>
std::vector<T> forward(const AttentionShape& shape, const Tensors<T>& tensors, Memory<T>& memory) {
  std::vector<T> y(tensors.x.size());
  attention_forward(shape, tensors.weights(), tensors.x.data(), y.data(), memory.buffers());
  return y;
}

template <typename T>
struct Gradients {
  std::vector<T> dx, norm, wq, wk, wv, wo;
};

template <typename T>
Gradients<T> backward(const AttentionShape& shape, const Tensors<T>& t) {
  Memory<T> memory(shape);
  forward(shape, t, memory);
  Gradients<T> g{std::vector<T>(t.x.size(), T(5)), std::vector<T>(t.norm.size()), std::vector<T>(t.wq.size()),
                 std::vector<T>(t.wk.size()),      std::vector<T>(t.wv.size()),   std::vector<T>(t.wo.size())};
  attention_backward<T>(shape, t.weights(), {.x = t.x.data(), .dy = t.dy.data(), .dx = g.dx.data()},
                        {g.norm.data(), g.wq.data(), g.wk.data(), g.wv.data(), g.wo.data()}, memory.buffers());
  return g;
}

// ---- the definition, one position and one head at a time ----

std::vector<double> normed_row(const AttentionShape& shape, const Tensors<double>& t, std::int64_t row) {
  const double* x = t.x.data() + row * shape.model_dim;
  double square = 0.0;
  for (std::int64_t i = 0; i < shape.model_dim; ++i) square += x[i] * x[i];
  const double rms = std::sqrt(square / static_cast<double>(shape.model_dim) + kRmsNormEpsilon);
  std::vector<double> y(shape.model_dim);
  for (std::int64_t i = 0; i < shape.model_dim; ++i) y[i] = t.norm[i] * x[i] / rms;
  return y;
}

// The head's columns of (row times weight).
std::vector<double> head_vector(const AttentionShape& shape, const std::vector<double>& row,
                                const std::vector<double>& weight, std::int64_t head) {
  const std::int64_t columns = static_cast<std::int64_t>(weight.size()) / shape.model_dim;
  std::vector<double> result(shape.head_dim);
  for (std::int64_t i = 0; i < shape.model_dim; ++i) {
    for (std::int64_t j = 0; j < shape.head_dim; ++j) {
      result[j] += row[i] * weight[i * columns + head * shape.head_dim + j];
    }
  }
  return result;
}

std::vector<double> rotated(std::vector<double> v, std::int64_t position) {
  const std::size_t half = v.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const double angle =
        static_cast<double>(position) * std::pow(kTheta, -2.0 * static_cast<double>(i) / static_cast<double>(v.size()));
    const double a = v[i];
    const double b = v[i + half];
    v[i] = a * std::cos(angle) - b * std::sin(angle);
    v[i + half] = a * std::sin(angle) + b * std::cos(angle);
  }
  return v;
}

// Attention of one query position of one head over the positions up to it.
std::vector<double> naive_context(const AttentionShape& shape, const Tensors<double>& t, std::int64_t sample,
                                  std::int64_t position, std::int64_t head) {
  const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const std::int64_t first_row = sample * shape.sequence;
  const auto q = rotated(head_vector(shape, normed_row(shape, t, first_row + position), t.wq, head), position);
  std::vector<double> context(shape.head_dim);
  double sum = 0.0;
  for (std::int64_t key = 0; key <= position; ++key) {
    const auto row = normed_row(shape, t, first_row + key);
    const auto k = rotated(head_vector(shape, row, t.wk, kv_head), key);
    const auto v = head_vector(shape, row, t.wv, kv_head);
    const double p = std::exp(testing::dot(q, k) / std::sqrt(static_cast<double>(shape.head_dim)));
    sum += p;
    for (std::size_t j = 0; j < v.size(); ++j) context[j] += p * v[j];
  }
  for (double& value : context) value /= sum;
  return context;
}

std::vector<double> naive_forward(const AttentionShape& shape, const Tensors<double>& t) {
  std::vector<double> y(t.x.size());
  for (std::int64_t row = 0; row < shape.batch * shape.sequence; ++row) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const auto context = naive_context(shape, t, row / shape.sequence, row % shape.sequence, head);
      for (std::int64_t j = 0; j < shape.head_dim; ++j) {
        for (std::int64_t i = 0; i < shape.model_dim; ++i) {
          y[row * shape.model_dim + i] += context[j] * t.wo[(head * shape.head_dim + j) * shape.model_dim + i];
        }
      }
    }
  }
  return y;
}

const std::vector<AttentionShape> kSmallShapes = {
    {.batch = 1, .sequence = 1, .model_dim = 3, .heads = 1, .kv_heads = 1, .head_dim = 2},
    {.batch = 2, .sequence = 5, .model_dim = 6, .heads = 2, .kv_heads = 2, .head_dim = 4},
    {.batch = 1, .sequence = 9, .model_dim = 5, .heads = 4, .kv_heads = 2, .head_dim = 6},
    {.batch = 3, .sequence = 4, .model_dim = 7, .heads = 3, .kv_heads = 1, .head_dim = 2},
};
// More than one block of query rows, the last one short.
const AttentionShape kBlocks{.batch = 1, .sequence = 133, .model_dim = 2, .heads = 2, .kv_heads = 1, .head_dim = 2};

TEST(Attention, ForwardFollowsTheDefinition) {
  for (const AttentionShape& shape : kSmallShapes) {
    const auto tensors = random_tensors(shape, 71);
    Memory<double> memory(shape);
    EXPECT_LE(testing::relative_error(forward(shape, tensors, memory), naive_forward(shape, tensors)), 1e-13);
  }
}

TEST(Attention, ForwardOfSeveralBlocksFollowsTheDefinition) {
  const auto tensors = random_tensors(kBlocks, 72);
  Memory<double> memory(kBlocks);
  EXPECT_LE(testing::relative_error(forward(kBlocks, tensors, memory), naive_forward(kBlocks, tensors)), 1e-13);
}

void expect_all_gradients(const AttentionShape& shape, Tensors<double>& tensors) {
  const auto gradients = backward(shape, tensors);
  Memory<double> memory(shape);
  const auto loss = [&] { return testing::dot(forward(shape, tensors, memory), tensors.dy); };
  testing::expect_gradient("x", tensors.x, gradients.dx, loss);
  testing::expect_gradient("norm", tensors.norm, gradients.norm, loss);
  testing::expect_gradient("wq", tensors.wq, gradients.wq, loss);
  testing::expect_gradient("wk", tensors.wk, gradients.wk, loss);
  testing::expect_gradient("wv", tensors.wv, gradients.wv, loss);
  testing::expect_gradient("wo", tensors.wo, gradients.wo, loss);
}

TEST(Attention, BackwardEqualsFiniteDifferences) {
  for (const AttentionShape& shape : kSmallShapes) {
    auto tensors = random_tensors(shape, 73);
    expect_all_gradients(shape, tensors);
  }
}

TEST(Attention, BackwardOfSeveralBlocksEqualsFiniteDifferences) {
  auto tensors = random_tensors(kBlocks, 74);
  expect_all_gradients(kBlocks, tensors);
}

TEST(Attention, BackwardOfRandomShapesEqualsFiniteDifferences) {
  constexpr std::uint32_t kSeed = 75;
  RandomData random(kSeed);
  for (int i = 0; i < 8; ++i) {
    AttentionShape shape{};
    shape.batch = random.integer(1, 2);
    shape.sequence = random.integer(1, 7);
    shape.model_dim = random.integer(2, 6);
    shape.kv_heads = random.integer(1, 2);
    shape.heads = shape.kv_heads * random.integer(1, 3);
    shape.head_dim = 2 * random.integer(1, 3);
    SCOPED_TRACE(::testing::Message() << "seed " << kSeed << " case " << i);
    auto tensors = random_tensors(shape, kSeed + 1 + static_cast<std::uint32_t>(i));
    expect_all_gradients(shape, tensors);
  }
}

TEST(Attention, LaterTokensDoNotChangeEarlierOutputs) {
  const AttentionShape& shape = kSmallShapes[2];
  auto tensors = random_tensors(shape, 76);
  Memory<double> memory(shape);
  const auto before = forward(shape, tensors, memory);
  constexpr std::int64_t kChanged = 6;
  for (std::int64_t i = kChanged * shape.model_dim; i < shape.sequence * shape.model_dim; ++i) tensors.x[i] += 1.0;
  const auto after = forward(shape, tensors, memory);
  const std::int64_t kept = kChanged * shape.model_dim;
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + kept, after.begin()));
  EXPECT_NE(before[kept], after[kept]);
}

// Keeps the columns of heads [begin, begin + count) of a [rows, all heads * head_dim] weight.
std::vector<double> head_columns(const std::vector<double>& weight, std::int64_t rows, std::int64_t begin,
                                 std::int64_t count) {
  const std::int64_t columns = static_cast<std::int64_t>(weight.size()) / rows;
  std::vector<double> result;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto first = weight.begin() + row * columns + begin;
    result.insert(result.end(), first, first + count);
  }
  return result;
}

// The same numbers either way, to rounding of one multiplication.
TEST(Attention, RecomputationChangesNothingButMemory) {
  const AttentionShape kept{.batch = 2, .sequence = 101, .model_dim = 6, .heads = 2, .kv_heads = 1, .head_dim = 4};
  auto recomputed = kept;
  recomputed.recompute = true;
  EXPECT_LT(attention_saved_size(recomputed), attention_saved_size(kept));
  const auto tensors = random_tensors(kept, 80);
  Memory<double> kept_memory(kept);
  Memory<double> recomputed_memory(recomputed);
  EXPECT_EQ(forward(kept, tensors, kept_memory), forward(recomputed, tensors, recomputed_memory));
  const auto expected = backward(kept, tensors);
  const auto actual = backward(recomputed, tensors);
  EXPECT_LE(testing::relative_error(actual.dx, expected.dx), 1e-13);
  EXPECT_LE(testing::relative_error(actual.wq, expected.wq), 1e-13);
  EXPECT_LE(testing::relative_error(actual.wk, expected.wk), 1e-13);
  EXPECT_LE(testing::relative_error(actual.wv, expected.wv), 1e-13);
}

TEST(Attention, RecomputingBackwardEqualsFiniteDifferences) {
  for (AttentionShape shape : kSmallShapes) {
    shape.recompute = true;
    auto tensors = random_tensors(shape, 81);
    expect_all_gradients(shape, tensors);
  }
}

// Tensor parallelism: outputs, input gradients and norm gradients of head shards add up to the whole.
TEST(Attention, ShardsOfTheHeadsAddUp) {
  const AttentionShape whole{.batch = 2, .sequence = 5, .model_dim = 6, .heads = 4, .kv_heads = 2, .head_dim = 4};
  const auto tensors = random_tensors(whole, 77);
  Memory<double> whole_memory(whole);
  const auto expected_y = forward(whole, tensors, whole_memory);
  const auto expected = backward(whole, tensors);
  std::vector<double> y(expected_y.size()), dx(expected.dx.size()), norm(expected.norm.size());
  auto half = whole;
  half.heads = 2;
  half.kv_heads = 1;
  for (const std::int64_t rank : {0, 1}) {
    auto shard = tensors;
    shard.wq = head_columns(tensors.wq, 6, rank * 8, 8);
    shard.wk = head_columns(tensors.wk, 6, rank * 4, 4);
    shard.wv = head_columns(tensors.wv, 6, rank * 4, 4);
    shard.wo.assign(tensors.wo.begin() + rank * 48, tensors.wo.begin() + (rank + 1) * 48);
    Memory<double> memory(half);
    const auto part_y = forward(half, shard, memory);
    const auto part = backward(half, shard);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += part_y[i];
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += part.dx[i];
    for (std::size_t i = 0; i < norm.size(); ++i) norm[i] += part.norm[i];
  }
  EXPECT_LE(testing::relative_error(y, expected_y), 1e-14);
  EXPECT_LE(testing::relative_error(dx, expected.dx), 1e-13);
  EXPECT_LE(testing::relative_error(norm, expected.norm), 1e-13);
}

TEST(Attention, GradientMayReplaceItsInput) {
  const AttentionShape& shape = kSmallShapes[1];
  const auto tensors = random_tensors(shape, 78);
  const auto expected = backward(shape, tensors);
  Memory<double> memory(shape);
  forward(shape, tensors, memory);
  auto gradient = tensors.dy;
  Gradients<double> g{{},
                      std::vector<double>(tensors.norm.size()),
                      std::vector<double>(tensors.wq.size()),
                      std::vector<double>(tensors.wk.size()),
                      std::vector<double>(tensors.wv.size()),
                      std::vector<double>(tensors.wo.size())};
  attention_backward<double>(shape, tensors.weights(),
                             {.x = tensors.x.data(), .dy = gradient.data(), .dx = gradient.data()},
                             {g.norm.data(), g.wq.data(), g.wk.data(), g.wv.data(), g.wo.data()}, memory.buffers());
  EXPECT_EQ(gradient, expected.dx);
  EXPECT_EQ(g.wo, expected.wo);
}

TEST(Attention, FloatFollowsDouble) {
  const AttentionShape shape{.batch = 2, .sequence = 100, .model_dim = 48, .heads = 4, .kv_heads = 2, .head_dim = 16};
  auto tensors = random_tensors(shape, 79);
  for (auto* weight : {&tensors.wq, &tensors.wk, &tensors.wv, &tensors.wo}) {
    for (double& value : *weight) value *= 0.2;
  }
  const auto expected = backward(shape, tensors);
  const auto single = backward(shape, Tensors<float>::from(tensors));
  EXPECT_LE(testing::relative_error(single.dx, expected.dx), 1e-5);
  EXPECT_LE(testing::relative_error(single.norm, expected.norm), 1e-5);
  EXPECT_LE(testing::relative_error(single.wq, expected.wq), 1e-5);
  EXPECT_LE(testing::relative_error(single.wk, expected.wk), 1e-5);
  EXPECT_LE(testing::relative_error(single.wv, expected.wv), 1e-5);
  EXPECT_LE(testing::relative_error(single.wo, expected.wo), 1e-5);
}

TEST(RotaryTable, PositionZeroTurnsNothing) {
  const AttentionShape shape{.batch = 1, .sequence = 2, .model_dim = 1, .heads = 1, .kv_heads = 1, .head_dim = 4};
  std::vector<double> table(rotary_table_size(shape));
  fill_rotary_table(shape, kTheta, table.data());
  // cos, cos, sin, sin of position 0, then of position 1 with angles 1 and theta^(-1/2) = 0.01
  const std::vector<double> expected = {1.0,           1.0,           0.0, 0.0, std::cos(1.0), std::cos(0.01),
                                        std::sin(1.0), std::sin(0.01)};
  EXPECT_LE(testing::relative_error(table, expected), 1e-15);
}

}  // namespace
}  // namespace sextant
