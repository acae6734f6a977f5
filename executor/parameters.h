// The parameters of one rank: their names, shapes and slices, and the flat buffers that hold them.
//
// One flat buffer per reducing group (kDp, kStage, kEdp), in the order in which the backward makes
// gradients ready: unit 0 is the head, units 1..layers are layers L-1..0, the last is the embedding
// (gradient_elements() in models/work.h counts the same units).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "executor/device_buffer.h"
#include "executor/runtime/runtime.h"
#include "models/layout.h"
#include "models/work.h"

namespace sextant {

struct Parameter {
  std::string name;                  // logical: "layers.3.attention.wq", "layers.3.experts.5.w1", ...
  std::vector<std::int64_t> shape;   // of the whole tensor
  std::vector<std::int64_t> begin;   // this rank's slice of it: offset ...
  std::vector<std::int64_t> extent;  // ... and size by dim
  GroupKind group = GroupKind::kDp;  // ranks with the same slice
  std::int64_t offset = 0;           // in the group's flat buffers
  bool decay = true;
  int unit = 0;                    // of gradient readiness
  double initial_deviation = 0.0;  // of the normal distribution it starts from; 0: starts as 1

  [[nodiscard]] std::int64_t size() const;  // elements of the slice
};

// The parameters that `rank` holds, in order of readiness.
[[nodiscard]] std::vector<Parameter> list_parameters(const StepShape& step, int rank);

// Element `index` (row-major, in the whole tensor) of the initial value of a tensor: depends on
// nothing else, so that every layout and precision starts from the same numbers.
[[nodiscard]] double initial_value(const Parameter& parameter, std::uint64_t seed, std::int64_t index);

template <typename T>
class ParameterStore {
 public:
  ParameterStore(const StepShape& step, int rank, Device& device, std::uint64_t seed);

  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }
  // Throws InternalError where this rank holds no such parameter.
  [[nodiscard]] const Parameter& find(const std::string& name) const;

  // This rank's slice, row-major.
  [[nodiscard]] std::span<T> value(const Parameter& p) const { return slice(flat(p.group).value, p); }
  [[nodiscard]] std::span<T> gradient(const Parameter& p) const { return slice(flat(p.group).gradient, p); }
  [[nodiscard]] std::span<T> first_moment(const Parameter& p) const { return slice(flat(p.group).first_moment, p); }
  [[nodiscard]] std::span<T> second_moment(const Parameter& p) const { return slice(flat(p.group).second_moment, p); }

  // All gradients that `group` reduces; empty where it reduces none.
  [[nodiscard]] std::span<T> gradients(GroupKind group) const { return flat(group).gradient.span(); }
  // All but the experts', which the first chunk of the backward replaces.
  void zero_dense_gradients(int unit) const;

 private:
  struct Flat {
    DeviceBuffer<T> value;
    DeviceBuffer<T> gradient;
    DeviceBuffer<T> first_moment;
    DeviceBuffer<T> second_moment;
    std::vector<std::int64_t> unit_begin;  // [units + 1]
  };

  void allocate(const StepShape& step, GroupKind group, Device& device);
  void initialise(const Parameter& parameter, std::uint64_t seed, Device& device) const;
  [[nodiscard]] const Flat& flat(GroupKind group) const { return flats_[static_cast<std::size_t>(group)]; }
  [[nodiscard]] static std::span<T> slice(const DeviceBuffer<T>& buffer, const Parameter& p) {
    return buffer.span().subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size()));
  }

  std::vector<Parameter> parameters_;
  std::map<std::string, std::size_t> index_;
  std::array<Flat, kNumGroupKinds> flats_;
};

}  // namespace sextant
