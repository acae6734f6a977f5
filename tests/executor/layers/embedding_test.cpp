#include "executor/layers/embedding.h"

#include <vector>

#include <gtest/gtest.h>

namespace sextant {
namespace {

const std::vector<std::int32_t> kTokens = {2, 0, 2};

TEST(Embedding, ForwardCopiesTheRowsOfItsTokens) {
  const std::vector<float> table = {1, 2, 3, 4, 5, 6};  // [3, 2]
  std::vector<float> out(6);
  embedding_forward<float>(2, table.data(), kTokens, out.data());
  EXPECT_EQ(out, (std::vector<float>{5, 6, 1, 2, 5, 6}));
}

TEST(Embedding, BackwardAddsRowsOfRepeatedTokens) {
  const std::vector<double> dout = {1, 2, 10, 20, 100, 200};  // [3, 2]
  std::vector<double> dtable = {7, 7, 7, 7, 7, 7};
  embedding_backward<double>(2, dout.data(), kTokens, dtable.data());
  // token 0: row 1 of dout; token 1: none; token 2: rows 0 and 2
  EXPECT_EQ(dtable, (std::vector<double>{17, 27, 7, 7, 108, 209}));
}

}  // namespace
}  // namespace sextant
