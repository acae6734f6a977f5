#include "executor/safetensors.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

constexpr std::int64_t kMaxOffset = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own reader
constexpr const char* kMetadata = "__metadata__";

const char* type_name(DataType type) {
  return type == DataType::kFloat32 ? "F32" : "F64";
}

// JSON string; names and metadata are ours and need no other escapes.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::string metadata_text(const TensorMetadata& metadata) {
  std::vector<std::string> entries;
  for (const auto& [key, value] : metadata) entries.push_back(fmt::format("{}: {}", quoted(key), quoted(value)));
  return fmt::format("{}: {{{}}}", quoted(kMetadata), fmt::join(entries, ", "));
}

std::string header_text(DataType type, const TensorMetadata& metadata, const std::vector<TensorShape>& tensors) {
  std::vector<std::string> entries{metadata_text(metadata)};
  std::uint64_t offset = 0;
  for (const TensorShape& tensor : tensors) {
    const std::uint64_t end = offset + static_cast<std::uint64_t>(tensor.num_elements()) * size_of(type);
    entries.push_back(fmt::format(R"({}: {{"dtype": "{}", "shape": [{}], "data_offsets": [{}, {}]}})",
                                  quoted(tensor.name), type_name(type), fmt::join(tensor.shape, ", "), offset, end));
    offset = end;
  }
  std::string text = fmt::format("{{{}}}", fmt::join(entries, ", "));
  text.resize((text.size() + 7) / 8 * 8, ' ');  // aligns the data
  return text;
}

}  // namespace

std::int64_t TensorShape::num_elements() const {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return count;
}

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path, DataType type, const TensorMetadata& metadata,
                                     const std::vector<TensorShape>& tensors)
    : path_(std::move(path)), temporary_(path_.string() + ".partial"), stream_(temporary_, std::ios::binary) {
  const std::string header = header_text(type, metadata, tensors);
  const std::uint64_t length = header.size();
  append(std::as_bytes(std::span(&length, 1)));
  append(std::as_bytes(std::span(header)));
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!stream_.is_open()) return;  // finished
  stream_.close();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void SafetensorsWriter::append(std::span<const std::byte> tensor) {
  stream_.write(reinterpret_cast<const char*>(tensor.data()), static_cast<std::streamsize>(tensor.size()));
  if (!stream_ && error_ == 0) error_ = errno;
}

void SafetensorsWriter::finish() {
  stream_.flush();
  if (!stream_ && error_ == 0) error_ = errno;
  if (error_ == 0) {
    stream_.close();
    std::error_code error;
    std::filesystem::rename(temporary_, path_, error);
    error_ = error.value();
  }
  if (error_ != 0) throw ConfigError(fmt::format("{}: cannot be written ({})", path_.string(), std::strerror(error_)));
}

SafetensorsReader::SafetensorsReader(std::filesystem::path path)
    : path_(std::move(path)), stream_(path_, std::ios::binary) {
  if (!stream_) throw ConfigError(fmt::format("{}: cannot be read ({})", path_.string(), std::strerror(errno)));
  read_header();
}

// JSON is a subset of YAML, so the reader of configuration files serves; its errors name the place.
void SafetensorsReader::read_header() {
  std::uint64_t length = 0;
  stream_.read(reinterpret_cast<char*>(&length), sizeof(length));
  if (!stream_ || length > kMaxHeaderBytes)
    throw ConfigError(fmt::format("{}: not a safetensors file", path_.string()));
  std::string text(length, '\0');
  stream_.read(text.data(), static_cast<std::streamsize>(length));
  if (!stream_) throw ConfigError(fmt::format("{}: the header is cut off", path_.string()));
  for (const auto& [name, node] : ConfigNode::parse(text, path_.string()).entries()) {
    if (name == kMetadata) {
      for (const auto& [key, value] : node.entries()) metadata_[key] = value.as_string();
      continue;
    }
    node.expect_keys({"dtype", "shape", "data_offsets"});
    Entry entry{.type = node["dtype"].as_string(), .shape = {}};
    for (const ConfigNode& dim : node["shape"].items()) entry.shape.push_back(dim.as_int(0, kMaxOffset));
    const std::vector<ConfigNode> offsets = node["data_offsets"].items();
    if (offsets.size() != 2) node["data_offsets"].fail("two offsets are needed, begin and end");
    const std::uint64_t data = sizeof(length) + length;
    entry.begin = data + static_cast<std::uint64_t>(offsets[0].as_int(0, kMaxOffset));
    entry.end = data + static_cast<std::uint64_t>(offsets[1].as_int(0, kMaxOffset));
    entries_.emplace(name, std::move(entry));
  }
}

std::vector<std::byte> SafetensorsReader::read(const TensorShape& tensor, DataType type) {
  const auto found = entries_.find(tensor.name);
  if (found == entries_.end()) throw ConfigError(fmt::format("{}: has no tensor {}", path_.string(), tensor.name));
  const Entry& entry = found->second;
  const std::size_t num_bytes = static_cast<std::size_t>(tensor.num_elements()) * size_of(type);
  if (entry.type != type_name(type) || entry.shape != tensor.shape || entry.end - entry.begin != num_bytes) {
    throw ConfigError(fmt::format("{}: tensor {} is {} [{}], {} [{}] is needed", path_.string(), tensor.name,
                                  entry.type, fmt::join(entry.shape, ", "), type_name(type),
                                  fmt::join(tensor.shape, ", ")));
  }
  std::vector<std::byte> data(num_bytes);
  stream_.clear();
  stream_.seekg(static_cast<std::streamoff>(entry.begin));
  stream_.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(num_bytes));
  if (!stream_) throw ConfigError(fmt::format("{}: tensor {} is cut off", path_.string(), tensor.name));
  return data;
}

}  // namespace sextant
