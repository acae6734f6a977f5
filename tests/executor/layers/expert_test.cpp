#include "executor/layers/expert.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "executor/layers/activation.h"
#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

template <typename T>
struct Tensors {
  std::vector<T> x, w1, w3, w2, dy;

  template <typename From>
  static Tensors from(const Tensors<From>& other) {
    const auto convert = [](const std::vector<From>& v) { return std::vector<T>(v.begin(), v.end()); };
    return {convert(other.x), convert(other.w1), convert(other.w3), convert(other.w2), convert(other.dy)};
  }
  [[nodiscard]] ExpertWeights<T> weights() const { return {w1.data(), w3.empty() ? nullptr : w3.data(), w2.data()}; }
};

Tensors<double> random_tensors(const ExpertShape& shape, std::uint32_t seed) {
  RandomData random(seed);
  const std::size_t matrix = shape.model_dim * shape.hidden_dim;
  return {random.vector(shape.rows * shape.model_dim), random.vector(matrix),
          random.vector(shape.kind == ExpertKind::kSwiglu ? matrix : 0), random.vector(matrix),
          random.vector(shape.rows * shape.model_dim)};
}

template <typename T>
struct Memory {
  std::vector<T> saved, saved_gate, workspace;

  explicit Memory(const ExpertShape& shape)
      : saved(expert_workspace_size(shape), T(-9)),
        saved_gate(shape.kind == ExpertKind::kSwiglu ? saved.size() : 0, T(-9)),
        workspace(expert_workspace_size(shape), T(-9)) {}
  ExpertBuffers<T> buffers() {
    return {saved.data(), saved_gate.empty() ? nullptr : saved_gate.data(), workspace.data()};
  }
};

template <typename T>
std::vector<T> forward(const ExpertShape& shape, const Tensors<T>& tensors, Memory<T>& memory) {
  std::vector<T> y(tensors.x.size());
  expert_forward(shape, tensors.weights(), tensors.x.data(), y.data(), memory.buffers());
  return y;
}

template <typename T>
struct Gradients {
  std::vector<T> dx, dw1, dw3, dw2;
  ExpertGradients<T> weights() { return {dw1.data(), dw3.empty() ? nullptr : dw3.data(), dw2.data()}; }
};

template <typename T>
Gradients<T> zero_gradients(const Tensors<T>& tensors) {
  return {std::vector<T>(tensors.x.size()), std::vector<T>(tensors.w1.size()), std::vector<T>(tensors.w3.size()),
          std::vector<T>(tensors.w2.size())};
}

template <typename T>
Gradients<T> backward(const ExpertShape& shape, const Tensors<T>& tensors) {
  Memory<T> memory(shape);
  forward(shape, tensors, memory);
  auto gradients = zero_gradients(tensors);
  expert_backward<T>(shape, tensors.weights(),
                     {.x = tensors.x.data(), .dy = tensors.dy.data(), .dx = gradients.dx.data()}, gradients.weights(),
                     memory.buffers());
  return gradients;
}

std::vector<ExpertShape> small_shapes() {
  std::vector<ExpertShape> shapes;
  for (const auto kind : {ExpertKind::kGelu, ExpertKind::kSwiglu}) {
    shapes.push_back({.rows = 1, .model_dim = 1, .hidden_dim = 1, .kind = kind});
    shapes.push_back({.rows = 1, .model_dim = 5, .hidden_dim = 3, .kind = kind});
    shapes.push_back({.rows = 7, .model_dim = 6, .hidden_dim = 11, .kind = kind});
  }
  return shapes;
}

// One hidden value of one row, from the definition.
double hidden_value(const ExpertShape& shape, const Tensors<double>& t, std::int64_t row, std::int64_t column) {
  double a = 0.0;
  double b = 0.0;
  for (std::int64_t i = 0; i < shape.model_dim; ++i) {
    const double x = t.x[row * shape.model_dim + i];
    a += x * t.w1[i * shape.hidden_dim + column];
    if (!t.w3.empty()) b += x * t.w3[i * shape.hidden_dim + column];
  }
  double h = 0.0;
  t.w3.empty() ? gelu_forward(1, &a, &h) : silu_gate_forward(1, &a, &b, &h);
  return h;
}

TEST(Expert, ForwardFollowsTheDefinition) {
  for (const ExpertShape& shape : small_shapes()) {
    const auto tensors = random_tensors(shape, 41);
    Memory<double> memory(shape);
    const auto y = forward(shape, tensors, memory);
    std::vector<double> expected(y.size());
    for (std::int64_t row = 0; row < shape.rows; ++row) {
      for (std::int64_t j = 0; j < shape.hidden_dim; ++j) {
        const double h = hidden_value(shape, tensors, row, j);
        for (std::int64_t i = 0; i < shape.model_dim; ++i) {
          expected[row * shape.model_dim + i] += h * tensors.w2[j * shape.model_dim + i];
        }
      }
    }
    EXPECT_LE(testing::relative_error(y, expected), 1e-13);
  }
}

TEST(Expert, BackwardEqualsFiniteDifferences) {
  for (const ExpertShape& shape : small_shapes()) {
    auto tensors = random_tensors(shape, 42);
    const auto gradients = backward(shape, tensors);
    const auto loss = [&] {
      Memory<double> memory(shape);
      return testing::dot(forward(shape, tensors, memory), tensors.dy);
    };
    testing::expect_gradient("x", tensors.x, gradients.dx, loss);
    testing::expect_gradient("w1", tensors.w1, gradients.dw1, loss);
    testing::expect_gradient("w3", tensors.w3, gradients.dw3, loss);
    testing::expect_gradient("w2", tensors.w2, gradients.dw2, loss);
  }
}

// The forward in one piece, the backward in three, the first of which replaces what is there.
TEST(Expert, BackwardMayCutTheRowsAnew) {
  const ExpertShape whole{.rows = 6, .model_dim = 5, .hidden_dim = 9, .kind = ExpertKind::kSwiglu};
  const auto tensors = random_tensors(whole, 43);
  const auto expected = backward(whole, tensors);
  Memory<double> memory(whole);
  forward(whole, tensors, memory);
  Gradients<double> sum{tensors.x, tensors.w1, tensors.w3, tensors.w2};
  for (const std::int64_t begin : {0, 2, 4}) {
    auto shape = whole;
    shape.rows = 2;
    const ExpertBuffers<double> buffers{memory.saved.data() + begin * shape.hidden_dim,
                                        memory.saved_gate.data() + begin * shape.hidden_dim, memory.workspace.data()};
    const double* x = tensors.x.data() + begin * shape.model_dim;
    const double* dy = tensors.dy.data() + begin * shape.model_dim;
    ExpertGradients<double> gradients = sum.weights();
    gradients.store = begin == 0 ? Store::kReplace : Store::kAdd;
    expert_input_gradient(shape, tensors.weights(), dy, sum.dx.data() + begin * shape.model_dim, buffers);
    expert_weight_gradient(shape, x, dy, gradients, buffers);
  }
  EXPECT_LE(testing::relative_error(sum.dx, expected.dx), 1e-14);
  EXPECT_LE(testing::relative_error(sum.dw1, expected.dw1), 1e-14);
  EXPECT_LE(testing::relative_error(sum.dw3, expected.dw3), 1e-14);
  EXPECT_LE(testing::relative_error(sum.dw2, expected.dw2), 1e-14);
}

// Expert-sharding: the hidden dim cut in two gives partial sums.
TEST(Expert, ShardsOfTheHiddenDimAddUp) {
  const ExpertShape whole{.rows = 3, .model_dim = 4, .hidden_dim = 6, .kind = ExpertKind::kSwiglu};
  const auto tensors = random_tensors(whole, 44);
  Memory<double> whole_memory(whole);
  const auto expected = forward(whole, tensors, whole_memory);
  std::vector<double> sum(expected.size());
  auto half = whole;
  half.hidden_dim = 3;
  for (const std::int64_t begin : {0, 3}) {
    auto shard = tensors;
    shard.w1.clear();
    shard.w3.clear();
    for (std::int64_t i = 0; i < whole.model_dim; ++i) {
      for (std::int64_t j = begin; j < begin + 3; ++j) {
        shard.w1.push_back(tensors.w1[i * 6 + j]);
        shard.w3.push_back(tensors.w3[i * 6 + j]);
      }
    }
    shard.w2.assign(tensors.w2.begin() + begin * 4, tensors.w2.begin() + (begin + 3) * 4);
    Memory<double> memory(half);
    const auto y = forward(half, shard, memory);
    for (std::size_t i = 0; i < y.size(); ++i) sum[i] += y[i];
  }
  EXPECT_LE(testing::relative_error(sum, expected), 1e-14);
}

TEST(Expert, NoRowsAddNothingAndReplaceByZero) {
  const ExpertShape shape{.rows = 0, .model_dim = 4, .hidden_dim = 6, .kind = ExpertKind::kGelu};
  const auto tensors = random_tensors(shape, 45);
  Memory<double> memory(shape);
  std::vector<double> dw1(24, 1.0), dw2(24, 1.0);
  ExpertGradients<double> gradients{dw1.data(), nullptr, dw2.data()};
  const ExpertBackwardData<double> data{.x = nullptr, .dy = nullptr, .dx = nullptr};
  expert_backward(shape, tensors.weights(), data, gradients, memory.buffers());
  EXPECT_EQ(dw1, std::vector<double>(24, 1.0));
  EXPECT_EQ(dw2, std::vector<double>(24, 1.0));
  gradients.store = Store::kReplace;
  expert_backward(shape, tensors.weights(), data, gradients, memory.buffers());
  EXPECT_EQ(dw1, std::vector<double>(24, 0.0));
  EXPECT_EQ(dw2, std::vector<double>(24, 0.0));
}

TEST(Expert, FloatFollowsDouble) {
  for (const auto kind : {ExpertKind::kGelu, ExpertKind::kSwiglu}) {
    const ExpertShape shape{.rows = 33, .model_dim = 40, .hidden_dim = 72, .kind = kind};
    const auto tensors = random_tensors(shape, 46);
    const auto expected = backward(shape, tensors);
    const auto single = backward(shape, Tensors<float>::from(tensors));
    EXPECT_LE(testing::relative_error(single.dx, expected.dx), 3e-6);
    EXPECT_LE(testing::relative_error(single.dw1, expected.dw1), 3e-6);
    EXPECT_LE(testing::relative_error(single.dw2, expected.dw2), 3e-6);
    if (!expected.dw3.empty()) {
      EXPECT_LE(testing::relative_error(single.dw3, expected.dw3), 3e-6);
    }
  }
}

}  // namespace
}  // namespace sextant
