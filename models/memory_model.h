// Memory that one rank needs for a training step, term by term.
#pragma once

#include <string>
#include <vector>

#include "models/units.h"
#include "models/work.h"

namespace sextant {

struct MemoryTerm {
  std::string name;  // "parameters", "gradients", "optimizer state", "attention activations", "expert activations", ...
  Bytes bytes;
};

struct MemoryBreakdown {
  std::vector<MemoryTerm> terms;
  [[nodiscard]] Bytes total() const;
  [[nodiscard]] const MemoryTerm& largest() const;
};

// Mirrors what the executor allocates (executor/model.h): AdamW keeps two moments; activations of all
// layers of one micro-batch, the gathered expert input included; chunk and gradient buffers.
[[nodiscard]] MemoryBreakdown training_memory(const StepShape& step);

}  // namespace sextant
