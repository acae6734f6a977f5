#include "executor/data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

std::vector<std::uint8_t> read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) throw ConfigError(fmt::format("{}: cannot be read", path.string()));
  return bytes;
}

bool is_text(std::span<const std::uint8_t> bytes) {
  return std::ranges::find(bytes, std::uint8_t{0}) == bytes.end();
}

// Regular files below `folder` in order of path, each once however many links name it.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;  // a dangling link is not a regular file
    if (it->is_regular_file(ignored)) paths.push_back(it->path());
  }
  if (error) throw ConfigError(fmt::format("{}: cannot be listed ({})", folder.string(), error.message()));
  // Plain files before links, so that a link gives way to the file it names.
  std::ranges::sort(paths, {}, [](const fs::path& path) { return std::pair(fs::is_symlink(path), path); });
  std::set<fs::path> seen;
  std::erase_if(paths, [&](const fs::path& path) { return !seen.insert(fs::canonical(path)).second; });
  std::ranges::sort(paths);
  return paths;
}

Corpus load_folder(const fs::path& folder) {
  Corpus corpus;
  for (const fs::path& path : files_below(folder)) {
    const std::vector<std::uint8_t> bytes = read_file(path);
    if (bytes.empty() || !is_text(bytes)) continue;
    corpus.bytes.insert(corpus.bytes.end(), bytes.begin(), bytes.end());
    corpus.bytes.push_back('\n');
    ++corpus.num_files;
  }
  if (corpus.num_files == 0) throw ConfigError(fmt::format("{}: no text file below this folder", folder.string()));
  return corpus;
}

Corpus load_single_file(const fs::path& path) {
  Corpus corpus{.bytes = read_file(path), .num_files = 1};
  if (corpus.bytes.empty()) throw ConfigError(fmt::format("{}: the file is empty", path.string()));
  if (!is_text(corpus.bytes)) throw ConfigError(fmt::format("{}: not a text file (it has NUL bytes)", path.string()));
  return corpus;
}

// One round of splitmix64 (Steele, Lea, Flood 2014): a bijection that spreads every input bit.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

Corpus load_corpus(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw ConfigError(fmt::format("{}: no such file or folder", path.string()));
  if (fs::is_directory(status)) return load_folder(path);
  if (fs::is_regular_file(status)) return load_single_file(path);
  throw ConfigError(fmt::format("{}: neither a file nor a folder", path.string()));
}

void check_corpus(const Corpus& corpus, const StepShape& step, const fs::path& path) {
  const auto num_bytes = static_cast<std::int64_t>(corpus.bytes.size());
  if (num_bytes <= step.sequence) {
    throw ConfigError(fmt::format("{}: {} bytes of text, a sample of sequence {} needs at least {}", path.string(),
                                  num_bytes, step.sequence, step.sequence + 1));
  }
  const int largest = *std::ranges::max_element(corpus.bytes);
  if (largest >= step.network.vocabulary) {
    throw ConfigError(fmt::format("{}: byte {} is outside the vocabulary of {} of network {} (256 holds every byte)",
                                  path.string(), largest, step.network.vocabulary, step.network.name));
  }
}

double unigram_entropy_nats(std::span<const std::uint8_t> bytes) {
  std::array<std::int64_t, 256> counts{};
  for (const std::uint8_t byte : bytes) ++counts[byte];
  double entropy = 0.0;
  for (const std::int64_t count : counts) {
    if (count == 0) continue;
    const double probability = static_cast<double>(count) / static_cast<double>(bytes.size());
    entropy -= probability * std::log(probability);
  }
  return entropy;
}

std::int64_t global_sample_index(const StepShape& step, const SamplePosition& position) {
  const std::int64_t dp = step.layout.degrees().dp;
  return (position.micro_batch_index * dp + position.replica) * step.micro_batch + position.sample;
}

std::int64_t window_begin(const WindowChoice& choice, std::size_t num_bytes, std::int64_t sequence) {
  std::uint64_t random = mix(choice.seed);
  random = mix(random ^ static_cast<std::uint64_t>(choice.step));
  random = mix(random ^ static_cast<std::uint64_t>(choice.sample_index));
  // The bias of the remainder is num_windows / 2^64: nothing for any corpus that fits in memory.
  const std::uint64_t num_windows = num_bytes - static_cast<std::uint64_t>(sequence);
  return static_cast<std::int64_t>(random % num_windows);
}

Batch sample_batch(const Corpus& corpus, const StepShape& step, const BatchChoice& choice) {
  Batch batch;
  const std::int64_t num_tokens = step.num_micro_batches * step.micro_batch * step.sequence;
  batch.inputs.reserve(static_cast<std::size_t>(num_tokens));
  batch.targets.reserve(static_cast<std::size_t>(num_tokens));
  for (int m = 0; m < step.num_micro_batches; ++m) {
    for (std::int64_t i = 0; i < step.micro_batch; ++i) {
      const std::int64_t index =
          global_sample_index(step, {.micro_batch_index = m, .replica = choice.replica, .sample = i});
      const std::int64_t begin = window_begin({.seed = choice.seed, .step = choice.step, .sample_index = index},
                                              corpus.bytes.size(), step.sequence);
      const auto first = corpus.bytes.begin() + begin;
      batch.inputs.insert(batch.inputs.end(), first, first + step.sequence);
      batch.targets.insert(batch.targets.end(), first + 1, first + step.sequence + 1);
    }
  }
  return batch;
}

}  // namespace sextant
