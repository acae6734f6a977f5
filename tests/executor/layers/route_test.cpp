#include "executor/layers/route.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/task_graph.h"

namespace sextant {
namespace {

using testing::Each;
using testing::ElementsAre;

// Owns what a Routing points to.
struct RoutingMemory {
  explicit RoutingMemory(const RouteShape& shape)
      : expert(shape.tokens * shape.top_k),
        loc(expert.size()),
        filled(shape.experts * shape.sources),
        weight(expert.size()),
        probability(shape.tokens * shape.experts),
        weight_gradient(expert.size()) {}
  [[nodiscard]] Routing<double> view() {
    return {expert.data(), loc.data(), filled.data(), weight.data(), probability.data(), weight_gradient.data()};
  }

  std::vector<std::int32_t> expert, loc, filled;
  std::vector<double> weight, probability, weight_gradient;
};

// Tokens whose logits are given: M = E and Wg is the identity.
RoutingMemory route_logits(const RouteShape& shape, const std::vector<double>& logits,
                           std::span<const std::int32_t> source = {}) {
  std::vector<double> identity(static_cast<std::size_t>(shape.experts * shape.experts), 0.0);
  for (int e = 0; e < shape.experts; ++e) identity[static_cast<std::size_t>(e * shape.experts + e)] = 1.0;
  RoutingMemory memory(shape);
  gate_forward(shape, logits.data(), identity.data(), memory.view());
  assign_rows(shape, source, memory.view());
  return memory;
}

TEST(GateForward, WeightsAreTheSoftmaxOverTheChosenLogits) {
  // Token 0 has logits 1 3 2: experts 1 and 2 with weights e^3 / (e^3 + e^2) = 1 / (1 + e^-1) and the rest.
  const RouteShape shape{.tokens = 1, .model_dim = 3, .experts = 3, .top_k = 2, .capacity = 1};
  const RoutingMemory memory = route_logits(shape, {1.0, 3.0, 2.0});
  EXPECT_THAT(memory.expert, ElementsAre(1, 2));
  EXPECT_NEAR(memory.weight[0], 1.0 / (1.0 + std::exp(-1.0)), 1e-15);
  EXPECT_NEAR(memory.weight[0] + memory.weight[1], 1.0, 1e-15);
  EXPECT_NEAR(memory.probability[0], std::exp(1.0) / (std::exp(1.0) + std::exp(2.0) + std::exp(3.0)), 1e-15);
}

TEST(GateForward, EqualLogitsGoToTheLowestExpert) {
  const RouteShape shape{.tokens = 1, .model_dim = 4, .experts = 4, .top_k = 3, .capacity = 1};
  EXPECT_THAT(route_logits(shape, {0.0, 5.0, 5.0, 5.0}).expert, ElementsAre(1, 2, 3));
  EXPECT_THAT(route_logits(shape, {0.0, 0.0, 0.0, 0.0}).expert, ElementsAre(0, 1, 2));
}

TEST(AssignRows, FirstChoicesComeBeforeSecondChoices) {
  // Tokens 0 and 1 choose expert 1 second, token 2 chooses it first: with two rows token 2 has the first
  // row, token 0 the second, token 1 is dropped there.
  const RouteShape shape{.tokens = 3, .model_dim = 2, .experts = 2, .top_k = 2, .capacity = 2};
  RoutingMemory memory = route_logits(shape, {2.0, 1.0, 2.0, 1.0, 1.0, 2.0});
  EXPECT_THAT(memory.expert, ElementsAre(0, 1, 0, 1, 1, 0));
  EXPECT_THAT(memory.loc, ElementsAre(0, 1, 1, -1, 0, -1));
  EXPECT_THAT(memory.filled, ElementsAre(2, 2));
  EXPECT_EQ(assign_rows(shape, {}, memory.view()), 2);
}

TEST(AssignRows, CapacityIsCountedPerSource) {
  const RouteShape shape{.tokens = 4, .model_dim = 2, .experts = 2, .top_k = 1, .capacity = 1, .sources = 2};
  const std::vector<std::int32_t> source = {0, 1, 0, 1};
  RoutingMemory memory = route_logits(shape, {1, 0, 1, 0, 1, 0, 0, 1}, source);
  EXPECT_THAT(memory.loc, ElementsAre(0, 0, -1, 0));
  EXPECT_THAT(memory.filled, ElementsAre(1, 1, 0, 1));  // [expert][source]
}

TEST(OrderLayout, ChunksAreContiguousAndEveryRowHasItsOwnPlace) {
  const RouteShape shape{.tokens = 0, .model_dim = 1, .experts = 3, .top_k = 1, .capacity = 7, .sources = 2};
  for (const int num_chunks : {1, 2, 3, 7, 9}) {
    const OrderLayout layout(shape, num_chunks);
    std::set<std::int64_t> rows;
    for (int chunk = 0; chunk < num_chunks; ++chunk) {
      const ChunkRange range = chunk_range(shape.capacity, chunk, num_chunks);
      for (std::int64_t loc = range.begin; loc < range.end; ++loc) {
        for (int e = 0; e < 3; ++e) {
          for (int n = 0; n < 2; ++n) {
            const std::int64_t row = layout.row(e, loc, n);
            EXPECT_GE(row, range.begin * 6);
            EXPECT_LT(row, range.end * 6);
            EXPECT_EQ((row - range.begin * 6) / (range.rows() * 2), e) << "experts of a chunk are contiguous";
            rows.insert(row);
          }
        }
      }
    }
    EXPECT_EQ(rows.size(), 42u);
    EXPECT_EQ(*rows.rbegin(), 41);
  }
}

TEST(OrderLayout, OneChunkIsCapacityMajorAndSourceMinor) {
  const RouteShape shape{.tokens = 0, .model_dim = 1, .experts = 2, .top_k = 1, .capacity = 3, .sources = 2};
  EXPECT_EQ(OrderLayout(shape, 1).row(1, 2, 1), (1 * 3 + 2) * 2 + 1);
}

TEST(OrderForward, RowsNotInUseAreZero) {
  const RouteShape shape{.tokens = 1, .model_dim = 2, .experts = 2, .top_k = 1, .capacity = 2};
  RoutingMemory memory = route_logits(shape, {0.0, 1.0});
  const Routing<double> routing = memory.view();
  std::vector<double> rows(8, 99.0);
  const std::vector<double> x = {7.0, 8.0};
  order_forward<double>({shape, OrderLayout(shape, 1), {}, routing}, x.data(), rows.data());
  EXPECT_THAT(rows, ElementsAre(0, 0, 0, 0, 7, 8, 0, 0));
}

// The whole routed layer with expert e scaling its rows elementwise by scale[e], and a scalar objective
// linear in y plus a linear function of the mean probabilities.
class RoutedLayer {
 public:
  RoutedLayer(const RouteShape& shape, std::vector<std::int32_t> source, unsigned seed)
      : shape_(shape), source_(std::move(source)), memory_(shape) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    const auto fill = [&](std::vector<double>& values, std::int64_t count) {
      values.resize(static_cast<std::size_t>(count));
      for (double& value : values) value = normal(generator);
    };
    fill(x, shape.tokens * shape.model_dim);
    fill(wg, shape.model_dim * shape.experts);
    fill(scale_, shape.experts * shape.model_dim);
    fill(dy_, shape.tokens * shape.model_dim);
    fill(dprobability_, shape.experts);
  }

  double objective() {
    forward();
    double sum = std::inner_product(y_.begin(), y_.end(), dy_.begin(), 0.0);
    for (std::size_t i = 0; i < memory_.probability.size(); ++i) {
      sum += memory_.probability[i] * dprobability_[i % static_cast<std::size_t>(shape_.experts)];
    }
    return sum;
  }

  void backward() {
    forward();
    const Routing<double> routing = memory_.view();
    const OrderLayout layout(shape_, 3);  // not the forward's
    std::vector<double> drows(static_cast<std::size_t>(layout.num_rows() * shape_.model_dim), 99.0);
    inverse_order_backward<double>({shape_, layout, source_, routing},
                                   {dy_.data(), rows_.data(), forward_layout_, drows.data()});
    scale_rows(layout, drows);
    std::vector<double> dlogits(memory_.probability.size());
    dx.assign(x.size(), 99.0);
    dwg.assign(wg.size(), 0.0);
    gate_backward<double>(shape_, routing, {x.data(), wg.data(), dprobability_, dlogits.data(), dx.data(), dwg.data()});
    order_backward<double>({shape_, layout, source_, routing}, drows.data(), dx.data());
  }

  [[nodiscard]] std::int64_t dropped() { return assign_rows(shape_, source_, memory_.view()); }

  std::vector<double> x, wg, dx, dwg;

 private:
  void forward() {
    const Routing<double> routing = memory_.view();
    gate_forward(shape_, x.data(), wg.data(), routing);
    assign_rows(shape_, source_, routing);
    rows_.assign(static_cast<std::size_t>(forward_layout_.num_rows() * shape_.model_dim), 99.0);
    const RowMap<double> map{shape_, forward_layout_, source_, routing};
    order_forward(map, x.data(), rows_.data());
    scale_rows(forward_layout_, rows_);
    y_.assign(x.size(), 0.0);
    inverse_order_forward(map, rows_.data(), x.data(), y_.data());
    for (std::size_t i = 0; i < y_.size(); ++i) y_[i] -= x[i];  // the residual is not the routed layer's
  }

  void scale_rows(const OrderLayout& layout, std::vector<double>& rows) const {
    for (int e = 0; e < shape_.experts; ++e) {
      for (std::int64_t loc = 0; loc < shape_.capacity; ++loc) {
        for (int n = 0; n < shape_.sources; ++n) {
          for (std::int64_t m = 0; m < shape_.model_dim; ++m) {
            rows[static_cast<std::size_t>(layout.row(e, loc, n) * shape_.model_dim + m)] *=
                scale_[static_cast<std::size_t>(e * shape_.model_dim + m)];
          }
        }
      }
    }
  }

  RouteShape shape_;
  std::vector<std::int32_t> source_;
  RoutingMemory memory_;
  OrderLayout forward_layout_{shape_, 2};
  std::vector<double> scale_, dy_, dprobability_, rows_, y_;
};

void expect_gradient(RoutedLayer& layer, std::vector<double>& values, const std::vector<double>& gradient) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    constexpr double kStep = 1e-6;
    const double value = values[i];
    values[i] = value + kStep;
    const double above = layer.objective();
    values[i] = value - kStep;
    const double below = layer.objective();
    values[i] = value;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-6 * (1.0 + std::abs(gradient[i]))) << "element " << i;
  }
}

struct GradientCase {
  const char* name;
  std::int64_t capacity;
  int top_k;
  std::vector<std::int32_t> source;
  bool drops;
};

class RoutedLayerGradient : public testing::TestWithParam<GradientCase> {};

TEST_P(RoutedLayerGradient, EqualsFiniteDifferences) {
  const GradientCase& c = GetParam();
  const int sources = c.source.empty() ? 1 : 2;
  RoutedLayer layer(
      {.tokens = 8, .model_dim = 5, .experts = 4, .top_k = c.top_k, .capacity = c.capacity, .sources = sources},
      c.source, /*seed=*/17);
  layer.backward();
  EXPECT_EQ(layer.dropped() > 0, c.drops);
  const std::vector<double> dx = layer.dx;
  const std::vector<double> dwg = layer.dwg;
  expect_gradient(layer, layer.x, dx);
  expect_gradient(layer, layer.wg, dwg);
}

INSTANTIATE_TEST_SUITE_P(, RoutedLayerGradient,
                         testing::Values(GradientCase{"KeepsAll", 8, 2, {}, false},
                                         GradientCase{"Drops", 3, 2, {}, true},
                                         GradientCase{"OneChoice", 8, 1, {}, false},
                                         GradientCase{"TwoSources", 2, 2, {0, 0, 0, 0, 1, 1, 1, 1}, true}),
                         [](const auto& test_case) { return test_case.param.name; });

TEST(AddBalance, CountsFirstChoicesAndSumsProbabilities) {
  const RouteShape shape{.tokens = 2, .model_dim = 2, .experts = 2, .top_k = 2, .capacity = 2};
  RoutingMemory memory = route_logits(shape, {0.0, 0.0, 0.0, std::log(3.0)});
  std::vector<double> sums(4, 0.0);
  add_balance(shape, memory.view(), sums);
  // probabilities 1/2 1/2 and 1/4 3/4
  EXPECT_DOUBLE_EQ(sums[0], 1.0);
  EXPECT_DOUBLE_EQ(sums[1], 1.0);
  EXPECT_NEAR(sums[2], 0.75, 1e-15);
  EXPECT_NEAR(sums[3], 1.25, 1e-15);
}

}  // namespace
}  // namespace sextant
