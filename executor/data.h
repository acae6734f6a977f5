// Training text: bytes as tokens, and which windows of them make up a batch.
//
// A sample is a window of sequence + 1 bytes: the first `sequence` are the input, the last `sequence`
// the targets. Where a window starts depends on (seed, step, index of the sample in the global batch)
// and on nothing else, so every layout, and a run resumed at any step, trains on the same batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "models/work.h"

namespace sextant {

struct Corpus {
  std::vector<std::uint8_t> bytes;
  int num_files = 0;
};

// Reads a text file, or every text file below a folder in order of path, a newline after each. Below a
// folder, files that hold a NUL byte (indices such as the *.dat of fortunes) and second names of a file
// already read (symbolic links) are left out.
// Throws ConfigError when `path` does not exist, cannot be read, or holds no text.
[[nodiscard]] Corpus load_corpus(const std::filesystem::path& path);

// Throws ConfigError unless the corpus has at least one sample of `step` and its bytes are tokens of
// the network's vocabulary. `path` is named in the message.
void check_corpus(const Corpus& corpus, const StepShape& step, const std::filesystem::path& path);

// Entropy of the distribution of single bytes, in nats: the loss of a model that knows how frequent
// every byte is and nothing of its context.
[[nodiscard]] double unigram_entropy_nats(std::span<const std::uint8_t> bytes);

// Sample `index` of the global batch, for sample `position` = [micro-batch m, i] of replica d:
//   index = (m * dp + d) * micro_batch + i
// so that global micro-batch m is made of the samples m * dp * micro_batch and following, and a single
// rank with micro_batch' = dp * micro_batch sees the same micro-batches.
struct SamplePosition {
  int micro_batch_index = 0;
  int replica = 0;
  std::int64_t sample = 0;
};
[[nodiscard]] std::int64_t global_sample_index(const StepShape& step, const SamplePosition& position);

// First byte of the window. REQUIRES: num_bytes > sequence.
struct WindowChoice {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  std::int64_t sample_index = 0;
};
[[nodiscard]] std::int64_t window_begin(const WindowChoice& choice, std::size_t num_bytes, std::int64_t sequence);

struct Batch {
  std::vector<std::int32_t> inputs;   // [num_micro_batches, micro_batch, sequence]
  std::vector<std::int32_t> targets;  // the same, one byte later
};

// What one data-parallel replica trains on in one step.
struct BatchChoice {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  int replica = 0;  // 0 .. dp-1
};
[[nodiscard]] Batch sample_batch(const Corpus& corpus, const StepShape& step, const BatchChoice& choice);

}  // namespace sextant
