// Checkpoints: parameters and optimizer state as whole tensors under their logical names, so that a
// run can go on under any layout.
//
// File: safetensors; "<name>", "first_moment.<name>" and "second_moment.<name>" for every parameter;
// metadata `schema`, `step` (steps done), `seed` (of the samples) and `network` (content hash).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "executor/runtime/runtime.h"
#include "executor/transformer.h"
#include "models/work.h"

namespace sextant {

struct CheckpointInfo {
  std::int64_t step = 0;
  std::uint64_t seed = 0;
  std::string network_hash;
};

// Throws ConfigError when the file cannot be read or is no checkpoint.
[[nodiscard]] CheckpointInfo read_checkpoint_info(const std::filesystem::path& path);

// Throws ConfigError unless the checkpoint is one of the network of `step` from before step `last_step`.
// Returns what it holds. No communication.
CheckpointInfo require_resumable(const std::filesystem::path& path, const StepShape& step, std::int64_t last_step);

// Collective over `world`; rank 0 writes. The file has its final name only when it is whole.
// Throws ConfigError on every rank when it cannot be written.
void save_checkpoint(World& world, const StepShape& step, const Transformer<float>& model, std::uint64_t seed,
                     const std::filesystem::path& path);

// Collective over `world`; every rank reads its slices. Sets the model's step too. Throws ConfigError on
// every rank when the file cannot be read or belongs to another network.
void load_checkpoint(World& world, const StepShape& step, Transformer<float>& model, const std::filesystem::path& path);

}  // namespace sextant
