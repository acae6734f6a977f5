#include "planner/setup_space.h"

#include <algorithm>

#include "models/divisors.h"

namespace sextant {
namespace {

constexpr std::int64_t kLargestMicroBatch = 16;
constexpr std::array kChunkDegrees = {1, 2, 4, 8};  // as the solver of FSMoE

template <typename Value>
bool allowed(const std::optional<Value>& fixed, Value value) {
  return !fixed || *fixed == value;
}

std::vector<int> degrees_or(std::optional<int> fixed) {
  return fixed ? std::vector{*fixed} : std::vector(kChunkDegrees.begin(), kChunkDegrees.end());
}

std::vector<Dispatch> dispatches(const ParallelDegrees& degrees) {
  if (degrees.ep == 1) return {Dispatch::kFlat};
  return {Dispatch::kFlat, Dispatch::kHierarchical1D, Dispatch::kHierarchical2D, Dispatch::kDeduplicated};
}

}  // namespace

void set_exchange(TrainingSetup& setup, const Exchange& exchange) {
  setup.pipeline = exchange.pipeline;
  setup.virtual_stages = exchange.virtual_stages;
  setup.dispatch = exchange.dispatch;
  setup.overlap = exchange.overlap;
}

std::vector<ParallelDegrees> SetupSpace::attention_grids() const {
  const SetupRequest& r = request_;
  const Network& n = r.network;
  const std::int64_t devices = r.topology.num_ranks();
  std::vector<ParallelDegrees> grids;
  for (const int pp : divisors(devices, n.layers)) {
    for (const int tp : divisors(n.heads, r.topology.devices_per_node)) {
      for (const int cp : divisors(r.sequence, devices)) {
        const std::int64_t rest = std::int64_t{pp} * tp * cp;
        const bool cuts = n.kv_heads % tp == 0 || tp % n.kv_heads == 0;
        if (devices % rest != 0 || !cuts || r.sequence % (std::int64_t{cp} * tp) != 0) continue;
        const auto dp = static_cast<int>(devices / rest);
        if (r.global_batch % dp != 0) continue;
        if (allowed(r.pp, pp) && allowed(r.tp, tp) && allowed(r.cp, cp) && allowed(r.dp, dp)) {
          grids.push_back({.pp = pp, .dp = dp, .cp = cp, .tp = tp});
        }
      }
    }
  }
  return grids;
}

std::vector<ParallelDegrees> SetupSpace::expert_grids(const ParallelDegrees& attention) const {
  const Network& n = request_.network;
  const std::int64_t ranks = std::int64_t{attention.dp} * attention.cp * attention.tp;
  const bool is_moe = n.num_experts > 0;
  std::vector<ParallelDegrees> grids;
  for (const int ep : is_moe ? divisors(n.num_experts, ranks) : std::vector{1}) {
    for (const int esp : is_moe ? divisors(attention.tp, ranks) : std::vector{attention.tp}) {
      const bool divides = ranks % (std::int64_t{ep} * esp) == 0 && (!is_moe || n.expert_hidden_dim % esp == 0);
      if (!divides || !allowed(request_.ep, ep) || !allowed(request_.esp, esp)) continue;
      ParallelDegrees grid = attention;
      grid.ep = ep;
      grid.esp = esp;
      grid.edp = static_cast<int>(ranks / ep / esp);
      if (allowed(request_.edp, grid.edp)) grids.push_back(grid);
    }
  }
  return grids;
}

std::vector<std::int64_t> SetupSpace::micro_batches(const ParallelDegrees& degrees) const {
  const std::int64_t share = request_.global_batch / degrees.dp;
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = 1; size <= std::min(share, kLargestMicroBatch); size *= 2) {
    if (share % size == 0 && allowed(request_.micro_batch, size)) sizes.push_back(size);
  }
  return sizes;
}

std::vector<Exchange> SetupSpace::exchanges(const TrainingSetup& setup) const {
  const std::vector<Dispatch> algorithms = dispatches(setup.degrees);
  std::vector<Exchange> all;
  TrainingSetup with = setup;
  for (Exchange exchange : pipelines(setup)) {
    set_exchange(with, exchange);
    const std::vector<Overlap> ways = overlaps(with);
    for (const Dispatch dispatch : algorithms) {
      exchange.dispatch = dispatch;
      for (const Overlap overlap : ways) {
        exchange.overlap = overlap;
        all.push_back(exchange);
      }
    }
  }
  return all;
}

std::vector<Exchange> SetupSpace::pipelines(const TrainingSetup& setup) const {
  const int pp = setup.degrees.pp;
  const std::int64_t micro_batches = setup.num_micro_batches;
  std::vector<Exchange> all{{}};
  if (pp > 1 && micro_batches % pp == 0) {
    const int layers = (request_.network.layers + pp - 1) / pp;
    for (const int v : divisors(layers, layers)) {
      if (v > 1) all.push_back({.virtual_stages = v});
    }
  }
  if (pp > 1 && micro_batches >= pp) all.push_back({.pipeline = PipelineSchedule::kZeroBubble});
  if (pp % 2 == 0 && micro_batches % 2 == 0 && micro_batches >= 2 * pp) {
    all.push_back({.pipeline = PipelineSchedule::kDualPipe});
  }
  std::erase_if(all, [&](const Exchange& e) { return !allowed(request_.pipeline, e.pipeline); });
  return all;
}

// A request for degrees above 1 is one for chunks.
std::vector<Overlap> SetupSpace::overlaps(const TrainingSetup& setup) const {
  const ParallelDegrees& d = setup.degrees;
  const bool has_traffic = request_.network.num_experts > 0 && (d.ep > 1 || d.esp > 1);
  const bool is_dual = setup.pipeline == PipelineSchedule::kDualPipe;
  const bool one_chunk = allowed(request_.forward_degree, 1) && allowed(request_.backward_degree, 1);
  const bool pairs = can_pair_passes(setup) && d.ep > 1 && request_.recompute != Recompute::kFull;
  std::vector<Overlap> all;
  if (!is_dual && one_chunk) all.push_back(Overlap::kNone);
  if (!is_dual && has_traffic && !chunk_degrees_.empty()) all.push_back(Overlap::kChunks);
  if ((is_dual || pairs) && one_chunk) all.push_back(Overlap::kMicroBatches);
  std::erase_if(all, [&](Overlap overlap) { return !allowed(request_.overlap, overlap); });
  return all;
}

// One chunk overlaps nothing but shared experts.
std::vector<std::pair<int, int>> SetupSpace::chunk_degrees_of(const SetupRequest& request) {
  std::vector<std::pair<int, int>> all;
  for (const int forward : degrees_or(request.forward_degree)) {
    for (const int backward : degrees_or(request.backward_degree)) {
      if (forward > 1 || backward > 1 || request.network.shared_experts) all.emplace_back(forward, backward);
    }
  }
  return all;
}

}  // namespace sextant
