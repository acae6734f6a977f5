// Memory that one rank needs for a training step, term by term.
#pragma once

#include <string>
#include <vector>

#include "models/units.h"
#include "models/work.h"

namespace sextant {

struct MemoryTerm {
  std::string name;  // "parameters", "gradients", "optimizer state", "expert activations", ...
  Bytes bytes;
};

struct MemoryBreakdown {
  std::vector<MemoryTerm> terms;
  [[nodiscard]] Bytes total() const;
  [[nodiscard]] const MemoryTerm& largest() const;
};

// Mirrors what the executor allocates (executor/transformer/activations.h): AdamW keeps two moments;
// activations of all layers of every micro-batch in flight, the gathered expert input included; the buffers between
// tasks; for a split expert backward what two layers keep for their weight gradients. Not included: the program itself
// and what a communication library allocates.
[[nodiscard]] MemoryBreakdown training_memory(const StepShape& step, const OverlapOptions& overlap = {});

}  // namespace sextant
