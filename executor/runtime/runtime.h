// Devices, streams, events and communicators, as the executor and the profiler see them.
//
// Shaped after CUDA and NCCL so that they can implement it unchanged: work is issued to a stream and
// runs in issue order; an event recorded on one stream can be waited for by another; a collective is
// issued to a stream and every rank of the communicator issues the same ones in the same order.
// Back ends: local (ranks are threads of this process), mpi (ranks are processes).
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/layout.h"
#include "models/units.h"

namespace sextant {

enum class DataType { kFloat32, kFloat64 };
[[nodiscard]] std::size_t size_of(DataType type);
template <typename T>
[[nodiscard]] DataType data_type_of();  // float, double

// A point in a stream's work. Reusable: each record() replaces the last one.
class Event {
 public:
  virtual ~Event() = default;
  // Blocks the host until the last record has been reached; rethrows an error of the stream's work.
  virtual void synchronize() = 0;
  // Time when the last record was reached, on a clock shared by all streams of the rank.
  // REQUIRES: reached.
  [[nodiscard]] virtual Seconds time() const = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  // Runs `kernel` after everything issued before. CPU back ends call it on the stream's own thread;
  // a CUDA back end calls it at once and it launches its kernels on `native_handle()`.
  virtual void enqueue(std::function<void()> kernel) = 0;
  virtual void record(Event& event) = 0;
  virtual void wait(Event& event) = 0;  // everything issued later runs after the event's last record
  // Blocks the host until everything issued has run; rethrows the first error of that work.
  virtual void synchronize() = 0;
  [[nodiscard]] virtual void* native_handle() { return nullptr; }
};

// A group of ranks. Buffers are device memory of at least the stated elements; send and receive
// buffers do not overlap. Collectives are asynchronous: issued to `stream`, errors surface there.
// One communicator must be used from one stream at a time; duplicate() gives another. Sums run in
// rank order, so that they are the same bit for bit with every back end on CPUs.
class Communicator {
 public:
  virtual ~Communicator() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  // recv[i*count..] on rank r = send[r*count..] on rank i
  virtual void all_to_all(Stream& stream, const void* send, void* recv, std::size_t count_per_rank, DataType type) = 0;
  // recv has size()*count elements, in rank order
  virtual void all_gather(Stream& stream, const void* send, void* recv, std::size_t count_per_rank, DataType type) = 0;
  // send has size()*count elements; recv[j] = sum over ranks of send[rank()*count + j]
  virtual void reduce_scatter(Stream& stream, const void* send, void* recv, std::size_t count_per_rank,
                              DataType type) = 0;
  // In place; the result is the same bit for bit on every rank.
  virtual void all_reduce(Stream& stream, void* data, std::size_t count, DataType type) = 0;
  virtual void broadcast(Stream& stream, void* data, std::size_t bytes, int root) = 0;
  virtual void barrier(Stream& stream) = 0;

  // Host-side, blocking, collective over this communicator, while none of its collectives is under way
  // on a stream. Ranks of equal colour form a group, ordered by rank here.
  [[nodiscard]] virtual std::unique_ptr<Communicator> split(int color) = 0;
  [[nodiscard]] virtual std::unique_ptr<Communicator> duplicate() = 0;
  // Host-side gather of small messages to every rank, blocking; streams may use the communicator meanwhile.
  [[nodiscard]] virtual std::vector<std::string> gather_text(const std::string& text) = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;  // 64-byte aligned, zeroed
  virtual void deallocate(void* memory) noexcept = 0;
  virtual void copy_to_host(void* host, const void* device, std::size_t bytes) = 0;
  virtual void copy_to_device(void* device, const void* host, std::size_t bytes) = 0;
  [[nodiscard]] virtual std::unique_ptr<Stream> make_stream(const std::string& name) = 0;
  [[nodiscard]] virtual std::unique_ptr<Event> make_event() = 0;
  [[nodiscard]] virtual std::string description() const = 0;  // processor or GPU, cores
  [[nodiscard]] virtual Bytes memory() const = 0;             // that one rank may use
};

// One rank's view of the job.
class World {
 public:
  virtual ~World() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual std::string backend() const = 0;  // "local", "mpi"
  // From the host names of the ranks (consecutive equal names form a node); BackendError when nodes
  // hold different numbers of ranks.
  [[nodiscard]] virtual Topology topology() const = 0;
  [[nodiscard]] virtual Device& device() = 0;
  [[nodiscard]] virtual Communicator& communicator() = 0;  // all ranks
};

// Calls `body` on this rank and makes the outcome common: if it threw on any rank, every rank throws
// the error of the lowest such rank (same class, same text). Use it around whatever may fail on one
// rank alone (files, allocation), so that no rank goes on into a collective that others never enter.
void run_on_all(World& world, const std::function<void()>& body);

enum class Backend { kLocal, kMpi };

// kMpi under mpirun, srun or torchrun conventions (their environment variables name a world), else kLocal.
[[nodiscard]] Backend detect_backend();
[[nodiscard]] bool has_backend(Backend backend);
// Place of this process in the job by the launcher's environment; none outside a launcher. Known before
// launch() and after it: of an error that leaves launch(), or arises outside it, rank 0 alone should tell.
struct LauncherPlace {
  int rank = 0;
  int size = 1;
};
[[nodiscard]] std::optional<LauncherPlace> launcher_place();

struct LaunchOptions {
  // ConfigError when the job or the topology has another number of ranks.
  std::optional<int> num_ranks = std::nullopt;
  // Where not given, kLocal is one node and kMpi goes by the host names.
  std::optional<Topology> topology = std::nullopt;
  // A collective or host-side gather that waits longer for other ranks fails with a BackendError.
  Seconds patience{300.0};
  // kMpi: the same of the calls by which MPI begins and ends; nothing but the end of the process, with a line on stderr
  // and exit code 4, ends them early. Default: `patience`, at least a minute, as processes do not start together.
  std::optional<Seconds> start_up_patience = std::nullopt;
  // Tells the user of an error that cannot leave launch() (below) and returns the job's exit code.
  // Default: "sextant: <text>" on stderr; 2 for ConfigError, 4 for BackendError, else 1.
  std::function<int(const std::exception_ptr&)> report_error = nullptr;
};

// Runs `body` on every rank and returns its exit code: the largest over the ranks.
//   kLocal: in `num_ranks` threads. An error on one rank releases the others from whatever collective
//           they wait in; the error of the rank that failed first leaves launch().
//   kMpi:   once in this process. When `body` throws on every rank (as run_on_all makes sure), the
//           lowest rank's error leaves launch() in every process. When others do not fail within two
//           seconds, the error is this rank's alone: report_error is called here and the whole job
//           ends with its exit code. The end of every process waits for that of the others, so that
//           rank 0 has told an error before the launcher sees the first process fail.
// Throws BackendError "this build has no MPI back end (configure with SEXTANT_WITH_MPI=ON)" where it is missing.
int launch(Backend backend, const LaunchOptions& options, const std::function<int(World&)>& body);

// Throws `error`. Under a launcher, if launch() has not been called yet (the command line was wrong, say),
// joins the job first and throws what launch() would if `body` had thrown `error`: launchers end a job
// when its first process fails, which may be before rank 0 has told why.
[[noreturn]] void throw_in_job(const std::exception_ptr& error);

}  // namespace sextant
