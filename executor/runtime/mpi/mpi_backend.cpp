#include "executor/runtime/mpi/mpi_backend.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <utility>

#include <mpi.h>
#include <unistd.h>

#include "executor/runtime/common_error.h"
#include "executor/runtime/cpu/cpu_device.h"
#include "executor/runtime/host_topology.h"
#include "executor/runtime/mpi/mpi_communicator.h"
#include "executor/runtime/mpi/mpi_ending.h"
#include "executor/runtime/mpi/mpi_session.h"
#include "models/error.h"

namespace sextant {
namespace {

constexpr int kOutcomeTag = 1;  // on MPI_COMM_WORLD; another tag there is mpi_ending.cpp's

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) throw BackendError("gethostname: the host has no name");
  return name.data();
}

// The same for all processes under one kernel, whatever host names their namespaces give.
std::string machine_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  return file >> id ? id : host_name();
}

MPI_Comm duplicate_world() {
  MPI_Comm world = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world), "MPI_Comm_dup");
  return world;
}

// Keeps memory that MPI may still write to when a collective was given up.
class MpiDevice : public CpuDevice {
 public:
  MpiDevice(MpiSession& session, int ranks_on_machine)
      : CpuDevice(ranks_on_machine, [&session] { session.abandon(); }), session_(session) {}
  void deallocate(void* memory) noexcept override {
    if (!session_.has_unfinished()) CpuDevice::deallocate(memory);
  }

 private:
  MpiSession& session_;
};

class MpiWorld : public World {
 public:
  MpiWorld(MpiSession& session, std::optional<Topology> topology)
      : topology_(topology),
        communicator_(session, duplicate_world()),
        hosts_(communicator_.gather_text(host_name())),
        device_(session, count_ranks_on_machine()) {
    if (topology_from_hosts(hosts_).nodes > 1) session.note_network();
  }

  [[nodiscard]] int rank() const override { return communicator_.rank(); }
  [[nodiscard]] int size() const override { return communicator_.size(); }
  [[nodiscard]] std::string backend() const override { return "mpi"; }
  [[nodiscard]] Topology topology() const override { return topology_ ? *topology_ : topology_from_hosts(hosts_); }
  [[nodiscard]] Device& device() override { return device_; }
  [[nodiscard]] Communicator& communicator() override { return communicator_; }

 private:
  int count_ranks_on_machine() {
    const std::vector<std::string> machines = communicator_.gather_text(machine_id());
    return static_cast<int>(std::count(machines.begin(), machines.end(), machine_id()));
  }

  std::optional<Topology> topology_;
  MpiCommunicator communicator_;
  std::vector<std::string> hosts_;  // [rank]
  MpiDevice device_;
};

// How the body ended on one rank, and what the ranks tell each other of it: exit code, whether MPI
// calls were left unfinished, error.
struct Outcome {
  int exit_code = 0;
  bool has_unfinished = false;
  std::exception_ptr error;
};

std::string to_message(const Outcome& outcome) {
  return fmt::format("{} {} {}", outcome.exit_code, outcome.has_unfinished ? 1 : 0, encode_error(outcome.error));
}

struct JobOutcome {
  int exit_code = 0;
  bool has_unfinished = false;
  std::vector<std::string> errors;  // [rank], encoded
};

JobOutcome combine(const std::vector<std::string>& messages) {
  JobOutcome job;
  for (const std::string& message : messages) {
    const std::size_t first = message.find(' ');
    const std::size_t second = message.find(' ', first + 1);
    job.exit_code = std::max(job.exit_code, std::stoi(message.substr(0, first)));
    job.has_unfinished = job.has_unfinished || message[first + 1] == '1';
    job.errors.push_back(message.substr(second + 1));
  }
  return job;
}

Outcome run_body(MpiSession& session, const LaunchOptions& options, const std::function<int(World&)>& body) {
  Outcome outcome;
  try {
    MpiWorld world(session, options.topology);
    outcome.exit_code = body(world);
  } catch (...) {
    outcome.error = std::current_exception();
  }
  outcome.has_unfinished = session.has_unfinished();
  return outcome;
}

// How long to wait for the other ranks to end their body as well. After an error of this rank alone it
// need not be long, and the lowest such rank should be the first to give up, so that one rank tells.
Seconds patience_for_others(const MpiSession& session, const Outcome& outcome) {
  constexpr Seconds kForOthersToFailToo{2.0};
  constexpr Seconds kStagger{0.1};
  if (!outcome.error) return 2.0 * session.patience() + Seconds(10.0);  // they may compute, then lose patience
  if (is_common(outcome.error)) return session.patience();
  return kForOthersToFailToo + kStagger * std::min(session.rank(), 10);
}

// An error of rank 0 with the ranks that did not answer when it ended the job.
std::exception_ptr with_silent_ranks(const MpiSession& session, const std::exception_ptr& error) {
  if (session.rank() != 0 || MpiSession::is_asked_to_end()) return error;
  try {
    std::rethrow_exception(error);
  } catch (const BackendError& e) {
    if (std::string(e.what()).find("no word from rank") != std::string::npos) return error;  // a gather said it
    const std::vector<int> silent = silent_ranks(MPI_COMM_WORLD, kOutcomeTag);
    return std::make_exception_ptr(
        BackendError(fmt::format("{}; no word from rank {}", e.what(), fmt::join(silent, " "))));
  } catch (...) {
    return error;
  }
}

JobOutcome agree_on_outcome(MpiSession& session, const LaunchOptions& options, const Outcome& outcome) {
  // A rank has died, maybe rank 0, and Open MPI ends a process that sends to it before this could tell.
  if (MpiSession::is_asked_to_end() && outcome.error && !is_common(outcome.error)) {
    end_job_alone(session, options, outcome.error);
  }
  const MpiWait wait{.session = session,
                     .who = [&] { return fmt::format("rank {}: end of the job", session.rank()); },
                     .patience = patience_for_others(session, outcome),
                     .outlives_failure = true};
  try {
    return combine(gather_texts(MPI_COMM_WORLD, kOutcomeTag, to_message(outcome), wait));
  } catch (...) {
    if (!outcome.error) end_job_alone(session, options, std::current_exception());
    end_job_alone(session, options, with_silent_ranks(session, outcome.error));
  }
}

void check_num_ranks(const MpiSession& session, const LaunchOptions& options) {
  if (options.num_ranks && *options.num_ranks != session.size()) {
    throw ConfigError(fmt::format("{} ranks asked for, but the job has {}", *options.num_ranks, session.size()));
  }
  if (options.topology && options.topology->num_ranks() != session.size()) {
    throw ConfigError(fmt::format("a topology of {} nodes of {} devices for a job of {} ranks", options.topology->nodes,
                                  options.topology->devices_per_node, session.size()));
  }
}

Seconds start_up_patience(const LaunchOptions& options) {
  constexpr Seconds kLeast{60.0};
  return options.start_up_patience.value_or(std::max(options.patience, kLeast));
}

}  // namespace

bool is_mpi_built() {
  return true;
}

bool is_mpi_started() {
  int is_started = 0;
  MPI_Initialized(&is_started);
  return is_started != 0;
}

int launch_mpi(const LaunchOptions& options, const std::function<int(World&)>& body) {
  // Finalised when the process ends, not here: see launch().
  static MpiSession session(start_up_patience(options));
  session.begin(options.patience);
  check_num_ranks(session, options);
  const Outcome outcome = run_body(session, options, body);
  const JobOutcome job = agree_on_outcome(session, options, outcome);
  try {
    rethrow_lowest(job.errors);
  } catch (...) {
    if (job.has_unfinished) end_job_together(session, options, std::current_exception());
    throw;
  }
  return job.exit_code;
}

}  // namespace sextant
