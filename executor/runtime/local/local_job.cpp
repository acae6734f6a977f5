#include "executor/runtime/local/local_job.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "models/error.h"

namespace sextant {
namespace {

std::vector<int> all_ranks(int num_ranks) {
  std::vector<int> ranks(static_cast<std::size_t>(num_ranks));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

std::string left_text(int rank) {
  return fmt::format("rank {} has left the job", rank);
}

void fail_group(LocalGroup& group, const std::string& reason) {
  group.streams.fail(reason);
  group.hosts.fail(reason);
}

}  // namespace

LocalJob::LocalJob(int num_ranks, Seconds patience)
    : patience_(patience),
      has_left_(static_cast<std::size_t>(num_ranks), false),
      world_group_(make_group(all_ranks(num_ranks))) {}

std::shared_ptr<LocalGroup> LocalJob::make_group(std::vector<int> world_ranks) {
  auto group = std::make_shared<LocalGroup>(std::move(world_ranks));
  std::scoped_lock lock(mutex_);
  std::erase_if(groups_, [](const std::weak_ptr<LocalGroup>& old) { return old.expired(); });
  groups_.push_back(group);
  if (first_failed_rank_) fail_group(*group, failure_);
  for (const int rank : group->world_ranks) {
    if (has_left_[static_cast<std::size_t>(rank)]) fail_group(*group, left_text(rank));
  }
  return group;
}

void LocalJob::fail(int rank, const std::string& reason) {
  std::scoped_lock lock(mutex_);
  if (first_failed_rank_) return;
  first_failed_rank_ = rank;
  failure_ = reason;
  fail_groups_of(std::nullopt, reason);
}

std::optional<int> LocalJob::first_failed_rank() {
  std::scoped_lock lock(mutex_);
  return first_failed_rank_;
}

void LocalJob::leave(int rank) {
  std::scoped_lock lock(mutex_);
  has_left_[static_cast<std::size_t>(rank)] = true;
  fail_groups_of(rank, left_text(rank));
}

// The groups that hold `rank`; all where none is given.
void LocalJob::fail_groups_of(std::optional<int> rank, const std::string& reason) {
  for (const std::weak_ptr<LocalGroup>& entry : groups_) {
    const std::shared_ptr<LocalGroup> group = entry.lock();
    if (!group) continue;
    const std::vector<int>& ranks = group->world_ranks;
    if (!rank || std::find(ranks.begin(), ranks.end(), *rank) != ranks.end()) fail_group(*group, reason);
  }
}

}  // namespace sextant
