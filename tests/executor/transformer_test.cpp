#include "executor/transformer.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/graph_executor.h"
#include "executor/runtime/runtime.h"
#include "models/error.h"
#include "planner/schedule.h"
#include "planner/task_graph.h"
#include "tests/executor/training_run.h"

namespace sextant {
namespace {

StepShape tiny_step(ExpertKind kind, double capacity_factor) {
  Network network;
  network.name = "tiny";
  network.vocabulary = 7;
  network.layers = 2;
  network.model_dim = 6;
  network.heads = 2;
  network.kv_heads = 1;
  network.head_dim = 4;
  network.expert_kind = kind;
  network.expert_hidden_dim = 5;
  network.num_experts = 3;
  network.top_k = 2;
  network.capacity_factor = capacity_factor;
  network.aux_loss_coefficient = 0.3;
  return {.network = network,
          .layout = ParallelLayout({}, {1, 1}),
          .micro_batch = 2,
          .num_micro_batches = 2,
          .sequence = 5,
          .element_bytes = 8};
}

const OptimizerOptions kFrozen{.learning_rate = 0.0, .min_learning_rate = 0.0, .warmup_steps = 0, .weight_decay = 0.0};

// One rank's model with a graph to run it.
class Model {
 public:
  Model(const StepShape& step, World& world, const OptimizerOptions& optimizer, int forward_degree, int backward_degree)
      : step_(step),
        transformer(step, world, /*seed=*/5, {.optimizer = optimizer}),
        graph_(make_graph(step, forward_degree, backward_degree)),
        executor_(graph_, topological_order(graph_), world.device(), transformer) {
    transformer.set_batch(random_tokens(step, 5, 0), random_tokens(step, 5, 1));
  }

  // Values of everyday size, so that every path of the network matters to the loss.
  void randomise(unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    for (const Parameter& p : transformer.parameters()) {
      for (double& value : transformer.value(p)) value = (p.decay ? 0.0 : 1.0) + 0.4 * normal(generator);
    }
  }

  StepResult run() {
    static_cast<void>(executor_.run());
    return transformer.result();
  }

  double objective() {
    const StepResult result = run();
    return result.loss + step_.network.aux_loss_coefficient * step_.network.layers * result.auxiliary_loss;
  }

 private:
  static TaskGraph make_graph(const StepShape& step, int forward_degree, int backward_degree) {
    Schedule schedule = plain_schedule(step, Policy::kFsmoe);
    for (LayerDegrees& degrees : schedule.degrees) degrees = {forward_degree, backward_degree};
    return build_step_graph(step, schedule);
  }

  StepShape step_;

 public:
  Transformer<double> transformer;

 private:
  TaskGraph graph_;
  GraphExecutor executor_;
};

void on_one_rank(const std::function<void(World&)>& body) {
  launch(Backend::kLocal, {.num_ranks = 1, .topology = {}}, [&](World& world) {
    body(world);
    return 0;
  });
}

struct GradientCase {
  const char* name;
  ExpertKind kind;
  double capacity_factor;
  bool drops;
};

class TransformerGradient : public testing::TestWithParam<GradientCase> {};

// Central differences of the objective (loss and auxiliary loss) for every element of every parameter.
TEST_P(TransformerGradient, EqualsFiniteDifferences) {
  const GradientCase& c = GetParam();
  on_one_rank([&](World& world) {
    Model model(tiny_step(c.kind, c.capacity_factor), world, kFrozen, 2, 3);
    model.randomise(/*seed=*/23);
    for (const Parameter& p : model.transformer.parameters()) {
      EXPECT_EQ(model.run().dropped_fraction > 0.0, c.drops);
      const std::span<const double> current = model.transformer.gradient(p);
      const std::vector<double> gradient(current.begin(), current.end());
      const std::span<double> value = model.transformer.value(p);
      double largest = 0.0;
      double error = 0.0;
      for (std::size_t i = 0; i < value.size(); ++i) {
        constexpr double kStep = 1e-5;
        const double before = value[i];
        value[i] = before + kStep;
        const double above = model.objective();
        value[i] = before - kStep;
        const double below = model.objective();
        value[i] = before;
        largest = std::max(largest, std::abs(gradient[i]));
        error = std::max(error, std::abs(gradient[i] - (above - below) / (2 * kStep)));
      }
      EXPECT_GT(largest, 1e-6) << p.name << " does not matter to the loss";
      EXPECT_LE(error, 1e-5 * largest) << p.name;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(, TransformerGradient,
                         testing::Values(GradientCase{"Swiglu", ExpertKind::kSwiglu, 1.5, false},
                                         GradientCase{"SwigluDrops", ExpertKind::kSwiglu, 0.7, true},
                                         GradientCase{"Gelu", ExpertKind::kGelu, 1.5, false}),
                         [](const auto& test_case) { return test_case.param.name; });

TEST(Transformer, DegreesDoNotChangeOneRank) {
  on_one_rank([](World& world) {
    Model plain(tiny_step(ExpertKind::kSwiglu, 0.7), world, {}, 1, 1);
    Model chunked(tiny_step(ExpertKind::kSwiglu, 0.7), world, {}, 4, 3);
    for (int step = 0; step < 3; ++step) EXPECT_NEAR(plain.run().loss, chunked.run().loss, 1e-12);
  });
}

TEST(Transformer, LossFallsOnABatchSeenAgain) {
  on_one_rank([](World& world) {
    Model model(tiny_step(ExpertKind::kSwiglu, 1.5), world, {.learning_rate = 0.01, .warmup_steps = 0}, 1, 1);
    const double first = model.run().loss;
    // With small initial weights all tokens are nearly equally likely.
    EXPECT_NEAR(first, std::log(7.0), 0.05);
    double last = first;
    for (int step = 0; step < 60; ++step) last = model.run().loss;
    EXPECT_LT(last, 0.5 * first);
  });
}

TEST(Transformer, GradientsAreReportedBeforeClipping) {
  on_one_rank([](World& world) {
    const StepShape step = tiny_step(ExpertKind::kSwiglu, 1.5);
    OptimizerOptions clipped = kFrozen;
    clipped.clip_norm = 1e-3;
    Model model(step, world, clipped, 1, 1);
    const double norm = model.run().gradient_norm;
    double squares = 0.0;
    for (const Parameter& p : model.transformer.parameters()) {
      for (const double g : model.transformer.gradient(p)) squares += g * g;
    }
    EXPECT_GT(norm, 1e-3);
    EXPECT_NEAR(norm, std::sqrt(squares), 1e-12);
  });
}

TEST(Transformer, FirstUpdateMovesEveryElementByTheLearningRate) {
  // AdamW's first update without decay is lr * g / (|g| + epsilon).
  on_one_rank([](World& world) {
    OptimizerOptions options{.learning_rate = 0.01, .warmup_steps = 0, .epsilon = 0.0, .weight_decay = 0.0};
    Model model(tiny_step(ExpertKind::kSwiglu, 1.5), world, options, 1, 1);
    const Parameter& p = model.transformer.parameters().front();
    const std::vector<double> before(model.transformer.value(p).begin(), model.transformer.value(p).end());
    EXPECT_EQ(model.run().learning_rate, 0.01);
    EXPECT_EQ(model.transformer.step(), 1);
    for (std::size_t i = 0; i < before.size(); ++i) {
      const double sign = std::copysign(1.0, model.transformer.gradient(p)[i]);
      EXPECT_NEAR(model.transformer.value(p)[i], before[i] - 0.01 * sign, 1e-12);
    }
  });
}

TEST(Transformer, BalancedRoutingHasAuxiliaryLossNearOne) {
  // E * sum of m_e c_e with m_e = 1/E is 1 whatever the choices; small initial weights are nearly there.
  on_one_rank([](World& world) {
    Model model(tiny_step(ExpertKind::kSwiglu, 1.5), world, kFrozen, 1, 1);
    EXPECT_NEAR(model.run().auxiliary_loss, 1.0, 0.02);
  });
}

TEST(Transformer, RefusesPipelineStagesAndContextParallelism) {
  const auto build = [](const ParallelDegrees& degrees) {
    launch(Backend::kLocal, {.num_ranks = 2, .topology = {}}, [&](World& world) {
      StepShape step = tiny_step(ExpertKind::kSwiglu, 1.5);
      step.sequence = 6;
      step.layout = ParallelLayout(degrees, {1, 2});
      Transformer<double> transformer(step, world, 1, {});
      return 0;
    });
  };
  EXPECT_THROW(build({.pp = 2}), ConfigError);
  EXPECT_THROW(build({.cp = 2, .edp = 2}), ConfigError);
}

TEST(LearningRateAt, WarmsUpThenFollowsACosine) {
  const OptimizerOptions options{.learning_rate = 1.0, .min_learning_rate = 0.2, .warmup_steps = 4, .total_steps = 12};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 0), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 3), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 4), 1.0);
  EXPECT_NEAR(learning_rate_at(options, 8), 0.6, 1e-15);  // half way: (1 + 0.2) / 2
  EXPECT_NEAR(learning_rate_at(options, 12), 0.2, 1e-15);
  EXPECT_NEAR(learning_rate_at(options, 100), 0.2, 1e-15);
}

TEST(LearningRateAt, IsConstantAfterWarmUpWithoutATotal) {
  const OptimizerOptions options{.learning_rate = 1.0, .warmup_steps = 0, .total_steps = 0};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 0), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 1000), 1.0);
}

}  // namespace
}  // namespace sextant
