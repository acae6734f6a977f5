// One way for a job to end, by name: mpirun -np 4 mpi_launch_probe CASE. Answers as a command would:
// one line on stderr, the exit code of the error's class. Checked by launch_probe.cmake.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "executor/runtime/runtime.h"
#include "models/error.h"

namespace sextant {
namespace {

using Body = std::function<int(World&)>;

int wait_in_barrier(World& world) {
  const auto stream = world.device().make_stream("probe");
  world.communicator().barrier(*stream);
  stream->synchronize();
  return 0;
}

int fail_alone(World& world) {
  if (world.rank() == 2) throw ConfigError("probe: rank 2 alone");
  return wait_in_barrier(world);
}

int fail_together(World& world) {
  run_on_all(world, [&] {
    if (world.rank() == 1) throw ConfigError("probe: told by all");
  });
  return 0;
}

// Every rank throws the same by itself, without run_on_all.
int fail_alike(World& /*world*/) {
  throw BackendError("probe: alike");
}

// The others have ended their body already when rank 3 fails.
int fail_last(World& world) {
  if (world.rank() == 3) throw std::runtime_error("probe: the last one");
  return 0;
}

// As by a crash; the launcher asks the others to end.
int die(World& world, int rank) {
  if (world.rank() == rank) std::raise(SIGKILL);
  return wait_in_barrier(world);
}

// A rank that never comes to a call that MPI has only blocking.
int lose_patience_in_split(World& world) {
  if (world.rank() != 3) static_cast<void>(world.communicator().split(0));
  return 0;
}

// A host error while the rank's own stream waits for ranks that never come.
int fail_over_own_collective(World& world) {
  const auto stream = world.device().make_stream("probe");
  world.communicator().barrier(*stream);
  if (world.rank() == 0) throw ConfigError("probe: overtaken");
  static_cast<void>(world.communicator().gather_text(""));  // rank 0 never comes
  return 0;
}

int lose_patience(World& world) {
  const auto stream = world.device().make_stream("probe");
  std::vector<float> data(1000);
  if (world.rank() != 3) world.communicator().all_reduce(*stream, data.data(), data.size(), DataType::kFloat32);
  stream->synchronize();
  return 0;
}

// One rank sends more than the others expect.
int mismatch(World& world) {
  const auto stream = world.device().make_stream("probe");
  const std::size_t count = world.rank() == 2 ? 2000 : 1000;
  std::vector<float> send(8000);
  std::vector<float> recv(8000);
  world.communicator().all_to_all(*stream, send.data(), recv.data(), count, DataType::kFloat32);
  stream->synchronize();
  return 0;
}

// Longer than the others wait for it to come; the launcher ends it.
void stay_away() {
  std::this_thread::sleep_for(std::chrono::seconds(20));
}

const std::map<std::string, Body>& bodies() {
  static const std::map<std::string, Body> all = {
      {"success", [](World&) { return 0; }},
      {"largest_code", [](World& world) { return world.rank() == 1 ? 3 : 0; }},
      {"alone", fail_alone},
      {"together", fail_together},
      {"alike", fail_alike},
      {"last", fail_last},
      {"death", [](World& world) { return die(world, 2); }},
      {"death_of_0", [](World& world) { return die(world, 0); }},
      {"patience_in_split", lose_patience_in_split},
      {"over_own_collective", fail_over_own_collective},
      {"patience", lose_patience},
      {"late_to_begin", [](World&) { return 0; }},
      {"late_to_end", [](World&) { return 0; }},
      {"mismatch", mismatch},
      {"ranks", [](World&) { return 0; }},
      {"before_on_one", wait_in_barrier},
  };
  return all;
}

int tell(const std::string& text, int exit_code) {
  const auto place = launcher_place();
  if (!place || place->rank == 0) fmt::print(stderr, "told: {}\n", text);
  return exit_code;
}

int run(const std::string& name) {
  LaunchOptions options;
  if (name.starts_with("patience") || name == "mismatch") options.patience = Seconds(0.5);
  if (name.starts_with("late_to")) options.start_up_patience = Seconds(3.0);
  if (name == "ranks") options.num_ranks = 5;
  if (name == "before") throw ConfigError("probe: before launch");
  if (name == "before_on_one" && launcher_place()->rank == 1) throw ConfigError("probe: before launch, rank 1 alone");
  if (name == "late_to_begin" && launcher_place()->rank == 3) stay_away();
  const int code = launch(detect_backend(), options, bodies().at(name));
  if (name == "late_to_end" && launcher_place()->rank == 3) stay_away();
  return code;
}

}  // namespace
}  // namespace sextant

int run_or_throw_in_job(const char* name) {
  try {
    return sextant::run(name);
  } catch (...) {
    sextant::throw_in_job(std::current_exception());
  }
}

int main(int /*argc*/, char** argv) {
  try {
    return run_or_throw_in_job(argv[1]);
  } catch (const sextant::ConfigError& error) {
    return sextant::tell(error.what(), 2);
  } catch (const sextant::BackendError& error) {
    return sextant::tell(error.what(), 4);
  } catch (const std::exception& error) {
    return sextant::tell(error.what(), 1);
  }
}
