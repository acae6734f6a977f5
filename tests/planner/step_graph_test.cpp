#include <iostream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "planner/schedule.h"
#include "planner/simulator.h"
#include "tests/planner/block_graph.h"
#include "tests/planner/small_step.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = GradientSlot::Kind;
using Names = std::vector<std::string>;

Schedule whole_units(const StepShape& step, Policy policy, LayerDegrees degrees) {
  return {policy, std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers), degrees),
          whole_unit_slices(step, policy)};
}

// The first slice over dp, that of the last layer, goes to `slot`, all others to the tail.
Schedule first_dp_slice_in(Schedule schedule, const GradientSlot& slot) {
  for (GradientSlice& slice : schedule.gradients) {
    const bool first = slice.group == GroupKind::kDp && slice.begin == 0;
    slice.slot = first ? slot : GradientSlot{Kind::kTail, 0};
  }
  return schedule;
}

// D A E S C with the chunk's number, GAR for a gradient slice, else the kind's text.
std::string short_name(const Task& task) {
  static const std::map<TaskKind, std::string> kLetters = {
      {TaskKind::kDispatch, "D"},      {TaskKind::kExpertGather, "A"}, {TaskKind::kExpert, "E"},
      {TaskKind::kExpertScatter, "S"}, {TaskKind::kCombine, "C"},      {TaskKind::kGradientReduce, "GAR"}};
  const auto letter = kLetters.find(task.kind);
  if (letter == kLetters.end()) return to_text(task.kind);
  return task.kind == TaskKind::kGradientReduce ? letter->second : letter->second + std::to_string(task.chunk + 1);
}

// What `queue` runs for `layer` in `phase`, in order; of the gradient slices only those over dp.
Names queue_of(const TaskGraph& graph, Resource queue, Phase phase, int layer) {
  Names names;
  for (const TaskId id : graph.order[static_cast<std::size_t>(queue)]) {
    const Task& task = graph.tasks[static_cast<std::size_t>(id)];
    const bool other_slice = task.kind == TaskKind::kGradientReduce && task.group != GroupKind::kDp;
    if (task.phase == phase && task.layer == layer && !other_slice) names.push_back(short_name(task));
  }
  return names;
}

int count_kind(const TaskGraph& graph, TaskKind kind) {
  return static_cast<int>(
      std::count_if(graph.tasks.begin(), graph.tasks.end(), [kind](const Task& task) { return task.kind == kind; }));
}

// ---- which queue carries what, in which order (spec 6.1) ----

TEST(StepGraph, FsmoeGivesEachLinkItsQueueAndPutsTheSliceBetweenDispatchAndCombine) {
  const StepShape step = small_step(2);
  const Schedule schedule = first_dp_slice_in(whole_units(step, Policy::kFsmoe, {2, 3}), {Kind::kMoe, 0});
  const TaskGraph graph = build_step_graph(step, schedule);
  EXPECT_THAT(queue_of(graph, Resource::kInter, Phase::kForward, 0), ElementsAre("D1", "D2", "C1", "C2"));
  EXPECT_THAT(queue_of(graph, Resource::kIntra, Phase::kForward, 0),
              ElementsAre("attention_gather", "attention_scatter", "A1", "A2", "S1", "S2"));
  EXPECT_THAT(queue_of(graph, Resource::kCompute, Phase::kForward, 0),
              ElementsAre("attention", "route", "E1", "E2", "unroute"));
  EXPECT_THAT(queue_of(graph, Resource::kInter, Phase::kBackward, 0),
              ElementsAre("D1", "D2", "D3", "GAR", "C1", "C2", "C3", "GAR"));  // the last one is the tail
  EXPECT_THAT(queue_of(graph, Resource::kIntra, Phase::kBackward, 0),
              ElementsAre("A1", "A2", "A3", "S1", "S2", "S3", "attention_gather", "attention_scatter"));
  EXPECT_THAT(queue_of(graph, Resource::kCompute, Phase::kBackward, 0),
              ElementsAre("unroute", "E1", "E2", "E3", "route", "attention"));
}

TEST(StepGraph, TutelPutsAllCommunicationInOneQueueAndTheGradientsBehindTheLayer) {
  const StepShape step = small_step(2);
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kTutel, {2, 2}));
  EXPECT_THAT(queue_of(graph, Resource::kInter, Phase::kForward, 1),
              ElementsAre("attention_gather", "attention_scatter", "D1", "A1", "D2", "A2", "S1", "C1", "S2", "C2"));
  EXPECT_THAT(
      queue_of(graph, Resource::kInter, Phase::kBackward, 1),
      ElementsAre("D1", "A1", "D2", "A2", "S1", "C1", "S2", "C2", "attention_gather", "attention_scatter", "GAR"));
  EXPECT_THAT(graph.order[static_cast<std::size_t>(Resource::kIntra)], IsEmpty());
}

TEST(StepGraph, TutelImprovedReducesTheGradientsBesideTheNextAttention) {
  const StepShape step = small_step(2);
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kTutelImproved, {1, 1}));
  EXPECT_THAT(queue_of(graph, Resource::kInter, Phase::kBackward, 1),
              ElementsAre("D1", "A1", "S1", "C1", "attention_gather", "attention_scatter"));
  EXPECT_THAT(queue_of(graph, Resource::kInter, Phase::kBackward, 0),
              ElementsAre("D1", "A1", "S1", "C1", "attention_gather", "GAR", "attention_scatter", "GAR"));
}

TEST(StepGraph, FsmoeNoIioPutsTheSliceBetweenTheLastGatherAndTheFirstScatter) {
  const StepShape step = small_step(2);
  const Schedule schedule = first_dp_slice_in(whole_units(step, Policy::kFsmoeNoIio, {2, 2}), {Kind::kMoe, 0});
  const TaskGraph graph = build_step_graph(step, schedule);
  EXPECT_THAT(queue_of(graph, Resource::kInter, Phase::kBackward, 0),
              ElementsAre("D1", "A1", "D2", "A2", "GAR", "S1", "C1", "S2", "C2", "attention_gather",
                          "attention_scatter", "GAR"));
}

TEST(StepGraph, SequentialRunsEverythingInOneQueue) {
  const StepShape step = small_step(1);
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kSequential, {1, 1}));
  EXPECT_EQ(graph.order[static_cast<std::size_t>(Resource::kCompute)].size(), graph.tasks.size());
  EXPECT_THAT(queue_of(graph, Resource::kCompute, Phase::kForward, 0),
              ElementsAre("attention_gather", "attention", "attention_scatter", "route", "D1", "A1", "E1", "S1", "C1",
                          "unroute"));
}

TEST(StepGraph, OnOneNodeTheCommonQueueIsThatOfTheIntraLinks) {
  StepShape step = small_step(1);
  step.layout = ParallelLayout({.dp = 2, .tp = 1, .ep = 2, .esp = 1}, {.nodes = 1, .devices_per_node = 2});
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kTutel, {1, 1}));
  EXPECT_THAT(graph.order[static_cast<std::size_t>(Resource::kInter)], IsEmpty());
  EXPECT_THAT(queue_of(graph, Resource::kIntra, Phase::kForward, 0), ElementsAre("D1", "C1"));
}

TEST(StepGraph, ACollectiveOverBothTiersHoldsBothQueuesUnderFsmoe) {
  // tp = 1: dp spans two nodes of two ranks.
  const StepShape step = small_step(1, {.dp = 4, .ep = 2, .esp = 2});
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kFsmoe, {1, 1}));
  for (const Task& task : graph.tasks) {
    if (task.kind != TaskKind::kGradientReduce) continue;
    EXPECT_THAT(task.uses, ElementsAre(Resource::kInter, Resource::kIntra));
    EXPECT_EQ(task.queue, Resource::kInter);
    EXPECT_EQ(task.second_queue, Resource::kIntra);
  }
  EXPECT_GT(count_kind(graph, TaskKind::kGradientReduce), 0);
}

TEST(StepGraph, GroupsOfOneRankHaveNoTasks) {
  const StepShape step{small_network(2), ParallelLayout({}, {}), 1, 1, 480, 4};
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kFsmoe, {2, 2}));
  for (const Task& task : graph.tasks) EXPECT_TRUE(std::holds_alternative<KernelWork>(task.work)) << task_name(task);
  EXPECT_EQ(count_kind(graph, TaskKind::kExpert), 2 * 2 * 2);  // layers, phases, chunks
}

TEST(StepGraph, ReducesGradientsOnlyInTheLastMicroBatch) {
  StepShape step = small_step(2);
  const int once =
      count_kind(build_step_graph(step, whole_units(step, Policy::kTutel, {1, 1})), TaskKind::kGradientReduce);
  step.num_micro_batches = 3;
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kTutel, {1, 1}));
  EXPECT_EQ(count_kind(graph, TaskKind::kGradientReduce), once);
  for (const Task& task : graph.tasks) {
    if (task.kind == TaskKind::kGradientReduce) {
      EXPECT_EQ(task.micro_batch, 2);
    }
  }
  EXPECT_EQ(count_kind(graph, TaskKind::kAttention), 2 * 2 * 3);
}

TEST(StepGraph, ChunksCarryTheWholeCapacityWhereItDoesNotDivide) {
  StepShape step = small_step(1);  // 240 rows in 7 chunks: 34 or 35 each
  const TaskGraph graph = build_step_graph(step, whole_units(step, Policy::kFsmoe, {7, 1}));
  double bytes = 0.0;
  for (const Task& task : graph.tasks) {
    if (task.kind != TaskKind::kDispatch || task.phase != Phase::kForward) continue;
    bytes += std::get<CollectiveWork>(task.work).buffer.value();
  }
  EXPECT_DOUBLE_EQ(bytes, dispatch_work(step, 240).buffer.value());
}

// ---- what it refuses ----

std::string complaint(const StepShape& step, const Schedule& schedule) {
  try {
    static_cast<void>(build_step_graph(step, schedule));
  } catch (const InternalError& error) {
    return error.what();
  }
  return {};
}

TEST(StepGraph, RefusesAWrongNumberOfDegrees) {
  const StepShape step = small_step(2);
  Schedule schedule = whole_units(step, Policy::kFsmoe, {1, 1});
  schedule.degrees.pop_back();
  EXPECT_THAT(complaint(step, schedule), HasSubstr("1 degrees for 2 layers"));
}

TEST(StepGraph, RefusesSlicesThatDoNotCoverTheGradients) {
  const StepShape step = small_step(2);
  Schedule schedule = whole_units(step, Policy::kFsmoe, {1, 1});
  schedule.gradients.pop_back();
  EXPECT_THAT(complaint(step, schedule), HasSubstr("slices cover"));
}

TEST(StepGraph, RefusesASliceBeforeItsGradientExists) {
  const StepShape step = small_step(2);
  const Schedule schedule = first_dp_slice_in(whole_units(step, Policy::kFsmoe, {1, 1}), {Kind::kMoe, 1});
  EXPECT_THAT(complaint(step, schedule), HasSubstr("issued before its gradient exists"));
}

// ---- times ----

// Prices the block's tasks by `block`, the gradients over dp by `dp_reduce`, everything else at nothing.
FakeCostModel block_costs(const HandBlock& block, std::int64_t backward_expert, Seconds dp_reduce = Seconds(0.0)) {
  const ChunkTimes forward = block.chunk();
  const auto kernel = [forward, backward_expert](const KernelWork& work) {
    if (work.op != Operator::kExpert) return Seconds(0.0);
    return work.pass == Pass::kForward ? forward.expert : Seconds(static_cast<double>(backward_expert));
  };
  const auto collective = [forward, dp_reduce](const CollectiveWork& work) {
    switch (work.op) {
      case Collective::kAllToAll:
        return forward.all_to_all;
      case Collective::kAllGather:
        return forward.gather;
      case Collective::kReduceScatter:
        return forward.scatter;
      case Collective::kAllReduce:
        return work.group.uses_intra() ? Seconds(0.0) : dp_reduce;
    }
    return Seconds(0.0);
  };
  return {kernel, collective};
}

constexpr Policy policy_with(BlockQueues queues) {
  if (queues == BlockQueues::kSerial) return Policy::kSequential;
  return queues == BlockQueues::kThree ? Policy::kFsmoe : Policy::kTutel;
}

TEST(StepGraphTime, IsForwardPlusBackwardBlockOn10000RandomInstances) {
  constexpr std::uint64_t kSeed = 61;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  // tp = 1: no attention collectives, so a layer is its block.
  const StepShape step = small_step(1, {.dp = 4, .ep = 2, .esp = 2});
  for (int i = 0; i < 10000; ++i) {
    HandBlock forward = blocks.next();
    HandBlock backward = forward;
    backward.expert = blocks.duration();
    if (blocks.coin()) backward.degree = 17 - forward.degree;
    const FakeCostModel costs = block_costs(forward, backward.expert);
    const Schedule schedule = whole_units(step, policy_with(forward.queues), {forward.degree, backward.degree});
    const auto time = [](const HandBlock& block) {
      return closed_form_time(block.chunk(), block.degree, Seconds(0.0), block.queues);
    };
    ASSERT_EQ(simulate(build_step_graph(step, schedule), costs).makespan(), time(forward) + time(backward))
        << "instance " << i;
  }
}

TEST(StepGraphTime, UnevenPartsTakeWhatTheirMeanSaysToOnePercent) {
  // 240 rows in 7 and 11 parts; every task costs a start-up of 3 s and 1 s (experts 2 s) a row of its part.
  const StepShape step = small_step(1, {.dp = 4, .ep = 2, .esp = 2});
  const std::int64_t rows_of_block = step.capacity();
  const FakeCostModel costs(
      [](const KernelWork& work) {
        if (work.op != Operator::kExpert) return Seconds(0.0);
        return Seconds(3.0 + 2.0 * static_cast<double>(work.shape.rows) / 4.0);
      },
      [&](const CollectiveWork& work) {
        if (work.op == Collective::kAllReduce) return Seconds(0.0);
        const double whole = work.op == Collective::kAllToAll ? dispatch_work(step, rows_of_block).buffer.value()
                                                              : expert_gather_work(step, rows_of_block).buffer.value();
        return Seconds(3.0 + work.buffer.value() / whole * static_cast<double>(rows_of_block));
      });
  const auto block = [&](Pass pass, int degree) {
    return closed_form_time(chunk_times(step, costs, pass, degree), degree, Seconds(0.0), BlockQueues::kThree);
  };
  const double expected = (block(Pass::kForward, 7) + block(Pass::kBackward, 11)).value();
  const Timeline timeline = simulate(build_step_graph(step, whole_units(step, Policy::kFsmoe, {7, 11})), costs);
  EXPECT_NEAR(timeline.makespan().value(), expected, 0.01 * expected);
}

TEST(StepGraphTime, ASliceInTheBlockCostsWhatTheClosedFormSaysOn2000RandomInstances) {
  constexpr std::uint64_t kSeed = 62;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  // tp = 2 and attention that takes no time: its two collectives are a gather and a scatter in each phase.
  const StepShape step = small_step(2);
  for (int i = 0; i < 2000; ++i) {
    HandBlock block = blocks.next();
    if (block.queues == BlockQueues::kSerial) block.queues = BlockQueues::kOneLink;
    block.gradient = blocks.duration();
    const bool fsmoe = block.queues == BlockQueues::kThree;
    const Policy policy = fsmoe ? Policy::kFsmoe : Policy::kFsmoeNoIio;
    const Schedule schedule =
        first_dp_slice_in(whole_units(step, policy, {block.degree, block.degree}), {Kind::kMoe, 0});
    const Seconds slice(static_cast<double>(block.gradient));
    const FakeCostModel costs = block_costs(block, block.expert, slice);
    const Seconds alone = closed_form_time(block.chunk(), block.degree, Seconds(0.0), block.queues);
    const Seconds with = closed_form_time(block.chunk(), block.degree, slice, block.queues);
    const Seconds dense = block.chunk().gather + block.chunk().scatter;
    // Two layers, two phases; then the tail: the gradients of layer 0, which wait for its attention scatter
    // behind the head's gradients, a collective over both tiers.
    ASSERT_EQ(simulate(build_step_graph(step, schedule), costs).makespan(), 3.0 * alone + with + 4.0 * dense + slice)
        << "instance " << i;
  }
}

TEST(StepGraphTime, ExposedGradientsHoldUpTheNextLayer) {
  // Every task of the block takes 1 s in one chunk: a block is 5 s, with attention collectives 7 s a layer
  // and phase; two layers 28 s; gradients of each layer over dp 100 s behind it.
  const StepShape step = small_step(2);
  const HandBlock block{.all_to_all = 1, .gather = 1, .expert = 1, .scatter = 1};
  const FakeCostModel costs = block_costs(block, 1, Seconds(100.0));
  const auto time = [&](Policy policy) {
    return simulate(build_step_graph(step, whole_units(step, policy, {1, 1})), costs).makespan();
  };
  EXPECT_EQ(time(Policy::kSequential), Seconds(228.0));
  EXPECT_EQ(time(Policy::kTutel), Seconds(228.0));
  // Beside the attention of layer 0 the slice takes no longer than alone, but its scatter waits in the queue.
  EXPECT_EQ(time(Policy::kTutelImproved), Seconds(228.0));
}

TEST(StepGraphTime, ASliceBesideTheAttentionIsHiddenByIt) {
  // As above with an attention of 90 s (forward and backward): 28 + 4 * 90 = 388; tutel adds 2 * 100;
  // tutel_improved hides 90 of the first slice: 388 + 10 + 100.
  const StepShape step = small_step(2);
  const FakeCostModel costs(
      [](const KernelWork& work) {
        return work.op == Operator::kAttention ? Seconds(90.0) : Seconds(work.op == Operator::kExpert ? 1.0 : 0.0);
      },
      [](const CollectiveWork& work) {
        if (work.op != Collective::kAllReduce) return Seconds(1.0);
        return Seconds(work.group.uses_intra() ? 0.0 : 100.0);
      });
  const auto time = [&](Policy policy) {
    return simulate(build_step_graph(step, whole_units(step, policy, {1, 1})), costs).makespan();
  };
  EXPECT_EQ(time(Policy::kTutel), Seconds(588.0));
  EXPECT_EQ(time(Policy::kTutelImproved), Seconds(498.0));
}

}  // namespace
}  // namespace sextant
