// Collectives between processes: non-blocking MPI calls, issued and polled on the stream's own thread.
//
// Reductions never use MPI's own: a reduce_scatter is an all-to-all and a local sum in rank order, an
// all_reduce that and an all-gather. Every rank then holds the same bits, and MPI_Reduce_scatter_block
// and MPI_Allreduce of Open MPI 4.1 are slower than this from a few hundred KiB on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <mpi.h>

#include "executor/runtime/mpi/mpi_wait.h"
#include "executor/runtime/runtime.h"

namespace sextant {

class MpiCommunicator : public Communicator {
 public:
  // Takes `comm` over and frees it.
  MpiCommunicator(MpiSession& session, MPI_Comm comm);

  [[nodiscard]] int rank() const override;
  [[nodiscard]] int size() const override;
  void all_to_all(Stream& stream, const void* send, void* recv, std::size_t count_per_rank, DataType type) override;
  void all_gather(Stream& stream, const void* send, void* recv, std::size_t count_per_rank, DataType type) override;
  void reduce_scatter(Stream& stream, const void* send, void* recv, std::size_t count_per_rank, DataType type) override;
  void all_reduce(Stream& stream, void* data, std::size_t count, DataType type) override;
  void broadcast(Stream& stream, void* data, std::size_t bytes, int root) override;
  void barrier(Stream& stream) override;
  [[nodiscard]] std::unique_ptr<Communicator> split(int color) override;
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override;
  [[nodiscard]] std::vector<std::string> gather_text(const std::string& text) override;

  struct Member;

 private:
  // Shared with the kernels on the streams, so that a communicator may go before they have run.
  std::shared_ptr<Member> member_;
};

// Gathers texts to every rank of `comm` with point-to-point messages of `tag`: other threads' collectives
// on the same MPI communicator do not disturb it. Rank 0 of `comm` gathers; when it gives up, its error
// names the ranks that were silent.
[[nodiscard]] std::vector<std::string> gather_texts(MPI_Comm comm, int tag, const std::string& text,
                                                    const MpiWait& wait);
// The ranks of `comm` without whose texts gather_texts gave up. REQUIRES: rank 0, after such an error.
[[nodiscard]] std::vector<int> silent_ranks(MPI_Comm comm, int tag);

}  // namespace sextant
