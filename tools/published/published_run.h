// A published training run as a row of a table (columns of data/training_runs.csv): which network on how many of
// which devices, under which layout, and how fast it was.
#pragma once

#include <string>
#include <variant>

#include "models/cluster.h"
#include "models/network.h"
#include "models/setup_memory.h"
#include "models/training_setup.h"
#include "models/units.h"
#include "tools/published/catalogue.h"
#include "tools/published/csv_table.h"

namespace sextant {

// Of one device, in the words of the note: "peak alloc" is what PyTorch's allocator handed out, "peak memory" what it
// held. Neither counts what lies outside of the allocator.
struct PublishedPeak {
  Bytes bytes;
  bool is_allocated = false;
  // What a breakdown says of the same.
  [[nodiscard]] Bytes of(const MemoryBreakdown& memory) const {
    return is_allocated ? allocated(memory) : held_by_allocator(memory);
  }
};

struct PublishedRun {
  int line = 0;
  std::string source;
  std::string group;   // rows with the same: network, device, device count, batch, sequence, precision
  std::string device;  // as published
  std::string precision;
  const Network* network = nullptr;
  Cluster cluster;
  TrainingSetup setup;
  Seconds step_time;              // measured; 0 where it ran out of memory
  bool out_of_memory = false;     // says the note
  bool states_recompute = false;  // otherwise the row leaves open what was computed again
  std::optional<PublishedPeak> peak_memory;
  MemoryAssumptions memory;
};

// Why a row is not scored: "network 'X' is unknown", "no seq", "no layout", ...
struct SkippedRun {
  int line = 0;
  std::string source;
  std::string reason;
};

// Columns that every table of runs needs; others may be missing or empty.
[[nodiscard]] const std::vector<std::string>& required_run_columns();

// What a row leaves open is filled by rules that hold for every row:
//   an empty degree is 1, micro-batch 1; dp follows from the devices
//   stages      even where pp divides the layers, else the fastest split (planner/stage_choice.h)
//   vp          of a pipeline of today: chunks of two layers; of 16-bit floating point (FP16) frameworks: 1
//   FP16        attention not fused, no sequence parallelism unless the note names it
//   etp         empty: experts are cut as attention is and spread over data parallelism, not folded; the
//               note "w/ Folding": 1, folded
//   the note    FSDP, ZeRO-3, FULL_SHARD: ZeRO 3; SHARD_GRAD_OP: ZeRO 2; checkpointing or full recompute: full;
//   "selective" recompute:
//               selective; "800 Gb/s inter-node": that bandwidth of a node
//               "DeepEP" or a NeMo container of 25.09 or later: de-duplicated dispatch, beside the passes of another
//               micro-batch where there are virtual stages
//               "A2A overlap": beside those of another micro-batch
//   NeMo, Megatron-Bridge, DGX Cloud: tensor-parallel traffic of dense networks beside the products (their recipes set
//               ub_tp_comm_overlap: NeMo-Framework-Launcher, conf/training)
//   NeMo AutoModel: gradients and moments in 16 bits, no master weights (its recipes run PyTorch's Adam on a 16-bit
//               network: Automodel, examples/llm_benchmark)
//   measured    tokens/s, else TFLOP/s, else MFU of the 16-bit peak; with recomputed products where the note
//               says that they are counted
[[nodiscard]] std::variant<PublishedRun, SkippedRun> read_run(const CsvRow& row, const Catalogue& catalogue);

}  // namespace sextant
