#include "executor/runtime/mpi/mpi_communicator.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "executor/runtime/cpu/sum.h"
#include "models/error.h"

namespace sextant {
namespace {

constexpr int kGatherTag = 1;
// Below this an all_reduce gathers everything and sums it everywhere: one round of messages, not two.
constexpr std::size_t kGatherAndSumBytes = 4096;
// Below this a part takes no longer than meeting would.
constexpr std::size_t kMeetBytes = std::size_t{32} * 1024;
// Elements of one MPI call where a longer buffer can be cut; MPI counts in int.
constexpr std::size_t kLongestPiece = std::size_t{1} << 30;

MPI_Datatype mpi_type(DataType type) {
  return type == DataType::kFloat32 ? MPI_FLOAT : MPI_DOUBLE;
}

std::byte* at(void* data, std::size_t offset_bytes) {
  return static_cast<std::byte*>(data) + offset_bytes;
}
const std::byte* at(const void* data, std::size_t offset_bytes) {
  return static_cast<const std::byte*>(data) + offset_bytes;
}

// One contiguous part of a buffer for every rank of the group, as even as they can be.
struct Segments {
  std::vector<int> counts;
  std::vector<int> offsets;
};

Segments cut_evenly(std::size_t count, int num_ranks) {
  Segments segments;
  const auto n = static_cast<std::size_t>(num_ranks);
  for (std::size_t rank = 0; rank < n; ++rank) {
    const std::size_t begin = count * rank / n;
    segments.offsets.push_back(static_cast<int>(begin));
    segments.counts.push_back(static_cast<int>(count * (rank + 1) / n - begin));
  }
  return segments;
}

// `num_ranks` parts of `count` elements each, one after the other.
Segments line_up(int count, int num_ranks) {
  Segments segments;
  for (int rank = 0; rank < num_ranks; ++rank) {
    segments.offsets.push_back(rank * count);
    segments.counts.push_back(count);
  }
  return segments;
}

}  // namespace

// One rank's side of an MPI communicator, with a buffer for what is received to be summed.
struct MpiCommunicator::Member {
  Member(MpiSession& owner, MPI_Comm taken);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  [[nodiscard]] std::string who(const char* operation) const;
  [[nodiscard]] MpiWait wait(const char* operation) const;
  [[nodiscard]] int checked_count(std::size_t count, const char* operation) const;
  // For a call that sends; throws when the process is asked to end.
  [[nodiscard]] MPI_Request new_request(const char* operation) const;
  void finish(int code, MPI_Request& request, const char* operation) const;
  // Waits until all members have come, where a part has many bytes. MPI would send at once, into the receivers'
  // buffers: ranks then run ahead of one another and have the links to themselves, each by chance. Here as with NCCL
  // data moves when both ends are there, and a step takes as long as its tasks. REQUIRES: the same bytes on all
  // members.
  void meet(std::size_t part_bytes, const char* operation) const;
  // Makes room for one part of every rank; parts_in_scratch() says where each lies.
  void reserve_scratch(std::size_t part_bytes);
  [[nodiscard]] std::vector<const void*> parts_in_scratch(std::size_t part_bytes) const;

  void run_all_to_all(const void* send, void* recv, std::size_t count, DataType type, const char* operation) const;
  void run_all_gather(const void* send, void* recv, std::size_t count, DataType type, const char* operation) const;
  void run_reduce_scatter(const void* send, void* recv, std::size_t count, DataType type);
  void run_all_reduce(void* data, std::size_t count, DataType type);
  void gather_and_sum(void* data, std::size_t count, DataType type);
  void scatter_sum_and_gather(void* data, std::size_t count, DataType type);
  void run_broadcast(void* data, std::size_t bytes, int root) const;

  MpiSession& session;
  MPI_Comm comm;
  int rank = 0;
  int size = 1;
  std::vector<int> world_ranks;
  std::vector<double> scratch;  // doubles for their alignment
};

MpiCommunicator::Member::Member(MpiSession& owner, MPI_Comm taken) : session(owner), comm(taken) {
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  MPI_Group world = MPI_GROUP_NULL;
  MPI_Group own = MPI_GROUP_NULL;
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  MPI_Comm_group(comm, &own);
  std::vector<int> ranks(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) ranks[static_cast<std::size_t>(i)] = i;
  world_ranks.resize(ranks.size());
  check_mpi(MPI_Group_translate_ranks(own, size, ranks.data(), world, world_ranks.data()), "MPI_Group_translate_ranks");
  MPI_Group_free(&own);
  MPI_Group_free(&world);
}

MpiCommunicator::Member::~Member() {
  if (!session.has_unfinished()) {
    MPI_Comm_free(&comm);
    return;
  }
  // MPI may still write to it, until the job is ended in a moment.
  static_cast<void>(new std::vector<double>(std::move(scratch)));
}

std::string MpiCommunicator::Member::who(const char* operation) const {
  return fmt::format("rank {}: {} over ranks {}", session.rank(), operation, fmt::join(world_ranks, " "));
}

MpiWait MpiCommunicator::Member::wait(const char* operation) const {
  return {.session = session, .who = [this, operation] { return who(operation); }, .patience = session.patience()};
}

int MpiCommunicator::Member::checked_count(std::size_t count, const char* operation) const {
  if (count > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw BackendError(fmt::format("{}: {} elements per rank; MPI counts at most 2^31 - 1", who(operation), count));
  }
  return static_cast<int>(count);
}

MPI_Request MpiCommunicator::Member::new_request(const char* operation) const {
  give_up_if_asked(wait(operation));
  return MPI_REQUEST_NULL;
}

void MpiCommunicator::Member::finish(int code, MPI_Request& request, const char* operation) const {
  if (code != MPI_SUCCESS) check_mpi(code, who(operation));
  wait_for(request, wait(operation));
}

void MpiCommunicator::Member::meet(std::size_t part_bytes, const char* operation) const {
  if (!session.has_network() || part_bytes < kMeetBytes) return;
  MPI_Request request = new_request(operation);
  finish(MPI_Ibarrier(comm, &request), request, operation);
}

void MpiCommunicator::Member::reserve_scratch(std::size_t part_bytes) {
  const std::size_t doubles = (part_bytes * static_cast<std::size_t>(size) + sizeof(double) - 1) / sizeof(double);
  if (scratch.size() < doubles) scratch.resize(doubles);
}

std::vector<const void*> MpiCommunicator::Member::parts_in_scratch(std::size_t part_bytes) const {
  std::vector<const void*> parts;
  for (int other = 0; other < size; ++other) {
    parts.push_back(at(static_cast<const void*>(scratch.data()), static_cast<std::size_t>(other) * part_bytes));
  }
  return parts;
}

void MpiCommunicator::Member::run_all_to_all(const void* send, void* recv, std::size_t count, DataType type,
                                             const char* operation) const {
  const int checked = checked_count(count, operation);
  meet(count * size_of(type), operation);
  MPI_Request request = new_request(operation);
  const int code = MPI_Ialltoall(send, checked, mpi_type(type), recv, checked, mpi_type(type), comm, &request);
  finish(code, request, operation);
}

void MpiCommunicator::Member::run_all_gather(const void* send, void* recv, std::size_t count, DataType type,
                                             const char* operation) const {
  const int checked = checked_count(count, operation);
  meet(count * size_of(type), operation);
  MPI_Request request = new_request(operation);
  const int code = MPI_Iallgather(send, checked, mpi_type(type), recv, checked, mpi_type(type), comm, &request);
  finish(code, request, operation);
}

void MpiCommunicator::Member::run_reduce_scatter(const void* send, void* recv, std::size_t count, DataType type) {
  const std::size_t part_bytes = count * size_of(type);
  reserve_scratch(part_bytes);
  run_all_to_all(send, scratch.data(), count, type, "reduce_scatter");
  sum_in_rank_order(recv, parts_in_scratch(part_bytes), count, type);
}

void MpiCommunicator::Member::run_all_reduce(void* data, std::size_t count, DataType type) {
  if (count * size_of(type) <= kGatherAndSumBytes) return gather_and_sum(data, count, type);
  for (std::size_t begin = 0; begin < count; begin += kLongestPiece) {
    scatter_sum_and_gather(at(data, begin * size_of(type)), std::min(kLongestPiece, count - begin), type);
  }
}

void MpiCommunicator::Member::gather_and_sum(void* data, std::size_t count, DataType type) {
  const std::size_t part_bytes = count * size_of(type);
  reserve_scratch(part_bytes);
  run_all_gather(data, scratch.data(), count, type, "all_reduce");
  sum_in_rank_order(data, parts_in_scratch(part_bytes), count, type);
}

void MpiCommunicator::Member::scatter_sum_and_gather(void* data, std::size_t count, DataType type) {
  const Segments segments = cut_evenly(count, size);
  const auto own = static_cast<std::size_t>(rank);
  const auto own_count = static_cast<std::size_t>(segments.counts[own]);
  const std::size_t part_bytes = own_count * size_of(type);
  reserve_scratch(part_bytes);
  const Segments received = line_up(segments.counts[own], size);
  meet(count / static_cast<std::size_t>(size) * size_of(type), "all_reduce");  // of the smallest part, for all alike
  MPI_Request request = new_request("all_reduce");
  int code = MPI_Ialltoallv(data, segments.counts.data(), segments.offsets.data(), mpi_type(type), scratch.data(),
                            received.counts.data(), received.offsets.data(), mpi_type(type), comm, &request);
  finish(code, request, "all_reduce");
  sum_in_rank_order(at(data, static_cast<std::size_t>(segments.offsets[own]) * size_of(type)),
                    parts_in_scratch(part_bytes), own_count, type);
  request = new_request("all_reduce");
  code = MPI_Iallgatherv(MPI_IN_PLACE, 0, mpi_type(type), data, segments.counts.data(), segments.offsets.data(),
                         mpi_type(type), comm, &request);
  finish(code, request, "all_reduce");
}

void MpiCommunicator::Member::run_broadcast(void* data, std::size_t bytes, int root) const {
  for (std::size_t begin = 0; begin < bytes; begin += kLongestPiece) {
    const auto length = static_cast<int>(std::min(kLongestPiece, bytes - begin));
    MPI_Request request = new_request("broadcast");
    finish(MPI_Ibcast(at(data, begin), length, MPI_BYTE, root, comm, &request), request, "broadcast");
  }
}

MpiCommunicator::MpiCommunicator(MpiSession& session, MPI_Comm comm)
    : member_(std::make_shared<Member>(session, comm)) {}

int MpiCommunicator::rank() const {
  return member_->rank;
}
int MpiCommunicator::size() const {
  return member_->size;
}

void MpiCommunicator::all_to_all(Stream& stream, const void* send, void* recv, std::size_t count_per_rank,
                                 DataType type) {
  stream.enqueue([=, member = member_] { member->run_all_to_all(send, recv, count_per_rank, type, "all_to_all"); });
}

void MpiCommunicator::all_gather(Stream& stream, const void* send, void* recv, std::size_t count_per_rank,
                                 DataType type) {
  stream.enqueue([=, member = member_] { member->run_all_gather(send, recv, count_per_rank, type, "all_gather"); });
}

void MpiCommunicator::reduce_scatter(Stream& stream, const void* send, void* recv, std::size_t count_per_rank,
                                     DataType type) {
  stream.enqueue([=, member = member_] { member->run_reduce_scatter(send, recv, count_per_rank, type); });
}

void MpiCommunicator::all_reduce(Stream& stream, void* data, std::size_t count, DataType type) {
  stream.enqueue([=, member = member_] { member->run_all_reduce(data, count, type); });
}

void MpiCommunicator::broadcast(Stream& stream, void* data, std::size_t bytes, int root) {
  SEXTANT_CHECK(0 <= root && root < size(), "root {} of {} ranks", root, size());
  stream.enqueue([=, member = member_] { member->run_broadcast(data, bytes, root); });
}

void MpiCommunicator::barrier(Stream& stream) {
  stream.enqueue([member = member_] {
    MPI_Request request = member->new_request("barrier");
    member->finish(MPI_Ibarrier(member->comm, &request), request, "barrier");
  });
}

std::unique_ptr<Communicator> MpiCommunicator::split(int color) {
  const auto part = std::make_shared<MPI_Comm>(MPI_COMM_NULL);
  wait_for_call([=, member = member_] { return MPI_Comm_split(member->comm, color, member->rank, part.get()); },
                member_->wait("split"));
  return std::make_unique<MpiCommunicator>(member_->session, *part);
}

std::unique_ptr<Communicator> MpiCommunicator::duplicate() {
  const auto copy = std::make_shared<MPI_Comm>(MPI_COMM_NULL);
  wait_for_call([=, member = member_] { return MPI_Comm_dup(member->comm, copy.get()); }, member_->wait("duplicate"));
  return std::make_unique<MpiCommunicator>(member_->session, *copy);
}

std::vector<std::string> MpiCommunicator::gather_text(const std::string& text) {
  return gather_texts(member_->comm, kGatherTag, text, member_->wait("gather_text"));
}

}  // namespace sextant
