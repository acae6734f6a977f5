#include "executor/data.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/support/temporary_folder.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string text_of(const Corpus& corpus) {
  return {corpus.bytes.begin(), corpus.bytes.end()};
}

std::string error_of(const fs::path& path) {
  try {
    static_cast<void>(load_corpus(path));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

StepShape step_shape(int dp, std::int64_t micro_batch, int num_micro_batches, std::int64_t sequence) {
  return {.network = {},
          .layout = ParallelLayout({.dp = dp, .edp = dp}, {.nodes = 1, .devices_per_node = dp}),
          .micro_batch = micro_batch,
          .num_micro_batches = num_micro_batches,
          .sequence = sequence};
}

Corpus counting_corpus(std::size_t num_bytes) {
  Corpus corpus;
  for (std::size_t i = 0; i < num_bytes; ++i) corpus.bytes.push_back(static_cast<std::uint8_t>(i * 7 % 251));
  return corpus;
}

TEST(LoadCorpus, OneFileIsReadAsItIs) {
  const TemporaryFolder temporary;
  const Corpus corpus = load_corpus(temporary.write("a.txt", "to be\nor not"));
  EXPECT_EQ(text_of(corpus), "to be\nor not");
  EXPECT_EQ(corpus.num_files, 1);
}

TEST(LoadCorpus, AFolderIsReadInOrderOfPathWithNewlinesBetween) {
  const TemporaryFolder temporary;
  temporary.write("b", "second");
  temporary.write("a/z", "first");
  temporary.write("c", "third\n");
  const Corpus corpus = load_corpus(temporary.path());
  EXPECT_EQ(text_of(corpus), "first\nsecond\nthird\n\n");
  EXPECT_EQ(corpus.num_files, 3);
}

TEST(LoadCorpus, BinaryAndEmptyFilesOfAFolderAreLeftOut) {
  const TemporaryFolder temporary;
  temporary.write("fortunes", "wisdom");
  temporary.write("fortunes.dat", std::string("\0\0\0\2", 4));
  temporary.write("nothing", "");
  EXPECT_EQ(text_of(load_corpus(temporary.path())), "wisdom\n");
}

TEST(LoadCorpus, ALinkToAFileOfTheFolderIsNotASecondText) {
  const TemporaryFolder temporary;
  temporary.write("fortunes", "wisdom");
  fs::create_symlink("fortunes", temporary / "aaa.u8");
  fs::create_symlink("missing", temporary / "dangling");
  EXPECT_EQ(text_of(load_corpus(temporary.path())), "wisdom\n");
}

TEST(LoadCorpus, AMissingPathIsNamed) {
  const TemporaryFolder temporary;
  EXPECT_EQ(error_of(temporary / "nowhere"), (temporary / "nowhere").string() + ": no such file or folder");
}

TEST(LoadCorpus, FilesThatAreNoTextAreRefused) {
  const TemporaryFolder temporary;
  EXPECT_THAT(error_of(temporary.write("empty", "")), HasSubstr("the file is empty"));
  EXPECT_THAT(error_of(temporary.write("binary", std::string("a\0b", 3))), HasSubstr("not a text file"));
}

TEST(LoadCorpus, AFolderWithoutTextIsRefused) {
  const TemporaryFolder temporary;
  temporary.write("index.dat", std::string(8, '\0'));
  EXPECT_THAT(error_of(temporary.path()), HasSubstr("no text file below this folder"));
}

TEST(CheckCorpus, OneSampleMustFit) {
  // a sample of sequence 8 is 9 bytes: 8 inputs and the target of the last
  StepShape step = step_shape(1, 1, 1, 8);
  EXPECT_NO_THROW(check_corpus(counting_corpus(9), step, "text"));
  EXPECT_THROW(check_corpus(counting_corpus(8), step, "text"), ConfigError);
}

TEST(CheckCorpus, BytesMustLieInTheVocabulary) {
  StepShape step = step_shape(1, 1, 1, 2);
  step.network.vocabulary = 100;
  Corpus corpus{.bytes = {1, 99, 3}, .num_files = 1};
  EXPECT_NO_THROW(check_corpus(corpus, step, "text"));
  corpus.bytes[1] = 100;
  EXPECT_THROW(check_corpus(corpus, step, "text"), ConfigError);
}

TEST(UnigramEntropy, IsThatOfTheByteFrequencies) {
  // p = 1/2, 1/4, 1/4: H = ln2/2 + 2 (2 ln2)/4 = 1.5 ln 2
  const std::vector<std::uint8_t> bytes{'a', 'b', 'a', 'c'};
  EXPECT_DOUBLE_EQ(unigram_entropy_nats(bytes), 1.5 * std::log(2.0));
}

TEST(UnigramEntropy, OfOneSymbolIsZero) {
  EXPECT_EQ(unigram_entropy_nats(std::vector<std::uint8_t>(5, 'x')), 0.0);
}

TEST(GlobalSampleIndex, MicroBatchesAreContiguousBlocksOfReplicas) {
  // (m * dp + d) * micro_batch + i = (1 * 2 + 1) * 3 + 2 = 11
  const StepShape step = step_shape(2, 3, 2, 8);
  EXPECT_EQ(global_sample_index(step, {.micro_batch_index = 1, .replica = 1, .sample = 2}), 11);
  std::set<std::int64_t> seen;
  for (int m = 0; m < 2; ++m) {
    for (int d = 0; d < 2; ++d) {
      for (int i = 0; i < 3; ++i) {
        seen.insert(global_sample_index(step, {.micro_batch_index = m, .replica = d, .sample = i}));
      }
    }
  }
  EXPECT_EQ(seen.size(), 12u);
  EXPECT_EQ(*seen.rbegin(), 11);
}

TEST(WindowBegin, EveryWindowOfTheCorpusCanBeChosen) {
  // 10 bytes hold 10 - 8 = 2 windows of 8 + 1
  std::set<std::int64_t> seen;
  for (int sample = 0; sample < 64; ++sample) seen.insert(window_begin({.sample_index = sample}, 10, 8));
  EXPECT_EQ(seen, (std::set<std::int64_t>{0, 1}));
}

TEST(WindowBegin, DependsOnSeedStepAndSample) {
  const auto begin = [](std::uint64_t seed, std::int64_t step, std::int64_t sample) {
    return window_begin({.seed = seed, .step = step, .sample_index = sample}, 1'000'000, 8);
  };
  EXPECT_EQ(begin(1, 2, 3), begin(1, 2, 3));
  EXPECT_NE(begin(1, 2, 3), begin(2, 2, 3));
  EXPECT_NE(begin(1, 2, 3), begin(1, 3, 3));
  EXPECT_NE(begin(1, 2, 3), begin(1, 2, 4));
}

TEST(WindowBegin, IsSpreadEvenly) {
  // 10000 draws in 10 tenths: 1000 each, standard deviation sqrt(10000 * 0.1 * 0.9) = 30
  std::array<int, 10> counts{};
  for (int sample = 0; sample < 10000; ++sample) {
    ++counts[static_cast<std::size_t>(window_begin({.seed = 5, .sample_index = sample}, 1008, 8) / 100)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(SampleBatch, TargetsAreTheNextBytes) {
  const Corpus corpus = counting_corpus(500);
  const Batch batch = sample_batch(corpus, step_shape(1, 2, 3, 8), {.seed = 1, .step = 4});
  ASSERT_EQ(batch.inputs.size(), 2u * 3u * 8u);
  ASSERT_EQ(batch.targets.size(), batch.inputs.size());
  for (std::size_t sample = 0; sample < 6; ++sample) {
    for (std::size_t t = 0; t + 1 < 8; ++t) EXPECT_EQ(batch.targets[sample * 8 + t], batch.inputs[sample * 8 + t + 1]);
    // byte i of the corpus is 7 i mod 251, so the next byte is 7 more
    EXPECT_EQ(batch.targets[sample * 8 + 7], (batch.inputs[sample * 8 + 7] + 7) % 251);
  }
}

TEST(SampleBatch, ReplicasTogetherSeeTheBatchOfASingleRank) {
  const Corpus corpus = counting_corpus(5000);
  const StepShape parallel = step_shape(2, 3, 2, 8);
  const StepShape single = step_shape(1, 6, 2, 8);
  const Batch whole = sample_batch(corpus, single, {.seed = 9, .step = 1});
  const std::size_t block = 3 * 8;  // micro_batch * sequence
  for (std::size_t m = 0; m < 2; ++m) {
    for (int d = 0; d < 2; ++d) {
      const Batch part = sample_batch(corpus, parallel, {.seed = 9, .step = 1, .replica = d});
      const auto expected = whole.inputs.begin() + static_cast<std::ptrdiff_t>((2 * m + d) * block);
      EXPECT_TRUE(std::equal(expected, expected + block, part.inputs.begin() + static_cast<std::ptrdiff_t>(m * block)));
    }
  }
}

}  // namespace
}  // namespace sextant
