#include "models/training_setup.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {

namespace {

// "7 6x8 5": equal neighbours once, with their number.
std::string runs_text(const std::vector<int>& counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size();) {
    std::size_t end = i;
    while (end < counts.size() && counts[end] == counts[i]) ++end;
    text +=
        (i > 0 ? " " : "") + (end - i > 1 ? fmt::format("{}x{}", counts[i], end - i) : fmt::format("{}", counts[i]));
    i = end;
  }
  return text;
}

// "stage 4", "stages 0-2, 5": those that recompute so.
std::string stages_text(const std::vector<Recompute>& stages, Recompute recompute) {
  std::string text;
  int count = 0;
  for (std::size_t i = 0; i < stages.size();) {
    std::size_t end = i;
    while (end < stages.size() && stages[end] == recompute) ++end;
    if (end > i) {
      text += count > 0 ? ", " : "";
      text += end - i > 1 ? fmt::format("{}-{}", i, end - 1) : fmt::format("{}", i);
      count += static_cast<int>(end - i);
    }
    i = std::max(end, i + 1);
  }
  return (count == 1 ? "stage " : "stages ") + text;
}

// "full<what> on stages 0-2 and selective<what> on stage 4". REQUIRES: stages that differ.
std::string mixed_text(const std::vector<Recompute>& stages, const char* what) {
  std::string text;
  for (const Recompute recompute : {Recompute::kFull, Recompute::kSelective}) {
    if (std::ranges::find(stages, recompute) == stages.end()) continue;
    text += fmt::format("{}{}{} on {}", text.empty() ? "" : " and ", to_text(recompute), what,
                        stages_text(stages, recompute));
  }
  return text;
}

}  // namespace

const char* to_text(Precision precision) {
  return precision == Precision::kBf16 ? "bf16" : "fp8";
}

const char* to_text(PipelineSchedule schedule) {
  constexpr std::array<const char*, kNumPipelineSchedules> kNames = {"1f1b", "zero_bubble_h1", "dualpipe"};
  return kNames[static_cast<std::size_t>(schedule)];
}

const char* to_text(Dispatch dispatch) {
  constexpr std::array<const char*, kNumDispatches> kNames = {"flat", "1dh", "2dh", "deduplicated"};
  return kNames[static_cast<std::size_t>(dispatch)];
}

const char* to_text(Overlap overlap) {
  constexpr std::array<const char*, kNumOverlaps> kNames = {"none", "chunks", "two_micro_batches"};
  return kNames[static_cast<std::size_t>(overlap)];
}

const char* to_text(Recompute recompute) {
  switch (recompute) {
    case Recompute::kNone:
      return "none";
    case Recompute::kSelective:
      return "selective";
    case Recompute::kFull:
      return "full";
  }
  SEXTANT_CHECK(false, "recompute {}", static_cast<int>(recompute));
}

std::vector<int> even_stages(int layers, int stages) {
  SEXTANT_CHECK(stages >= 1 && stages <= layers, "{} stages of {} layers", stages, layers);
  std::vector<int> split(static_cast<std::size_t>(stages), layers / stages);
  for (int i = 0; i < layers % stages; ++i) ++split[static_cast<std::size_t>(i)];
  return split;
}

std::vector<int> stage_layers(const Network& network, const TrainingSetup& setup) {
  return setup.stage_layers.empty() ? even_stages(network.layers, setup.degrees.pp) : setup.stage_layers;
}

Recompute recompute_of(const TrainingSetup& setup, int stage) {
  return setup.stage_recompute.empty() ? setup.recompute : setup.stage_recompute.at(static_cast<std::size_t>(stage));
}

void set_stage_recompute(TrainingSetup& setup, const std::vector<Recompute>& stages) {
  const Recompute first = stages.at(0);
  const bool same = std::ranges::all_of(stages, [&](Recompute r) { return r == first; });
  setup.recompute = same ? first : Recompute::kNone;
  setup.stage_recompute = same ? std::vector<Recompute>() : stages;
}

double busiest_rank(const TrainingSetup& setup) {
  return std::min(setup.expert_imbalance, static_cast<double>(setup.degrees.ep));
}

int stage_copies(const TrainingSetup& setup) {
  return setup.pipeline == PipelineSchedule::kDualPipe ? 2 : 1;
}

bool pairs_passes(const TrainingSetup& setup) {
  return setup.pipeline == PipelineSchedule::kDualPipe || setup.overlap == Overlap::kMicroBatches;
}

bool can_pair_passes(const TrainingSetup& setup) {
  if (setup.pipeline != PipelineSchedule::k1F1B) return false;
  return setup.degrees.pp == 1 ? setup.num_micro_batches > 1 : setup.virtual_stages > 1;
}

double unpaired_share(const TrainingSetup& setup) {
  if (setup.pipeline == PipelineSchedule::kDualPipe) return 0.0;
  const auto micro_batches = static_cast<double>(setup.num_micro_batches);
  const double v = setup.virtual_stages;
  if (setup.degrees.pp == 1) return 1.0 / micro_batches;
  return std::min(1.0, ((v - 1.0) * setup.degrees.pp + 1.0) / (micro_batches * v));
}

HeldParameters held_parameters(const Network& n, const TrainingSetup& setup) {
  const ParallelDegrees& d = setup.degrees;
  const double share = 1.0 / d.pp;
  const double moe_layers = num_moe_layers(n);
  const double layers = n.layers * static_cast<double>(attention_parameters(n)) +
                        static_cast<double>(n.dense.layers.size()) * static_cast<double>(dense_layer_parameters(n)) +
                        moe_layers * static_cast<double>(shared_expert_parameters(n));
  const double tables = d.pp == 1 && !n.tied_embeddings ? 2.0 : 1.0;
  const double table = static_cast<double>(n.vocabulary) * static_cast<double>(n.model_dim);
  HeldParameters held{.dense = (share * layers + tables * table) / d.tp};
  if (n.num_experts > 0) {
    held.experts = share * moe_layers * static_cast<double>(expert_parameters(n)) * n.num_experts / d.ep / d.esp;
  }
  return held;
}

std::string recompute_text(const TrainingSetup& setup) {
  return setup.stage_recompute.empty() ? to_text(setup.recompute) : mixed_text(setup.stage_recompute, "");
}

std::string to_text(const TrainingSetup& setup) {
  std::string text = fmt::format("{}, {} x {}", to_text(setup.degrees), setup.micro_batch, setup.num_micro_batches);
  if (setup.pipeline != PipelineSchedule::k1F1B) text += fmt::format(", {}", to_text(setup.pipeline));
  if (setup.virtual_stages > 1) text += fmt::format(", v{}", setup.virtual_stages);
  if (!setup.stage_layers.empty()) text += ", stages " + runs_text(setup.stage_layers);
  text += fmt::format(", ZeRO-{}", setup.zero_stage);
  if (!setup.stage_recompute.empty()) text += ", " + mixed_text(setup.stage_recompute, " recompute");
  if (setup.recompute != Recompute::kNone) text += fmt::format(", {} recompute", to_text(setup.recompute));
  if (setup.precision != Precision::kBf16) text += fmt::format(", {}", to_text(setup.precision));
  if (setup.dispatch != Dispatch::kFlat) text += fmt::format(", {} dispatch", to_text(setup.dispatch));
  if (setup.overlap == Overlap::kMicroBatches && setup.pipeline != PipelineSchedule::kDualPipe)
    text += ", two micro-batches overlapped";
  if (setup.overlap == Overlap::kChunks)
    text += fmt::format(", chunks {} forward {} backward", setup.forward_degree, setup.backward_degree);
  return text;
}

}  // namespace sextant
