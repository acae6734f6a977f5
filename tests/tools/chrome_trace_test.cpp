#include "tools/chrome_trace.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sextant {
namespace {

using nlohmann::json;

// One expert on the compute queue, then one all-to-all that holds both link queues.
TaskGraph two_tasks() {
  TaskGraph graph;
  graph.tasks.push_back(
      {.kind = TaskKind::kExpert,
       .phase = Phase::kForward,
       .layer = 3,
       .chunk = 1,
       .num_chunks = 4,
       .work = KernelWork{.op = Operator::kExpert, .shape = {.rows = 2, .model_dim = 4, .hidden_dim = 8, .experts = 1}},
       .uses = {Resource::kCompute},
       .queue = Resource::kCompute});
  graph.tasks.push_back({.kind = TaskKind::kCombine,
                         .phase = Phase::kForward,
                         .layer = 3,
                         .chunk = 1,
                         .num_chunks = 4,
                         .work = CollectiveWork{.op = Collective::kAllToAll,
                                                .group = {.nodes = 2, .ranks_per_node = 2},
                                                .buffer = Bytes(4096.0)},
                         .group = GroupKind::kEp,
                         .uses = {Resource::kIntra, Resource::kInter},
                         .queue = Resource::kInter,
                         .second_queue = Resource::kIntra,
                         .dependencies = {0}});
  graph.order[static_cast<int>(Resource::kCompute)] = {0};
  graph.order[static_cast<int>(Resource::kInter)] = {1};
  graph.order[static_cast<int>(Resource::kIntra)] = {1};
  return graph;
}

json trace_events() {
  const TaskGraph graph = two_tasks();
  const Timeline timeline{
      .spans = {{.start = Seconds(0.001), .end = Seconds(0.0035)}, {.start = Seconds(0.004), .end = Seconds(0.005)}}};
  const TraceProcess process{.name = "rank 5", .pid = 5, .sort_index = 11, .timeline = &timeline};
  return json::parse(chrome_trace(graph, 4, {&process, 1})).at("traceEvents");
}

json complete_events() {
  json tasks = json::array();
  for (const json& event : trace_events()) {
    if (event.at("ph") == "X") tasks.push_back(event);
  }
  return tasks;
}

TEST(ChromeTrace, TimesAreMicroseconds) {
  // 1 ms .. 3.5 ms: ts 1000 us, dur 2500 us
  const json expert = complete_events().at(0);
  EXPECT_DOUBLE_EQ(expert.at("ts"), 1000.0);
  EXPECT_DOUBLE_EQ(expert.at("dur"), 2500.0);
  EXPECT_EQ(expert.at("pid"), 5);
  EXPECT_EQ(expert.at("tid"), static_cast<int>(Resource::kCompute));
}

TEST(ChromeTrace, AKernelHasFlopsAndACollectiveBytes) {
  const json events = complete_events();
  EXPECT_GT(events.at(0).at("args").at("flops"), 0.0);
  EXPECT_EQ(events.at(0).at("args").at("layer"), 3);
  EXPECT_EQ(events.at(0).at("args").at("chunk"), "2/4");
  EXPECT_EQ(events.at(1).at("args").at("bytes"), 4096.0);
  EXPECT_EQ(events.at(1).at("args").at("ranks"), 4);
}

TEST(ChromeTrace, ATaskThatHoldsTwoQueuesIsDrawnInBoth) {
  const json events = complete_events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events.at(1).at("name"), events.at(2).at("name"));
  EXPECT_NE(events.at(1).at("tid"), events.at(2).at("tid"));
}

TEST(ChromeTrace, ProcessesAndUsedQueuesAreNamedAndSorted) {
  std::map<std::string, int> metadata;
  for (const json& event : trace_events()) {
    if (event.at("ph") != "M") continue;
    ++metadata[event.at("name")];
    const json& args = event.at("args");
    if (event.at("name") == "process_name") {
      EXPECT_EQ(args.at("name"), "rank 5");
    } else if (event.at("name") == "process_sort_index") {
      EXPECT_EQ(args.at("sort_index"), 11);
    }
  }
  const std::map<std::string, int> expected{
      {"process_name", 1}, {"process_sort_index", 1}, {"thread_name", 3}, {"thread_sort_index", 3}};
  EXPECT_EQ(metadata, expected);
}

}  // namespace
}  // namespace sextant
