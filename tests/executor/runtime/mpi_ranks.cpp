// Runs every test of the program on all ranks of one MPI job: mpirun -np 4 runtime_mpi_test.
#include <cstdio>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/executor/runtime/on_ranks.h"

namespace sextant::testing {
namespace {

World* world_of_job = nullptr;

// Ranks other than 0 print only what fails.
class FailurePrinter : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fmt::print("rank {}: {}:{}: {}\n", world_of_job->rank(), result.file_name() != nullptr ? result.file_name() : "",
               result.line_number(), result.message());
  }
};

int run_tests(World& world) {
  world_of_job = &world;
  auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);
  }
  return RUN_ALL_TESTS();
}

}  // namespace

void on_ranks(int num_ranks, const std::function<void(Ranks&)>& body) {
  Communicator& all = world_of_job->communicator();
  ASSERT_LE(num_ranks, all.size());
  const bool takes_part = all.rank() < num_ranks;
  const std::unique_ptr<Communicator> part = all.split(takes_part ? 0 : 1);
  Ranks ranks{.device = world_of_job->device(), .communicator = *part};
  if (takes_part) body(ranks);
}

void on_world(const std::function<void(World&)>& body) {
  ASSERT_EQ(world_of_job->size(), 4);
  body(*world_of_job);
}

}  // namespace sextant::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const sextant::Topology topology{.nodes = 2, .devices_per_node = 2};
  return sextant::launch(sextant::Backend::kMpi, {.topology = topology}, sextant::testing::run_tests);
}
