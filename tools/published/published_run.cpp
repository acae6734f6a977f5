#include "tools/published/published_run.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "models/plain_text.h"
#include "models/step_estimate.h"
#include "planner/stage_choice.h"

namespace sextant {
namespace {

// Ends the reading of a row that cannot be scored.
struct Skip {
  std::string reason;
};

std::string short_text(const std::string& text) {
  constexpr std::size_t kMaxShown = 60;
  return one_line(text, kMaxShown);
}

std::string quoted(const std::string& text) {
  return "'" + short_text(text) + "'";
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::optional<double> number(const CsvRow& row, std::string_view column) {
  const std::string& text = row[column];
  if (text.empty()) return std::nullopt;
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw Skip{fmt::format("{} {} is no number", column, quoted(text))};
  }
  return value;
}

std::int64_t count(const CsvRow& row, std::string_view column, std::optional<std::int64_t> when_empty) {
  constexpr double kMax = 1e9;
  const std::optional<double> value = number(row, column);
  if (!value && when_empty) return *when_empty;
  if (!value) throw Skip{fmt::format("no {}", column)};
  if (*value < 1.0 || *value > kMax || *value != std::floor(*value)) {
    throw Skip{fmt::format("{} is {}", column, short_text(row[column]))};
  }
  return static_cast<std::int64_t>(*value);
}

// A measured rate, in bounds that no machine leaves: what is computed from it stays finite.
std::optional<double> rate(const CsvRow& row, std::string_view column) {
  constexpr double kLeast = 1e-6;
  constexpr double kMost = 1e12;
  const std::optional<double> value = number(row, column);
  if (value && (*value < kLeast || *value > kMost))
    throw Skip{fmt::format("{} is {}", column, short_text(row[column]))};
  return value;
}

// The first number of the note that stands between `before` and `after`: digits and points, above 0.
std::optional<double> noted(std::string_view note, std::string_view before, std::string_view after) {
  constexpr double kMost = 1e6;
  for (std::size_t at = note.find(after); at != std::string_view::npos; at = note.find(after, at + 1)) {
    const std::string_view head = note.substr(0, at);
    const std::string_view digits = head.substr(head.find_last_not_of("0123456789.") + 1);  // npos + 1 is 0
    if (!head.substr(0, head.size() - digits.size()).ends_with(before)) continue;
    double value = 0.0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc() && value > 0.0 && value <= kMost) return value;
  }
  return std::nullopt;
}

class RunReader {
 public:
  RunReader(const CsvRow& row, const Catalogue& catalogue)
      : row_(row), note_(lower(row["notes"])), precision_(lower(row["precision"])) {
    run_.network = catalogue.network(row["model"]);
    if (run_.network == nullptr) throw Skip{fmt::format("network {} is unknown", quoted(row["model"]))};
    const Cluster* cluster = catalogue.cluster(row["gpu"]);
    if (cluster == nullptr) throw Skip{fmt::format("device {} is unknown", quoted(row["gpu"]))};
    run_.cluster = *cluster;
  }

  PublishedRun read() {
    run_.line = row_.line;
    run_.source = row_["source"];
    run_.device = row_["gpu"];
    run_.precision = row_["precision"];
    run_.group = fmt::format("{} | {} x {} | batch {} x {} | {}", row_["model"], row_["gpu"], row_["n_gpus"],
                             row_["gbs"], row_["seq"], row_["precision"]);
    devices_ = count(row_, "n_gpus", std::nullopt);
    const bool has_layout = !(row_["tp"] + row_["cp"] + row_["pp"] + row_["ep"] + row_["dp"]).empty();
    if (!has_layout) throw Skip{"no layout"};
    read_setup();
    read_fabric();
    read_stages();
    run_.out_of_memory = has(note_, "oom");
    read_peak();
    if (!run_.out_of_memory) run_.step_time = measured();
    return std::move(run_);
  }

 private:
  bool is_fp16() const { return precision_.starts_with("fp16") || precision_.starts_with("float16"); }

  void read_setup() {
    TrainingSetup& setup = run_.setup;
    ParallelDegrees& d = setup.degrees;
    const auto degree = [&](std::string_view column) { return static_cast<int>(count(row_, column, 1)); };
    d.tp = degree("tp");
    d.cp = degree("cp");
    d.pp = degree("pp");
    std::int64_t replicas = devices_;
    for (const int cut : {d.tp, d.cp, d.pp}) {
      if (replicas % cut != 0) {
        throw Skip{fmt::format("tp {} x cp {} x pp {} does not divide {} devices", d.tp, d.cp, d.pp, devices_)};
      }
      replicas /= cut;
    }
    d.dp = static_cast<int>(replicas);
    setup.sequence = count(row_, "seq", std::nullopt);
    setup.micro_batch = count(row_, "mbs", 1);
    const std::int64_t batch = count(row_, "gbs", std::nullopt);
    if (batch % (d.dp * setup.micro_batch) != 0) {
      throw Skip{fmt::format("batch {} is no multiple of dp {} x micro-batch {}", batch, d.dp, setup.micro_batch)};
    }
    setup.num_micro_batches = batch / d.dp / setup.micro_batch;
    setup.fused_attention = !is_fp16();
    setup.sequence_parallel = !is_fp16() || has(note_, "sequence parallel");
    if (has(precision_, "fp4")) throw Skip{fmt::format("precision {} is not modelled", quoted(row_["precision"]))};
    const bool is_fp8 = has(precision_, "fp8");
    setup.precision = is_fp8 ? Precision::kFp8 : Precision::kBf16;
    setup.virtual_stages = static_cast<int>(count(row_, "vp", default_virtual_stages()));
    read_experts();
    read_methods();
  }

  std::int64_t default_virtual_stages() const {
    const int pp = run_.setup.degrees.pp;
    return pp == 1 || is_fp16() ? 1 : std::max(1, run_.network->layers / pp / 2);
  }

  void read_experts() {
    ParallelDegrees& d = run_.setup.degrees;
    const bool is_moe = run_.network->num_experts > 0;
    run_.setup.folded = !row_["etp"].empty() || has(note_, "w/ folding");
    d.ep = is_moe ? static_cast<int>(count(row_, "ep", 1)) : 1;
    d.esp = is_moe ? static_cast<int>(count(row_, "etp", run_.setup.folded ? 1 : d.tp)) : d.tp;
    if (d.ep > devices_ || d.esp > devices_ / d.ep) {
      throw Skip{fmt::format("ep {} x etp {} exceeds {} devices", d.ep, d.esp, devices_)};
    }
    constexpr double kDeduplicatedSince = 25.09;
    const auto container = noted(note_, "", " nemo container");  // 26.04.01 is 26.04
    if (is_moe && (container.value_or(0.0) >= kDeduplicatedSince || has(note_, "deepep"))) {
      run_.setup.dispatch = Dispatch::kDeduplicated;
      const bool interleaved = d.pp > 1 && run_.setup.virtual_stages > 1;
      if (interleaved) run_.setup.overlap = Overlap::kMicroBatches;
    }
    if (is_moe && has(note_, "a2a overlap") && can_pair_passes(run_.setup)) run_.setup.overlap = Overlap::kMicroBatches;
    d.edp = std::max(1, static_cast<int>(devices_ / d.pp / d.ep / d.esp));
  }

  // NeMo, Megatron-Bridge and the benchmarks of DGX Cloud run the recipes of NeMo.
  bool is_nvidia_recipe() const {
    const std::string text = lower(row_["source"]) + note_;
    return has(text, "nemo") || has(text, "megatron-bridge") || has(text, "dgxc");
  }

  void read_methods() {
    TrainingSetup& setup = run_.setup;
    if (has(note_, "fsdp") || has(note_, "zero-3") || has(note_, "full_shard")) setup.zero_stage = 3;
    if (has(note_, "shard_grad_op")) setup.zero_stage = 2;  // FSDP that shards gradients and states
    setup.overlaps_tensor_parallel = run_.network->num_experts == 0 && is_nvidia_recipe();
    setup.keeps_gathered = has(note_, "no reshard");
    if (has(lower(row_["source"]), "automodel")) {
      run_.memory.gradient_bytes = 2.0;
      run_.memory.optimizer_bytes = 4.0;
    }
    const bool full = has(note_, "full activation checkpointing") || has(note_, "full recompute") ||
                      has(note_, "activation checkpointing true") || has(note_, "activation recomputation on") ||
                      has(note_, "full ac");
    const bool selective = has(note_, "selective");
    run_.states_recompute = full || selective;
    if (full) setup.recompute = Recompute::kFull;
    if (!full && selective) setup.recompute = Recompute::kSelective;
  }

  // Layers that the stages divide are spread evenly, as Megatron-LM demands unless told the stages; told them, the
  // fastest are assumed.
  void read_stages() {
    const int pp = run_.setup.degrees.pp;
    if (pp > run_.network->layers) throw Skip{fmt::format("pp {} of {} layers", pp, run_.network->layers)};
    if (run_.network->layers % pp == 0) return;
    run_.setup = choose_stages(*run_.network, run_.setup, run_.cluster).value();
  }

  void read_peak() {
    for (const bool is_allocated : {true, false}) {
      const auto gib = noted(note_, is_allocated ? "peak alloc " : "peak memory ", " gib");
      if (!gib || run_.peak_memory) continue;
      run_.peak_memory = {.bytes = parse_bytes(fmt::format("{} GiB", *gib)), .is_allocated = is_allocated};
    }
  }

  void read_fabric() {
    const auto gbit = noted(note_, "", " gb/s inter-node");
    if (!gbit) return;
    const BytesPerSecond node = parse_bytes_per_second(fmt::format("{} Gbit/s", *gbit));
    run_.cluster.reference->inter.bandwidth = node / run_.cluster.topology.devices_per_node;
  }

  Seconds measured() const {
    const double tokens = static_cast<double>(count(row_, "gbs", std::nullopt) * run_.setup.sequence);
    const double per_device = tokens / static_cast<double>(devices_);
    if (const auto tokens_per_s = rate(row_, "tokens_per_s_per_gpu")) return Seconds(per_device / *tokens_per_s);
    constexpr double kRecomputed = 4.0 / 3.0;
    const bool recomputed = has(note_, "incl. recompute") || has(note_, "recompute flops included");
    const Flops flops =
        model_flops_per_token(*run_.network, run_.setup.sequence) * per_device * (recomputed ? kRecomputed : 1.0);
    if (const auto tera = rate(row_, "tflops_per_gpu")) {
      return flops / parse_flops_per_second(fmt::format("{} TFLOP/s", *tera));
    }
    if (const auto percent = rate(row_, "mfu")) return flops / (run_.cluster.device.peak * (*percent / 100.0));
    throw Skip{"no measured speed"};
  }

  const CsvRow& row_;
  std::string note_;
  std::string precision_;
  std::int64_t devices_ = 0;
  PublishedRun run_;
};

}  // namespace

const std::vector<std::string>& required_run_columns() {
  static const std::vector<std::string> columns = {"source",
                                                   "model",
                                                   "gpu",
                                                   "n_gpus",
                                                   "gbs",
                                                   "mbs",
                                                   "seq",
                                                   "tp",
                                                   "cp",
                                                   "pp",
                                                   "vp",
                                                   "ep",
                                                   "etp",
                                                   "dp",
                                                   "precision",
                                                   "tokens_per_s_per_gpu",
                                                   "tflops_per_gpu",
                                                   "mfu",
                                                   "notes"};
  return columns;
}

std::variant<PublishedRun, SkippedRun> read_run(const CsvRow& row, const Catalogue& catalogue) {
  try {
    return RunReader(row, catalogue).read();
  } catch (const Skip& skip) {
    return SkippedRun{row.line, row["source"], skip.reason};
  }
}

}  // namespace sextant
