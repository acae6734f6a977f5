// Files of named tensors in the safetensors format: 8 bytes of header length, a JSON header, the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "executor/runtime/runtime.h"

namespace sextant {

struct TensorShape {
  std::string name;
  std::vector<std::int64_t> shape;
  [[nodiscard]] std::int64_t num_elements() const;
};

// Text by key; the header's `__metadata__`.
using TensorMetadata = std::map<std::string, std::string>;

// Writes all tensors in the order announced, under a temporary name until finish(). The first failure
// of the disk is remembered and thrown by finish(), so that a rank can go on taking part in collectives.
class SafetensorsWriter {
 public:
  SafetensorsWriter(std::filesystem::path path, DataType type, const TensorMetadata& metadata,
                    const std::vector<TensorShape>& tensors);
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  void append(std::span<const std::byte> tensor);
  // Gives the file its final name. Throws ConfigError naming the path and the system's reason.
  void finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::ofstream stream_;
  int error_ = 0;  // errno of the first failure
};

class SafetensorsReader {
 public:
  // Reads the header. Throws ConfigError when the file cannot be read or is not safetensors.
  explicit SafetensorsReader(std::filesystem::path path);

  [[nodiscard]] const TensorMetadata& metadata() const { return metadata_; }
  // The whole tensor. Throws ConfigError when it is missing or has another shape or type.
  [[nodiscard]] std::vector<std::byte> read(const TensorShape& tensor, DataType type);

 private:
  struct Entry {
    std::string type;
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0;  // in the file
    std::uint64_t end = 0;
  };
  void read_header();

  std::filesystem::path path_;
  std::ifstream stream_;
  TensorMetadata metadata_;
  std::map<std::string, Entry> entries_;
};

}  // namespace sextant
