#include "executor/runtime/local/local_backend.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <thread>
#include <utility>

#include "executor/runtime/cpu/cpu_device.h"
#include "executor/runtime/local/local_communicator.h"
#include "executor/runtime/local/local_job.h"
#include "models/error.h"

namespace sextant {
namespace {

class LocalWorld : public World {
 public:
  LocalWorld(const std::shared_ptr<LocalJob>& job, const Topology& topology, int rank)
      : topology_(topology),
        communicator_(job, job->world_group(), rank),
        device_(topology.num_ranks(), [job, rank] { job->fail(rank, fmt::format("rank {} has failed", rank)); }) {}

  [[nodiscard]] int rank() const override { return communicator_.rank(); }
  [[nodiscard]] int size() const override { return communicator_.size(); }
  [[nodiscard]] std::string backend() const override { return "local"; }
  [[nodiscard]] Topology topology() const override { return topology_; }
  [[nodiscard]] Device& device() override { return device_; }
  [[nodiscard]] Communicator& communicator() override { return communicator_; }

 private:
  Topology topology_;
  LocalCommunicator communicator_;
  CpuDevice device_;
};

Topology topology_of(const LaunchOptions& options) {
  const int given = options.topology ? options.topology->num_ranks() : 1;
  const int num_ranks = options.num_ranks.value_or(given);
  if (num_ranks < 1) throw ConfigError(fmt::format("a job of {} ranks; at least 1 is needed", num_ranks));
  if (!options.topology) return Topology{.nodes = 1, .devices_per_node = num_ranks};
  if (given != num_ranks) {
    throw ConfigError(fmt::format("{} ranks asked for, but the topology has {} nodes of {} devices", num_ranks,
                                  options.topology->nodes, options.topology->devices_per_node));
  }
  return *options.topology;
}

std::string reason_of(int rank, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return fmt::format("rank {} has failed: {}", rank, e.what());
  } catch (...) {
    return fmt::format("rank {} has failed", rank);
  }
}

struct RankOutcome {
  int exit_code = 0;
  std::exception_ptr error;
};

RankOutcome run_rank(const std::shared_ptr<LocalJob>& job, const Topology& topology, int rank,
                     const std::function<int(World&)>& body) {
  RankOutcome outcome;
  try {
    LocalWorld world(job, topology, rank);
    outcome.exit_code = body(world);
  } catch (...) {
    outcome.error = std::current_exception();
    job->fail(rank, reason_of(rank, outcome.error));
  }
  job->leave(rank);
  return outcome;
}

}  // namespace

int launch_local(const LaunchOptions& options, const std::function<int(World&)>& body) {
  const Topology topology = topology_of(options);
  const auto num_ranks = static_cast<std::size_t>(topology.num_ranks());
  const auto job = std::make_shared<LocalJob>(topology.num_ranks(), options.patience);
  std::vector<RankOutcome> outcomes(num_ranks);
  std::vector<std::thread> threads;
  threads.reserve(num_ranks);
  for (std::size_t rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] { outcomes[rank] = run_rank(job, topology, static_cast<int>(rank), body); });
  }
  for (std::thread& thread : threads) thread.join();

  if (const std::optional<int> first = job->first_failed_rank()) {
    const std::exception_ptr error = outcomes[static_cast<std::size_t>(*first)].error;
    if (error) std::rethrow_exception(error);
  }
  int exit_code = 0;
  for (const RankOutcome& outcome : outcomes) {
    if (outcome.error) std::rethrow_exception(outcome.error);
    exit_code = std::max(exit_code, outcome.exit_code);
  }
  return exit_code;
}

}  // namespace sextant
