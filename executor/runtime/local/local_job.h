// What the rank threads of one local job share: its groups, and the news that a rank has failed.
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "executor/runtime/local/rendezvous.h"
#include "executor/runtime/runtime.h"

namespace sextant {

// What one rank has issued to a collective: the others read it between two rendezvous.
struct LocalCall {
  const char* operation = "";
  const void* send = nullptr;
  void* recv = nullptr;
  std::size_t count = 0;
  DataType type = DataType::kFloat32;
  std::optional<int> root = std::nullopt;  // of a broadcast, which counts bytes
};

// Shared state of one group's communicators. Slots are written by their rank before a rendezvous and
// read by the others after it.
struct LocalGroup {
  explicit LocalGroup(std::vector<int> ranks)
      : world_ranks(std::move(ranks)),
        streams(static_cast<int>(world_ranks.size())),
        hosts(static_cast<int>(world_ranks.size())),
        calls(world_ranks.size()),
        texts(world_ranks.size()),
        children(world_ranks.size()) {}

  const std::vector<int> world_ranks;
  Rendezvous streams;  // of collectives on streams
  Rendezvous hosts;    // of split, duplicate and gather_text, which the hosts may call meanwhile
  std::vector<LocalCall> calls;
  std::vector<std::string> texts;
  std::vector<std::shared_ptr<LocalGroup>> children;  // made by the first rank of each new group
};

class LocalJob {
 public:
  LocalJob(int num_ranks, Seconds patience);

  [[nodiscard]] Seconds patience() const { return patience_; }
  [[nodiscard]] const std::shared_ptr<LocalGroup>& world_group() const { return world_group_; }
  [[nodiscard]] std::shared_ptr<LocalGroup> make_group(std::vector<int> world_ranks);

  // Releases every rank that waits in any collective of the job, now and later. The first call counts.
  void fail(int rank, const std::string& reason);
  [[nodiscard]] std::optional<int> first_failed_rank();
  // `rank` has ended its body: nobody need wait for it any more.
  void leave(int rank);

 private:
  void fail_groups_of(std::optional<int> rank, const std::string& reason);

  const Seconds patience_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<LocalGroup>> groups_;
  std::vector<bool> has_left_;
  std::optional<int> first_failed_rank_;
  std::string failure_;
  std::shared_ptr<LocalGroup> world_group_;
};

}  // namespace sextant
