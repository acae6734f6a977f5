#include "executor/parameters.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant {
namespace {

StepShape small_step(const ParallelDegrees& degrees, int num_ranks) {
  Network network;
  network.name = "small";
  network.vocabulary = 11;
  network.layers = 2;
  network.model_dim = 8;
  network.heads = 4;
  network.kv_heads = 2;
  network.head_dim = 2;
  network.expert_hidden_dim = 6;
  network.num_experts = 4;
  network.top_k = 2;
  return {.network = network, .layout = ParallelLayout(degrees, {1, num_ranks}), .micro_batch = 1, .sequence = 4};
}

// Global element indices that a slice covers.
std::vector<std::int64_t> elements_of(const Parameter& p) {
  std::vector<std::int64_t> elements;
  const std::int64_t columns = p.extent.back();
  for (std::int64_t i = 0; i < p.size(); ++i) {
    const std::int64_t row = i / columns + (p.shape.size() > 1 ? p.begin.front() : 0);
    elements.push_back(row * p.shape.back() + p.begin.back() + i % columns);
  }
  return elements;
}

TEST(ListParameters, SlicesOfTheRanksCoverEveryTensorAsOftenAsItIsReplicated) {
  const StepShape step = small_step({.dp = 2, .tp = 2, .edp = 1, .ep = 2, .esp = 2}, 4);
  std::map<std::string, std::map<std::int64_t, int>> covered;
  std::map<std::string, GroupKind> group;
  std::map<std::string, std::int64_t> size;
  for (int rank = 0; rank < 4; ++rank) {
    for (const Parameter& p : list_parameters(step, rank)) {
      for (const std::int64_t element : elements_of(p)) ++covered[p.name][element];
      group[p.name] = p.group;
      size[p.name] = std::accumulate(p.shape.begin(), p.shape.end(), std::int64_t{1}, std::multiplies<>());
    }
  }
  std::int64_t total = 0;
  for (const auto& [name, elements] : covered) {
    EXPECT_EQ(static_cast<std::int64_t>(elements.size()), size[name]) << name;
    for (const auto& [element, count] : elements) EXPECT_EQ(count, step.layout.group_size(group[name])) << name;
    total += size[name];
  }
  EXPECT_EQ(total, total_parameters(step.network));
}

TEST(ListParameters, SizesAgreeWithTheWorkModel) {
  for (const ParallelDegrees& degrees :
       {ParallelDegrees{.dp = 4, .edp = 4}, ParallelDegrees{.dp = 2, .tp = 2, .ep = 2, .esp = 2},
        ParallelDegrees{.dp = 4, .edp = 2, .ep = 2}}) {
    const StepShape step = small_step(degrees, 4);
    std::map<std::pair<GroupKind, int>, std::int64_t> size;
    for (const Parameter& p : list_parameters(step, 3)) size[{p.group, p.unit}] += p.size();
    for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
      for (int unit = 0; unit < num_gradient_units(step); ++unit) {
        EXPECT_EQ((size[{group, unit}]), gradient_elements(step, group, unit)) << to_text(group) << " unit " << unit;
      }
    }
  }
}

TEST(ListParameters, OffsetsAreContiguousInOrderOfReadiness) {
  const StepShape step = small_step({.dp = 2, .tp = 2, .edp = 1, .ep = 4, .esp = 1}, 4);
  std::map<GroupKind, std::int64_t> end;
  std::map<GroupKind, int> unit;
  for (const Parameter& p : list_parameters(step, 1)) {
    EXPECT_EQ(p.offset, end[p.group]) << p.name;
    EXPECT_GE(p.unit, unit[p.group]) << p.name;
    end[p.group] += p.size();
    unit[p.group] = p.unit;
  }
}

TEST(ListParameters, NormsHaveNoWeightDecay) {
  for (const Parameter& p : list_parameters(small_step({}, 1), 0)) {
    EXPECT_EQ(p.decay, p.name.find("norm") == std::string::npos) << p.name;
  }
}

TEST(InitialValue, IsNormalWithTheParametersDeviation) {
  Parameter p;
  p.name = "test";
  p.shape = p.extent = {1000, 100};
  p.begin = {0, 0};
  p.initial_deviation = 0.5;
  double sum = 0.0, squares = 0.0, fourths = 0.0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double z = initial_value(p, 3, i) / 0.5;
    sum += z;
    squares += z * z;
    fourths += z * z * z * z;
  }
  // Standard errors of the mean, variance and fourth moment: 0.0032, 0.0045, 0.031.
  EXPECT_NEAR(sum / kCount, 0.0, 0.013);
  EXPECT_NEAR(squares / kCount, 1.0, 0.018);
  EXPECT_NEAR(fourths / kCount, 3.0, 0.13);
}

TEST(InitialValue, DependsOnSeedNameAndElement) {
  Parameter p;
  p.initial_deviation = 1.0;
  std::set<double> values;
  for (const char* name : {"a", "b"}) {
    p.name = name;
    for (const std::uint64_t seed : {1u, 2u}) {
      for (const int index : {0, 1}) values.insert(initial_value(p, seed, index));
    }
  }
  EXPECT_EQ(values.size(), 8u);
  p.initial_deviation = 0.0;
  EXPECT_EQ(initial_value(p, 1, 5), 1.0);
}

}  // namespace
}  // namespace sextant
