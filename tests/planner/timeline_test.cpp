#include "planner/timeline.h"

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/hand_graph.h"

namespace sextant {
namespace {

TaskSpan span(double start, double end) {
  return {Seconds(start), Seconds(end)};
}

Seconds busy(const TimelineSummary& summary, Resource resource) {
  return summary.busy[static_cast<std::size_t>(resource)];
}

TEST(Makespan, IsTheLatestEnd) {
  EXPECT_EQ((Timeline{{span(0, 4), span(1, 9), span(2, 3)}}).makespan(), Seconds(9.0));
  EXPECT_EQ(Timeline{}.makespan(), Seconds(0.0));
}

TEST(Summarize, CountsBusyExposedAndIdleTime) {
  // compute 0-4 and 7-8, inter 3-6: compute busy 5, inter 3, exposed 4-6 = 2, idle 6-7 = 1.
  TaskGraph graph;
  append(graph, Resource::kCompute, 4);
  append(graph, Resource::kInter, 3);
  append(graph, Resource::kCompute, 1);
  const TimelineSummary summary = summarize(graph, {{span(0, 4), span(3, 6), span(7, 8)}});
  EXPECT_EQ(summary.step_time, Seconds(8.0));
  EXPECT_EQ(busy(summary, Resource::kCompute), Seconds(5.0));
  EXPECT_EQ(busy(summary, Resource::kInter), Seconds(3.0));
  EXPECT_EQ(busy(summary, Resource::kIntra), Seconds(0.0));
  EXPECT_EQ(summary.exposed_communication, Seconds(2.0));
  EXPECT_EQ(summary.idle, Seconds(1.0));
}

TEST(Summarize, CountsOverlappingUsersOfAResourceOnce) {
  // Two intra spans 0-3 and 2-5 as a run with measurement noise may report them: union 5.
  TaskGraph graph;
  append(graph, Resource::kIntra, 3);
  append(graph, Resource::kIntra, 3);
  const TimelineSummary summary = summarize(graph, {{span(0, 3), span(2, 5)}});
  EXPECT_EQ(busy(summary, Resource::kIntra), Seconds(5.0));
  EXPECT_EQ(summary.exposed_communication, Seconds(5.0));
}

TEST(Summarize, ATwoTierCollectiveOccupiesBothLinksButIsExposedOnce) {
  TaskGraph graph;
  append_two_tier(graph, 2);
  const TimelineSummary summary = summarize(graph, {{span(0, 2)}});
  EXPECT_EQ(busy(summary, Resource::kInter), Seconds(2.0));
  EXPECT_EQ(busy(summary, Resource::kIntra), Seconds(2.0));
  EXPECT_EQ(summary.exposed_communication, Seconds(2.0));
}

TEST(Summarize, IdleTimeBeforeTheFirstTaskCounts) {
  TaskGraph graph;
  append(graph, Resource::kCompute, 1);
  EXPECT_EQ(summarize(graph, {{span(5, 6)}}).idle, Seconds(5.0));
}

TEST(Summarize, RefusesATimelineOfAnotherGraph) {
  TaskGraph graph;
  append(graph, Resource::kCompute, 1);
  EXPECT_THROW(static_cast<void>(summarize(graph, Timeline{})), InternalError);
}

}  // namespace
}  // namespace sextant
