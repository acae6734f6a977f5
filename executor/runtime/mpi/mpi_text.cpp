#include "executor/runtime/mpi/mpi_communicator.h"
#include "models/error.h"

namespace sextant {
namespace {

// Texts as one message: the length of each in decimal, a colon, the text.
std::string pack(const std::vector<std::string>& texts) {
  std::string packed;
  for (const std::string& text : texts) packed += fmt::format("{}:{}", text.size(), text);
  return packed;
}

std::vector<std::string> unpack(const std::string& packed) {
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < packed.size();) {
    const std::size_t colon = packed.find(':', at);
    const std::size_t length = std::stoul(packed.substr(at, colon - at));
    texts.push_back(packed.substr(colon + 1, length));
    at = colon + 1 + length;
  }
  return texts;
}

struct Peer {
  MPI_Comm comm;
  int rank;
  int tag;
};

std::string receive_text(const Peer& from, const MpiWait& wait) {
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  wait_until(
      [&] {
        int is_there = 0;
        check_mpi(MPI_Improbe(from.rank, from.tag, from.comm, &is_there, &message, &status), "MPI_Improbe");
        return is_there != 0;
      },
      wait);
  int length = 0;
  check_mpi(MPI_Get_count(&status, MPI_CHAR, &length), "MPI_Get_count");
  std::string text(static_cast<std::size_t>(length), '\0');
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Imrecv(text.data(), length, MPI_CHAR, &message, &request), "MPI_Imrecv");
  wait_for(request, wait);
  return text;
}

bool has_sent(const Peer& from) {
  int is_there = 0;
  check_mpi(MPI_Iprobe(from.rank, from.tag, from.comm, &is_there, MPI_STATUS_IGNORE), "MPI_Iprobe");
  return is_there != 0;
}

// Rank 0 waits until every other rank has sent, and receives nothing before.
void wait_for_all(MPI_Comm comm, int tag, const MpiWait& wait) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  MpiWait naming = wait;
  naming.who = [&] {
    return fmt::format("{}, no word from rank {}", wait.who(), fmt::join(silent_ranks(comm, tag), " "));
  };
  int next = 1;  // all before it have sent
  wait_until(
      [&] {
        while (next < size && has_sent({.comm = comm, .rank = next, .tag = tag})) ++next;
        return next == size;
      },
      naming);
}

void send_text(const Peer& to, const std::string& text, const MpiWait& wait) {
  give_up_if_asked(wait);
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Isend(text.data(), static_cast<int>(text.size()), MPI_CHAR, to.rank, to.tag, to.comm, &request),
            "MPI_Isend");
  wait_for(request, wait);
}

}  // namespace

std::vector<int> silent_ranks(MPI_Comm comm, int tag) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  std::vector<int> silent;
  for (int rank = 1; rank < size; ++rank) {
    if (!has_sent({.comm = comm, .rank = rank, .tag = tag})) silent.push_back(rank);
  }
  return silent;
}

std::vector<std::string> gather_texts(MPI_Comm comm, int tag, const std::string& text, const MpiWait& wait) {
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  if (rank != 0) {
    send_text({.comm = comm, .rank = 0, .tag = tag}, text, wait);
    return unpack(receive_text({.comm = comm, .rank = 0, .tag = tag}, wait));
  }
  wait_for_all(comm, tag, wait);
  std::vector<std::string> texts{text};
  for (int other = 1; other < size; ++other) {
    texts.push_back(receive_text({.comm = comm, .rank = other, .tag = tag}, wait));
  }
  const std::string packed = pack(texts);
  for (int other = 1; other < size; ++other) send_text({.comm = comm, .rank = other, .tag = tag}, packed, wait);
  return texts;
}

}  // namespace sextant
