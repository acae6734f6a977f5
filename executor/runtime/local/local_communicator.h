// Collectives between threads of one process: ranks read each other's buffers between rendezvous.
//
// Every rank moves or reduces its own part, so that the work is spread over the ranks' threads:
//   all_to_all, all_gather, broadcast, reduce_scatter   publish, meet, read the others' part, meet
//   all_reduce    publish, meet, reduce own segment in rank order, meet, copy the others' segments, meet
// The last rendezvous lets the owners of the buffers go on only when nobody reads them any more.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "executor/runtime/local/local_job.h"
#include "executor/runtime/runtime.h"

namespace sextant {

class LocalCommunicator : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<LocalJob> job, std::shared_ptr<LocalGroup> group, int rank);

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

}  // namespace sextant
