#include "executor/transformer/packing.h"

#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant {
namespace {

using testing::ElementsAre;

TEST(SlicesToSequences, PutsTheSlicesOfASampleSideBySide) {
  // Two ranks gathered two samples (a, b) of two slices each: rank 0 sent a0 b0, rank 1 sent a1 b1.
  const std::vector<float> slices = {/*a0*/ 1, 2, /*b0*/ 3, 4, /*a1*/ 5, 6, /*b1*/ 7, 8};
  std::vector<float> sequences(8);
  slices_to_sequences({.tp = 2, .batch = 2, .slice_elements = 2}, slices.data(), sequences.data());
  EXPECT_THAT(sequences, ElementsAre(1, 2, 5, 6, 3, 4, 7, 8));
}

TEST(SequencesToSlices, IsTheInverse) {
  const SequenceSlices shape{.tp = 3, .batch = 4, .slice_elements = 5};
  std::vector<double> slices(60), sequences(60), back(60);
  std::iota(slices.begin(), slices.end(), 0.0);
  slices_to_sequences(shape, slices.data(), sequences.data());
  sequences_to_slices(shape, sequences.data(), back.data());
  EXPECT_NE(sequences, slices);
  EXPECT_EQ(back, slices);
}

TEST(PackExpertRows, IsCapacityMajorAndSourceMinor) {
  // [2 sources][2 experts][2 rows][1]: value = 100 source + 10 expert + row.
  const std::vector<float> chunk = {0, 1, 10, 11, 100, 101, 110, 111};
  std::vector<float> canonical(4);
  pack_expert_rows({.sources = 2, .local_experts = 2, .expert = 1, .rows = 2, .model_dim = 1}, chunk.data(),
                   canonical.data());
  EXPECT_THAT(canonical, ElementsAre(10, 110, 11, 111));
}

TEST(UnpackExpertRows, PutsRowsBackAndLeavesOtherExpertsAlone) {
  const ExpertRows shape{.sources = 2, .local_experts = 2, .expert = 0, .rows = 2, .model_dim = 1};
  const std::vector<float> canonical = {1, 2, 3, 4};
  std::vector<float> chunk(8, -1);
  unpack_expert_rows(shape, canonical.data(), chunk.data());
  EXPECT_THAT(chunk, ElementsAre(1, 3, -1, -1, 2, 4, -1, -1));
}

}  // namespace
}  // namespace sextant
