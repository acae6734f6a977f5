#include "executor/parameters.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {
namespace {

constexpr double kInitialDeviation = 0.02;

std::int64_t product(const std::vector<std::int64_t>& dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// Which part of one dim this rank holds: part `index` of `count` equal ones.
struct Cut {
  std::size_t dim = 0;
  int index = 0;
  int count = 1;
};

// Collects parameters and lays them one after the other in the flat buffer of their group.
class ParameterList {
 public:
  ParameterList(const StepShape& step, int rank) : step_(step), rank_(rank) {
    const ParallelDegrees& degrees = step.layout.degrees();
    replicated_ = degrees.tp == 1 ? GroupKind::kDp : GroupKind::kStage;
    output_deviation_ = kInitialDeviation / std::sqrt(2.0 * step.network.layers);
  }

  std::vector<Parameter> build() {
    const Network& n = step_.network;
    add_norm("head.norm");
    add({"head.out", {n.model_dim, n.vocabulary}, replicated_, {}, kInitialDeviation});
    for (int layer = n.layers - 1; layer >= 0; --layer) {
      ++unit_;
      add_experts(layer);
      add_norm(fmt::format("layers.{}.gate.norm", layer));
      add({fmt::format("layers.{}.gate.weight", layer),
           {n.model_dim, n.num_experts},
           replicated_,
           {},
           kInitialDeviation});
      add_attention(layer);
    }
    ++unit_;
    add({"embedding.table", {n.vocabulary, n.model_dim}, replicated_, {}, kInitialDeviation});
    return std::move(list_);
  }

 private:
  struct Entry {
    std::string name;
    std::vector<std::int64_t> shape;
    GroupKind group;
    Cut cut;
    double deviation;
  };

  void add(const Entry& entry) {
    Parameter p;
    p.name = entry.name;
    p.shape = entry.shape;
    p.begin.assign(entry.shape.size(), 0);
    p.extent = entry.shape;
    p.extent[entry.cut.dim] /= entry.cut.count;
    p.begin[entry.cut.dim] = p.extent[entry.cut.dim] * entry.cut.index;
    p.group = entry.group;
    p.decay = entry.shape.size() > 1;
    p.unit = unit_;
    p.initial_deviation = entry.deviation;
    std::int64_t& end = ends_[static_cast<std::size_t>(entry.group)];
    p.offset = std::exchange(end, end + p.size());
    list_.push_back(std::move(p));
  }

  void add_norm(const std::string& name) { add({name, {step_.network.model_dim}, replicated_, {}, 0.0}); }

  void add_attention(int layer) {
    const Network& n = step_.network;
    const std::int64_t query_dim = n.heads * n.head_dim;
    const std::int64_t kv_dim = n.kv_heads * n.head_dim;
    const std::string prefix = fmt::format("layers.{}.attention.", layer);
    const Cut columns = cut(GroupKind::kTp, 1, step_.layout.degrees().tp);
    const Cut rows = cut(GroupKind::kTp, 0, step_.layout.degrees().tp);
    add({prefix + "wo", {query_dim, n.model_dim}, GroupKind::kDp, rows, output_deviation_});
    add({prefix + "wq", {n.model_dim, query_dim}, GroupKind::kDp, columns, kInitialDeviation});
    add({prefix + "wk", {n.model_dim, kv_dim}, GroupKind::kDp, columns, kInitialDeviation});
    add({prefix + "wv", {n.model_dim, kv_dim}, GroupKind::kDp, columns, kInitialDeviation});
    add_norm(prefix + "norm");
  }

  void add_experts(int layer) {
    const Network& n = step_.network;
    const int first = step_.layout.index_in_group(GroupKind::kEp, rank_) * step_.local_experts();
    const Cut columns = cut(GroupKind::kEsp, 1, step_.layout.degrees().esp);
    const Cut rows = cut(GroupKind::kEsp, 0, step_.layout.degrees().esp);
    for (int expert = first; expert < first + step_.local_experts(); ++expert) {
      const std::string prefix = fmt::format("layers.{}.experts.{}.", layer, expert);
      const std::vector<std::int64_t> up = {n.model_dim, n.expert_hidden_dim};
      add({prefix + "w1", up, GroupKind::kEdp, columns, kInitialDeviation});
      if (n.expert_kind == ExpertKind::kSwiglu) add({prefix + "w3", up, GroupKind::kEdp, columns, kInitialDeviation});
      add({prefix + "w2", {n.expert_hidden_dim, n.model_dim}, GroupKind::kEdp, rows, output_deviation_});
    }
  }

  [[nodiscard]] Cut cut(GroupKind kind, std::size_t dim, int count) const {
    return {.dim = dim, .index = step_.layout.index_in_group(kind, rank_), .count = count};
  }

  const StepShape& step_;
  int rank_;
  GroupKind replicated_ = GroupKind::kDp;
  double output_deviation_ = 0.0;
  int unit_ = 0;
  std::array<std::int64_t, kNumGroupKinds> ends_{};
  std::vector<Parameter> list_;
};

// SplitMix64's output function: a bijection of 64 bits whose outputs on a counter pass for random.
std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

// FNV-1a
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// In (0, 1], 53 bits.
double unit_interval(std::uint64_t bits) {
  return static_cast<double>((bits >> 11) + 1) * 0x1.0p-53;
}

// Of the random numbers of one tensor.
std::uint64_t stream_key(const Parameter& parameter, std::uint64_t seed) {
  return mix(hash_of(parameter.name) + mix(seed + kGolden));
}

// Number `index` of the normal numbers that `key` stands for (Box and Muller 1958).
double normal_value(std::uint64_t key, double deviation, std::int64_t index) {
  const std::uint64_t counter = 2 * static_cast<std::uint64_t>(index);
  const double radius = std::sqrt(-2.0 * std::log(unit_interval(mix(key + (counter + 1) * kGolden))));
  const double angle = 2.0 * std::numbers::pi * unit_interval(mix(key + (counter + 2) * kGolden));
  return deviation * radius * std::cos(angle);
}

}  // namespace

std::int64_t Parameter::size() const {
  return product(extent);
}

std::vector<Parameter> list_parameters(const StepShape& step, int rank) {
  return ParameterList(step, rank).build();
}

double initial_value(const Parameter& parameter, std::uint64_t seed, std::int64_t index) {
  if (parameter.initial_deviation == 0.0) return 1.0;
  return normal_value(stream_key(parameter, seed), parameter.initial_deviation, index);
}

template <typename T>
ParameterStore<T>::ParameterStore(const StepShape& step, int rank, Device& device, std::uint64_t seed)
    : parameters_(list_parameters(step, rank)) {
  for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) allocate(step, group, device);
  for (std::size_t i = 0; i < parameters_.size(); ++i) index_[parameters_[i].name] = i;
  for (const Parameter& parameter : parameters_) initialise(parameter, seed, device);
}

template <typename T>
void ParameterStore<T>::allocate(const StepShape& step, GroupKind group, Device& device) {
  std::vector<std::int64_t> unit_size(static_cast<std::size_t>(num_gradient_units(step)), 0);
  for (const Parameter& p : parameters_) {
    if (p.group == group) unit_size.at(static_cast<std::size_t>(p.unit)) += p.size();
  }
  Flat& flat = flats_[static_cast<std::size_t>(group)];
  flat.unit_begin.assign(1, 0);
  for (std::size_t unit = 0; unit < unit_size.size(); ++unit) {
    const std::int64_t expected = gradient_elements(step, group, static_cast<int>(unit));
    SEXTANT_CHECK(unit_size[unit] == expected, "{} gradients of {} in unit {}, the work model says {}", unit_size[unit],
                  to_text(group), unit, expected);
    flat.unit_begin.push_back(flat.unit_begin.back() + expected);
  }
  const std::int64_t count = flat.unit_begin.back();
  flat.value = DeviceBuffer<T>(device, count);
  flat.gradient = DeviceBuffer<T>(device, count);
  flat.first_moment = DeviceBuffer<T>(device, count);
  flat.second_moment = DeviceBuffer<T>(device, count);
}

template <typename T>
void ParameterStore<T>::initialise(const Parameter& p, std::uint64_t seed, Device& device) const {
  const std::int64_t columns = p.extent.back();
  const std::int64_t row_length = p.shape.back();
  const std::int64_t rows = p.size() / columns;
  const std::int64_t first_row = p.shape.size() > 1 ? p.begin.front() : 0;
  std::vector<T> host(static_cast<std::size_t>(p.size()), T(1));
  const std::uint64_t key = stream_key(p, seed);  // hashing the name for every element takes as long as the rest
  for (std::int64_t r = 0; p.initial_deviation != 0.0 && r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t index = (first_row + r) * row_length + p.begin.back() + c;
      host[static_cast<std::size_t>(r * columns + c)] = static_cast<T>(normal_value(key, p.initial_deviation, index));
    }
  }
  device.copy_to_device(value(p).data(), host.data(), host.size() * sizeof(T));
}

template <typename T>
const Parameter& ParameterStore<T>::find(const std::string& name) const {
  const auto it = index_.find(name);
  SEXTANT_CHECK(it != index_.end(), "no parameter {} on this rank", name);
  return parameters_[it->second];
}

template <typename T>
void ParameterStore<T>::zero_dense_gradients(int unit) const {
  for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage}) {
    const Flat& buffers = flat(group);
    const std::int64_t begin = buffers.unit_begin[static_cast<std::size_t>(unit)];
    const std::int64_t end = buffers.unit_begin[static_cast<std::size_t>(unit) + 1];
    std::fill(buffers.gradient.data() + begin, buffers.gradient.data() + end, T(0));
  }
}

template class ParameterStore<float>;
template class ParameterStore<double>;

}  // namespace sextant
