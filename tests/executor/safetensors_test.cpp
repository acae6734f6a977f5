#include "executor/safetensors.h"

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/support/temporary_folder.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::vector<TensorShape> kTensors{{.name = "a", .shape = {2, 2}}, {.name = "layers.0.b", .shape = {3}}};
const std::vector<float> kA{1.0f, 2.0f, 3.0f, 4.0f};
const std::vector<float> kB{-1.5f, 0.0f, 7.25f};

void write_example(const fs::path& path) {
  SafetensorsWriter writer(path, DataType::kFloat32, {{"step", "12"}, {"who", "a \"b\" \\ c"}}, kTensors);
  writer.append(std::as_bytes(std::span(kA)));
  writer.append(std::as_bytes(std::span(kB)));
  writer.finish();
}

std::vector<float> read_floats(SafetensorsReader& reader, const TensorShape& tensor) {
  const std::vector<std::byte> bytes = reader.read(tensor, DataType::kFloat32);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template <typename Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const TemporaryFolder temporary;
  write_example(temporary / "x.safetensors");
  SafetensorsReader reader(temporary / "x.safetensors");
  EXPECT_EQ(read_floats(reader, kTensors[1]), kB);
  EXPECT_EQ(read_floats(reader, kTensors[0]), kA);
  EXPECT_EQ(reader.metadata(), (TensorMetadata{{"step", "12"}, {"who", "a \"b\" \\ c"}}));
}

TEST(Safetensors, TheFileHasTheLayoutOfTheFormat) {
  // 8 bytes of header length, header padded to 8, then 4 + 3 floats
  const TemporaryFolder temporary;
  write_example(temporary / "x.safetensors");
  const std::string file = temporary.read("x.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(file.size(), 8 + length + 7 * sizeof(float));
  EXPECT_EQ(file[8], '{');
  EXPECT_THAT(file, HasSubstr(R"("layers.0.b": {"dtype": "F32", "shape": [3], "data_offsets": [16, 28]})"));
}

TEST(Safetensors, UntilFinishThereIsNoFileUnderTheFinalName) {
  const TemporaryFolder temporary;
  {
    SafetensorsWriter writer(temporary / "x", DataType::kFloat32, {}, kTensors);
    writer.append(std::as_bytes(std::span(kA)));
    EXPECT_FALSE(fs::exists(temporary / "x"));
  }
  EXPECT_TRUE(fs::is_empty(temporary.path()));  // an abandoned file is removed
}

TEST(Safetensors, AFolderThatDoesNotExistIsNamed) {
  const TemporaryFolder temporary;
  const fs::path path = temporary / "missing/x";
  EXPECT_EQ(error_of([&] { write_example(path); }), path.string() + ": cannot be written (No such file or directory)");
  EXPECT_EQ(error_of([&] { SafetensorsReader{path}; }), path.string() + ": cannot be read (No such file or directory)");
}

TEST(Safetensors, AMissingOrDifferentTensorIsAnError) {
  const TemporaryFolder temporary;
  write_example(temporary / "x");
  SafetensorsReader reader(temporary / "x");
  EXPECT_THAT(error_of([&] { static_cast<void>(reader.read({.name = "c", .shape = {1}}, DataType::kFloat32)); }),
              HasSubstr("has no tensor c"));
  EXPECT_THAT(error_of([&] { static_cast<void>(reader.read({.name = "a", .shape = {4}}, DataType::kFloat32)); }),
              HasSubstr("tensor a is F32 [2, 2], F32 [4] is needed"));
  EXPECT_THAT(error_of([&] { static_cast<void>(reader.read(kTensors[0], DataType::kFloat64)); }),
              HasSubstr("F64 [2, 2] is needed"));
}

TEST(Safetensors, DamagedFilesAreRefused) {
  const TemporaryFolder temporary;
  write_example(temporary / "x");
  const std::string whole = temporary.read("x");
  const fs::path text = temporary.write("text", "once upon a time there was a text");
  EXPECT_THAT(error_of([&] { SafetensorsReader{text}; }), HasSubstr("not a safetensors file"));
  const fs::path cut_header = temporary.write("cut_header", whole.substr(0, 40));
  EXPECT_THAT(error_of([&] { SafetensorsReader{cut_header}; }), HasSubstr("the header is cut off"));
  SafetensorsReader cut_data(temporary.write("cut_data", whole.substr(0, whole.size() - 4)));
  EXPECT_THAT(error_of([&] { static_cast<void>(cut_data.read(kTensors[1], DataType::kFloat32)); }),
              HasSubstr("tensor layers.0.b is cut off"));
}

}  // namespace
}  // namespace sextant
