#include "planner/backlog_problem.h"

#include <algorithm>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace sextant {
namespace {

BacklogProblem with_terminal(BacklogProblem problem, double floor_s, double offset_s) {
  problem.terminal = [=](double backlog) { return std::max(floor_s, offset_s + backlog); };
  problem.terminal_floor_s = floor_s;
  problem.terminal_offset_s = offset_s;
  return problem;
}

double value_of(const BacklogProblem& problem, const std::vector<int>& options) {
  double cost = 0.0, backlog = 0.0;
  for (std::size_t p = 0; p < options.size(); ++p) {
    const BacklogLayer& layer = problem.layers[p];
    const BacklogOption& option = problem.kinds[layer.kind][options[p]];
    cost += option.price_s;
    backlog = std::max(0.0, backlog + layer.arrival_s - option.capacity_s);
    backlog = std::max(0.0, backlog + layer.dense_arrival_s - layer.dense_capacity_s);
  }
  return cost + problem.terminal(backlog);
}

double least_by_enumeration(const BacklogProblem& problem) {
  std::vector<int> options(problem.layers.size(), 0);
  double least = std::numeric_limits<double>::infinity();
  while (true) {
    least = std::min(least, value_of(problem, options));
    std::size_t p = 0;
    while (p < options.size() && ++options[p] == static_cast<int>(problem.kinds[problem.layers[p].kind].size())) {
      options[p++] = 0;
    }
    if (p == options.size()) return least;
  }
}

// Prices rise with capacity, as those of pipeline degrees do, some faster than they can pay back.
BacklogProblem random_problem(std::mt19937& random, int num_layers, int num_kinds) {
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  BacklogProblem problem;
  for (int kind = 0; kind < num_kinds; ++kind) {
    problem.kinds.emplace_back();
    BacklogOption option{5.0 + 5.0 * unit(random), unit(random)};
    for (int j = 0; j < 4; ++j) {
      problem.kinds.back().push_back(option);
      option.capacity_s += 2.0 * unit(random);
      option.price_s += 1.5 * unit(random);
    }
  }
  for (int p = 0; p < num_layers; ++p) {
    const int kind = static_cast<int>(random() % static_cast<unsigned>(num_kinds));
    problem.layers.push_back({kind, 4.0 * unit(random) - 0.5, unit(random), unit(random)});
  }
  return with_terminal(std::move(problem), 3.0, 3.0 - 2.0 * unit(random));
}

// Price 10 hides 1 s, price 10.5 hides 3 s. 2 s arrive before each of two layers: with the small option
// twice 2 s remain: 20 + 2; small then large: max(0, 1 + 2 - 3) = 0 remain: 20.5.
TEST(BacklogProblem, BuysCapacityWhereItIsCheaperThanTheTail) {
  BacklogProblem problem;
  problem.kinds = {{{10.0, 1.0}, {10.5, 3.0}}};
  problem.layers = {{0, 2.0, 0.0, 0.0}, {0, 2.0, 0.0, 0.0}};
  const BacklogSolution solution = solve(with_terminal(problem, 0.0, 0.0));
  EXPECT_DOUBLE_EQ(solution.value_s, 20.5);
  EXPECT_DOUBLE_EQ(solution.bound_s, 20.5);
  EXPECT_EQ(solution.options, (std::vector<int>{0, 1}));
}

// Nothing has arrived before the first layer, so its capacity is worth nothing.
TEST(BacklogProblem, CapacityBeforeTheWorkIsWorthNothing) {
  BacklogProblem problem;
  problem.kinds = {{{1.0, 0.0}, {1.5, 2.0}}, {{1.0, 0.0}}};
  problem.layers = {{0, 0.0, 0.0, 0.0}, {1, 4.0, 0.0, 0.0}};
  const BacklogSolution solution = solve(with_terminal(problem, 0.0, 0.0));
  EXPECT_DOUBLE_EQ(solution.value_s, 1.0 + 1.0 + 4.0);
  EXPECT_EQ(solution.options, (std::vector<int>{0, 0}));
}

TEST(BacklogProblem, ExtraSecondThatSavesLessThanASecondIsNotBought) {
  BacklogProblem problem;
  problem.kinds = {{{1.0, 0.0}, {3.0, 1.0}}};
  problem.layers = {{0, 5.0, 0.0, 0.0}};
  EXPECT_DOUBLE_EQ(solve(with_terminal(problem, 0.0, 0.0)).value_s, 6.0);
}

TEST(BacklogProblem, AgreesWithEnumeration) {
  constexpr unsigned kSeed = 20261122;
  RecordProperty("seed", static_cast<int>(kSeed));
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    const BacklogProblem problem = random_problem(random, 1 + i % 6, 1 + i % 3);
    const BacklogSolution solution = solve(problem);
    const double least = least_by_enumeration(problem);
    ASSERT_NEAR(solution.value_s, least, 1e-8 * least) << "instance " << i;
    ASSERT_NEAR(value_of(problem, solution.options), solution.value_s, 1e-12 * least) << "instance " << i;
    ASSERT_LE(solution.bound_s, least * (1.0 + 1e-9)) << "instance " << i;
    ASSERT_NEAR(solution.bound_s, least, 1e-8 * least) << "instance " << i;
  }
}

TEST(BacklogProblem, DroppedStatesShowInTheBound) {
  constexpr unsigned kSeed = 7;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  int loose = 0;
  for (int i = 0; i < 300; ++i) {
    const BacklogProblem problem = random_problem(random, 6, 3);
    const BacklogSolution solution = solve(problem, 2);
    const double least = least_by_enumeration(problem);
    ASSERT_GE(solution.value_s, least * (1.0 - 1e-9)) << "instance " << i;
    ASSERT_LE(solution.bound_s, least * (1.0 + 1e-9)) << "instance " << i;
    loose += solution.bound_s < solution.value_s * (1.0 - 1e-9) ? 1 : 0;
  }
  EXPECT_GT(loose, 0);
}

TEST(BacklogProblem, SameAnswerTwice) {
  std::mt19937 random(3);
  const BacklogProblem problem = random_problem(random, 40, 2);
  const BacklogSolution first = solve(problem), second = solve(problem);
  EXPECT_EQ(first.options, second.options);
  EXPECT_EQ(first.value_s, second.value_s);
}

}  // namespace
}  // namespace sextant
