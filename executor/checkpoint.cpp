#include "executor/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "executor/device_buffer.h"
#include "executor/safetensors.h"
#include "executor/tensor_slice.h"
#include "models/error.h"
#include "models/network.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSchema = "sextant/checkpoint@1";

// What is kept of every parameter.
struct Part {
  const char* prefix;
  std::span<float> (Transformer<float>::*of)(const Parameter&) const;
};
constexpr std::array kParts = {
    Part{.prefix = "", .of = &Transformer<float>::value},
    Part{.prefix = "first_moment.", .of = &Transformer<float>::first_moment},
    Part{.prefix = "second_moment.", .of = &Transformer<float>::second_moment},
};

TensorSlice slice_of(const Parameter& parameter) {
  return {.shape = parameter.shape, .begin = parameter.begin, .extent = parameter.extent};
}

// A slice of a tensor and the lowest rank that holds it.
struct OwnedSlice {
  int owner;
  Parameter parameter;
};

// [tensor name] -> slices that cover it; the same on every rank.
using SlicesByName = std::map<std::string, std::vector<OwnedSlice>>;

SlicesByName list_slices(const StepShape& step) {
  SlicesByName slices;
  for (int rank = 0; rank < step.layout.world_size(); ++rank) {
    for (Parameter& parameter : list_parameters(step, rank)) {
      std::vector<OwnedSlice>& of_tensor = slices[parameter.name];
      const bool is_known = std::ranges::any_of(
          of_tensor, [&](const OwnedSlice& other) { return other.parameter.begin == parameter.begin; });
      if (!is_known) of_tensor.push_back({.owner = rank, .parameter = std::move(parameter)});
    }
  }
  return slices;
}

std::vector<TensorShape> list_tensors(const SlicesByName& slices) {
  std::vector<TensorShape> tensors;
  for (const Part& part : kParts) {
    for (const auto& [name, of_tensor] : slices) {
      tensors.push_back({.name = part.prefix + name, .shape = of_tensor.front().parameter.shape});
    }
  }
  return tensors;
}

std::int64_t largest_slice(const SlicesByName& slices) {
  std::int64_t largest = 0;
  for (const auto& [name, of_tensor] : slices) {
    for (const OwnedSlice& slice : of_tensor) largest = std::max(largest, slice.parameter.size());
  }
  return largest;
}

// Brings whole tensors to rank 0, slice by slice through one buffer. A broadcast takes each slice to
// every rank, of which rank 0 alone needs it: checkpoints are rare, and no send is asked of a back end.
class TensorGatherer {
 public:
  TensorGatherer(World& world, const Transformer<float>& model, std::int64_t largest_slice)
      : world_(world),
        model_(model),
        stream_(world.device().make_stream("checkpoint")),
        buffer_(world.device(), largest_slice) {}

  // The whole tensor on rank 0, elsewhere empty.
  std::vector<float> gather(const Part& part, const std::vector<OwnedSlice>& slices) {
    std::vector<float> whole;
    const TensorShape tensor{.name = {}, .shape = slices.front().parameter.shape};
    if (world_.rank() == 0) whole.resize(static_cast<std::size_t>(tensor.num_elements()));
    for (const OwnedSlice& slice : slices) {
      const float* values = broadcast(part, slice);
      if (world_.rank() == 0) place(slice.parameter, values, whole);
    }
    return whole;
  }

 private:
  // Device memory that holds the slice, until the next call.
  const float* broadcast(const Part& part, const OwnedSlice& slice) {
    const bool is_owner = world_.rank() == slice.owner;
    float* values = is_owner ? (model_.*part.of)(slice.parameter).data() : buffer_.data();
    const std::size_t num_bytes = static_cast<std::size_t>(slice.parameter.size()) * sizeof(float);
    world_.communicator().broadcast(*stream_, values, num_bytes, slice.owner);
    stream_->synchronize();
    return values;
  }

  void place(const Parameter& parameter, const float* values, std::span<float> whole) {
    std::vector<float> on_host(static_cast<std::size_t>(parameter.size()));
    world_.device().copy_to_host(on_host.data(), values, on_host.size() * sizeof(float));
    copy_into_whole<float>(slice_of(parameter), on_host, whole);
  }

  World& world_;
  const Transformer<float>& model_;
  std::unique_ptr<Stream> stream_;
  DeviceBuffer<float> buffer_;
};

template <typename Integer>
Integer read_number(const TensorMetadata& metadata, const std::string& key, const fs::path& path) {
  const auto found = metadata.find(key);
  Integer number = 0;
  if (found != metadata.end()) {
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  throw ConfigError(fmt::format("{}: metadata '{}' is missing or no number", path.string(), key));
}

CheckpointInfo info_of(const TensorMetadata& metadata, const fs::path& path) {
  const auto schema = metadata.find("schema");
  if (schema == metadata.end() || schema->second != kSchema) {
    throw ConfigError(fmt::format("{}: not a checkpoint (metadata schema must be {})", path.string(), kSchema));
  }
  const auto network = metadata.find("network");
  return {.step = read_number<std::int64_t>(metadata, "step", path),
          .seed = read_number<std::uint64_t>(metadata, "seed", path),
          .network_hash = network == metadata.end() ? "" : network->second};
}

void check_network(const CheckpointInfo& info, const StepShape& step, const fs::path& path) {
  if (info.network_hash == content_hash(network_to_yaml(step.network))) return;
  throw ConfigError(fmt::format("{}: belongs to another network than {}", path.string(), step.network.name));
}

void read_slices(const StepShape& step, Device& device, Transformer<float>& model, const fs::path& path) {
  SafetensorsReader reader(path);
  const CheckpointInfo info = info_of(reader.metadata(), path);
  check_network(info, step, path);
  for (const Part& part : kParts) {
    for (const Parameter& parameter : model.parameters()) {
      const TensorShape tensor{.name = part.prefix + parameter.name, .shape = parameter.shape};
      const std::vector<std::byte> bytes = reader.read(tensor, DataType::kFloat32);
      const std::span<const float> whole(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
      std::vector<float> values(static_cast<std::size_t>(parameter.size()));
      copy_from_whole<float>(slice_of(parameter), whole, values);
      device.copy_to_device((model.*part.of)(parameter).data(), values.data(), values.size() * sizeof(float));
    }
  }
  model.set_step(info.step);
}

}  // namespace

CheckpointInfo read_checkpoint_info(const fs::path& path) {
  return info_of(SafetensorsReader(path).metadata(), path);
}

CheckpointInfo require_resumable(const fs::path& path, const StepShape& step, std::int64_t last_step) {
  CheckpointInfo info = read_checkpoint_info(path);
  check_network(info, step, path);
  if (info.step < last_step) return info;
  throw ConfigError(fmt::format("{}: holds step {}, the run ends at step {}: nothing is left to do", path.string(),
                                info.step, last_step));
}

void save_checkpoint(World& world, const StepShape& step, const Transformer<float>& model, std::uint64_t seed,
                     const fs::path& path) {
  const SlicesByName slices = list_slices(step);
  std::unique_ptr<SafetensorsWriter> writer;  // rank 0 only
  run_on_all(world, [&] {
    if (world.rank() != 0) return;
    const TensorMetadata metadata{{"schema", kSchema},
                                  {"step", std::to_string(model.step())},
                                  {"seed", std::to_string(seed)},
                                  {"network", content_hash(network_to_yaml(step.network))}};
    writer = std::make_unique<SafetensorsWriter>(path, DataType::kFloat32, metadata, list_tensors(slices));
  });
  TensorGatherer gatherer(world, model, largest_slice(slices));
  for (const Part& part : kParts) {
    for (const auto& [name, of_tensor] : slices) {
      const std::vector<float> whole = gatherer.gather(part, of_tensor);
      if (writer) writer->append(std::as_bytes(std::span(whole)));
    }
  }
  run_on_all(world, [&] {
    if (writer) writer->finish();
  });
}

void load_checkpoint(World& world, const StepShape& step, Transformer<float>& model, const fs::path& path) {
  run_on_all(world, [&] { read_slices(step, world.device(), model, path); });
}

}  // namespace sextant
