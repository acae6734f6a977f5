#include "executor/runtime/local/local_communicator.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "executor/runtime/cpu/sum.h"
#include "models/error.h"

namespace sextant {
namespace {

const std::byte* at(const void* data, std::size_t offset_bytes) {
  return static_cast<const std::byte*>(data) + offset_bytes;
}
std::byte* at(void* data, std::size_t offset_bytes) {
  return static_cast<std::byte*>(data) + offset_bytes;
}

void copy_bytes(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

bool agree(const LocalCall& a, const LocalCall& b) {
  return std::strcmp(a.operation, b.operation) == 0 && a.count == b.count && a.type == b.type && a.root == b.root;
}

std::string to_text(const LocalCall& call) {
  if (call.root) return fmt::format("{} of {} bytes from {}", call.operation, call.count, *call.root);
  return fmt::format("{} of {} {}-byte elements", call.operation, call.count, size_of(call.type));
}

}  // namespace

// One rank's side of a group.
struct LocalCommunicator::Member {
  std::shared_ptr<LocalJob> job;
  std::shared_ptr<LocalGroup> group;
  std::size_t rank = 0;  // in the group
  std::size_t size = 0;

  [[nodiscard]] int world_rank() const { return group->world_ranks[rank]; }
  [[nodiscard]] std::string who(const char* operation) const {
    return fmt::format("rank {}: {} over ranks {}", world_rank(), operation, fmt::join(group->world_ranks, " "));
  }
  void meet(const char* operation) const { meet_at(group->streams, operation); }
  void meet_hosts(const char* operation) const { meet_at(group->hosts, operation); }
  void meet_at(Rendezvous& place, const char* operation) const {
    const std::optional<std::string> failure = place.arrive_and_wait(job->patience());
    if (failure) throw BackendError(fmt::format("{}: given up: {}", who(operation), *failure));
  }
  // Publishes this rank's call and returns those of all ranks once they are there.
  const std::vector<LocalCall>& exchange(const LocalCall& call) const;

  void run_all_to_all(const LocalCall& call) const;
  void run_all_gather(const LocalCall& call) const;
  void run_reduce_scatter(const LocalCall& call) const;
  void run_all_reduce(const LocalCall& call) const;
  void run_broadcast(const LocalCall& call) const;
};

const std::vector<LocalCall>& LocalCommunicator::Member::exchange(const LocalCall& call) const {
  group->calls[rank] = call;
  meet(call.operation);
  const std::vector<LocalCall>& calls = group->calls;
  for (std::size_t other = 1; other < size; ++other) {
    if (agree(calls[0], calls[other])) continue;
    const std::string mismatch = fmt::format("rank {} issued {} where rank {} issued {}", group->world_ranks[other],
                                             to_text(calls[other]), group->world_ranks[0], to_text(calls[0]));
    job->fail(group->world_ranks[other], mismatch);
    throw BackendError(fmt::format("{}: {}", who(call.operation), mismatch));
  }
  return calls;
}

void LocalCommunicator::Member::run_all_to_all(const LocalCall& call) const {
  const std::size_t bytes = call.count * size_of(call.type);
  const std::vector<LocalCall>& calls = exchange(call);
  for (std::size_t step = 0; step < size; ++step) {
    const std::size_t other = (rank + step) % size;  // starting at oneself spreads the readers
    copy_bytes(at(call.recv, other * bytes), at(calls[other].send, rank * bytes), bytes);
  }
  meet(call.operation);
}

void LocalCommunicator::Member::run_all_gather(const LocalCall& call) const {
  const std::size_t bytes = call.count * size_of(call.type);
  const std::vector<LocalCall>& calls = exchange(call);
  for (std::size_t step = 0; step < size; ++step) {
    const std::size_t other = (rank + step) % size;
    copy_bytes(at(call.recv, other * bytes), calls[other].send, bytes);
  }
  meet(call.operation);
}

void LocalCommunicator::Member::run_reduce_scatter(const LocalCall& call) const {
  const std::size_t bytes = call.count * size_of(call.type);
  std::vector<const void*> parts;
  for (const LocalCall& other : exchange(call)) parts.push_back(at(other.send, rank * bytes));
  sum_in_rank_order(call.recv, parts, call.count, call.type);
  meet(call.operation);
}

void LocalCommunicator::Member::run_all_reduce(const LocalCall& call) const {
  const std::vector<LocalCall>& calls = exchange(call);
  const auto segment_begin = [&](std::size_t segment) { return call.count * segment / size; };
  const std::size_t element_bytes = size_of(call.type);
  const std::size_t begin = segment_begin(rank);
  std::vector<const void*> parts;
  for (const LocalCall& other : calls) parts.push_back(at(other.recv, begin * element_bytes));
  sum_in_rank_order(at(call.recv, begin * element_bytes), parts, segment_begin(rank + 1) - begin, call.type);
  meet(call.operation);
  for (std::size_t step = 1; step < size; ++step) {
    const std::size_t other = (rank + step) % size;
    const std::size_t offset = segment_begin(other) * element_bytes;
    copy_bytes(at(call.recv, offset), at(calls[other].recv, offset), segment_begin(other + 1) * element_bytes - offset);
  }
  meet(call.operation);
}

void LocalCommunicator::Member::run_broadcast(const LocalCall& call) const {
  const std::vector<LocalCall>& calls = exchange(call);
  const auto root = static_cast<std::size_t>(*call.root);
  if (rank != root) copy_bytes(call.recv, calls[root].recv, call.count);
  meet(call.operation);
}

LocalCommunicator::LocalCommunicator(std::shared_ptr<LocalJob> job, std::shared_ptr<LocalGroup> group, int rank)
    : member_(std::make_shared<Member>()) {
  member_->size = group->world_ranks.size();
  member_->rank = static_cast<std::size_t>(rank);
  member_->job = std::move(job);
  member_->group = std::move(group);
}

int LocalCommunicator::rank() const {
  return static_cast<int>(member_->rank);
}
int LocalCommunicator::size() const {
  return static_cast<int>(member_->size);
}

void LocalCommunicator::all_to_all(Stream& stream, const void* send, void* recv, std::size_t count_per_rank,
                                   DataType type) {
  const LocalCall call{.operation = "all_to_all", .send = send, .recv = recv, .count = count_per_rank, .type = type};
  stream.enqueue([member = member_, call] { member->run_all_to_all(call); });
}

void LocalCommunicator::all_gather(Stream& stream, const void* send, void* recv, std::size_t count_per_rank,
                                   DataType type) {
  const LocalCall call{.operation = "all_gather", .send = send, .recv = recv, .count = count_per_rank, .type = type};
  stream.enqueue([member = member_, call] { member->run_all_gather(call); });
}

void LocalCommunicator::reduce_scatter(Stream& stream, const void* send, void* recv, std::size_t count_per_rank,
                                       DataType type) {
  const LocalCall call{
      .operation = "reduce_scatter", .send = send, .recv = recv, .count = count_per_rank, .type = type};
  stream.enqueue([member = member_, call] { member->run_reduce_scatter(call); });
}

void LocalCommunicator::all_reduce(Stream& stream, void* data, std::size_t count, DataType type) {
  const LocalCall call{.operation = "all_reduce", .recv = data, .count = count, .type = type};
  stream.enqueue([member = member_, call] { member->run_all_reduce(call); });
}

void LocalCommunicator::broadcast(Stream& stream, void* data, std::size_t bytes, int root) {
  SEXTANT_CHECK(0 <= root && root < size(), "root {} of {} ranks", root, size());
  const LocalCall call{.operation = "broadcast", .recv = data, .count = bytes, .root = root};
  stream.enqueue([member = member_, call] { member->run_broadcast(call); });
}

void LocalCommunicator::barrier(Stream& stream) {
  stream.enqueue([member = member_] {
    member->exchange(LocalCall{.operation = "barrier"});
    member->meet("barrier");  // nobody may publish the next call while others read this one
  });
}

std::unique_ptr<Communicator> LocalCommunicator::split(int color) {
  LocalGroup& group = *member_->group;
  const std::vector<std::string> colors = gather_text(std::to_string(color));
  const std::string own = colors[member_->rank];
  std::vector<int> world_ranks;
  for (std::size_t other = 0; other < member_->size; ++other) {
    if (colors[other] == own) world_ranks.push_back(group.world_ranks[other]);
  }
  const auto first = static_cast<std::size_t>(std::find(colors.begin(), colors.end(), own) - colors.begin());
  const auto before = std::count(colors.begin(), colors.begin() + static_cast<std::ptrdiff_t>(member_->rank), own);
  if (first == member_->rank) group.children[first] = member_->job->make_group(std::move(world_ranks));
  member_->meet_hosts("split");
  auto part = std::make_unique<LocalCommunicator>(member_->job, group.children[first], static_cast<int>(before));
  member_->meet_hosts("split");
  group.children[member_->rank].reset();  // everyone has theirs
  return part;
}

std::unique_ptr<Communicator> LocalCommunicator::duplicate() {
  return split(0);
}

std::vector<std::string> LocalCommunicator::gather_text(const std::string& text) {
  LocalGroup& group = *member_->group;
  group.texts[member_->rank] = text;
  member_->meet_hosts("gather_text");
  std::vector<std::string> texts = group.texts;
  member_->meet_hosts("gather_text");
  return texts;
}

}  // namespace sextant
