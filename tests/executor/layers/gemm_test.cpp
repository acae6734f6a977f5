#include "executor/layers/gemm.h"

#include <limits>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

struct Operands {
  GemmShape shape;
  Transpose a_transpose = Transpose::kNo;
  Transpose b_transpose = Transpose::kNo;
  std::int64_t padding = 0;  // elements between rows
};

std::int64_t a_leading_dim(const Operands& o) {
  return (o.a_transpose == Transpose::kYes ? o.shape.m : o.shape.k) + o.padding;
}
std::int64_t b_leading_dim(const Operands& o) {
  return (o.b_transpose == Transpose::kYes ? o.shape.k : o.shape.n) + o.padding;
}

template <typename T>
std::vector<double> naive_product(const Operands& o, const std::vector<T>& a, const std::vector<T>& b) {
  const auto& [m, n, k] = o.shape;
  const auto lda = a_leading_dim(o);
  const auto ldb = b_leading_dim(o);
  std::vector<double> c(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t p = 0; p < k; ++p) {
      const double a_value = a[o.a_transpose == Transpose::kYes ? p * lda + i : i * lda + p];
      for (std::int64_t j = 0; j < n; ++j) {
        c[i * n + j] += a_value * b[o.b_transpose == Transpose::kYes ? j * ldb + p : p * ldb + j];
      }
    }
  }
  return c;
}

// C = 0.5 A B + beta C against the naive product, with rows of C `padding` apart.
template <typename T>
void expect_naive(const Operands& o, T beta, double tolerance) {
  SCOPED_TRACE(::testing::Message() << "m " << o.shape.m << " n " << o.shape.n << " k " << o.shape.k << " transposes "
                                    << (o.a_transpose == Transpose::kYes) << (o.b_transpose == Transpose::kYes));
  RandomData random(7);
  const auto& [m, n, k] = o.shape;
  const auto a = random.vector<T>((o.a_transpose == Transpose::kYes ? k : m) * a_leading_dim(o));
  const auto b = random.vector<T>((o.b_transpose == Transpose::kYes ? n : k) * b_leading_dim(o));
  const std::int64_t ldc = n + o.padding;
  const auto before = random.vector<T>(m * ldc);
  auto c = before;
  gemm<T>(o.shape, T(0.5), {a.data(), a_leading_dim(o), o.a_transpose}, {b.data(), b_leading_dim(o), o.b_transpose},
          beta, c.data(), ldc);
  auto expected = std::vector<double>(before.begin(), before.end());
  const auto product = naive_product(o, a, b);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      expected[i * ldc + j] = 0.5 * product[i * n + j] + static_cast<double>(beta) * expected[i * ldc + j];
    }
  }
  EXPECT_LE(testing::relative_error(c, expected), tolerance);
}

template <typename T>
void expect_naive_all_transposes(const GemmShape& shape, double tolerance) {
  for (const auto a : {Transpose::kNo, Transpose::kYes}) {
    for (const auto b : {Transpose::kNo, Transpose::kYes}) {
      expect_naive<T>({.shape = shape, .a_transpose = a, .b_transpose = b, .padding = 0}, T(0), tolerance);
      expect_naive<T>({.shape = shape, .a_transpose = a, .b_transpose = b, .padding = 3}, T(1), tolerance);
    }
  }
}

// Some BLAS builds give wrong results on some processors: shapes of training, edges of the kernels'
// register blocks and degenerate ones.
const std::vector<GemmShape> kShapes = {
    {.m = 1, .n = 1, .k = 1},       {.m = 1, .n = 17, .k = 5},      {.m = 33, .n = 1, .k = 7},
    {.m = 5, .n = 3, .k = 129},     {.m = 31, .n = 47, .k = 65},    {.m = 48, .n = 48, .k = 48},
    {.m = 64, .n = 64, .k = 48},    {.m = 64, .n = 48, .k = 128},   {.m = 97, .n = 193, .k = 61},
    {.m = 128, .n = 192, .k = 384}, {.m = 192, .n = 384, .k = 257}, {.m = 300, .n = 256, .k = 192}};

TEST(Gemm, FloatEqualsTheNaiveProduct) {
  for (const GemmShape& shape : kShapes) expect_naive_all_transposes<float>(shape, 2e-6);
}

TEST(Gemm, DoubleEqualsTheNaiveProduct) {
  for (const GemmShape& shape : kShapes) expect_naive_all_transposes<double>(shape, 1e-14);
}

template <typename T>
void expect_c_unread() {
  const std::vector<T> a = {1, 2};
  std::vector<T> c = {std::numeric_limits<T>::quiet_NaN()};
  gemm<T>({.m = 1, .n = 1, .k = 2}, T(1), {a.data(), 2}, {a.data(), 1}, T(0), c.data(), 1);
  EXPECT_EQ(c[0], T(5));  // 1*1 + 2*2
}

TEST(Gemm, BetaZeroReadsNothingOfC) {
  expect_c_unread<float>();
  expect_c_unread<double>();
}

TEST(Gemm, EmptySumLeavesBetaTimesC) {
  std::vector<float> c = {3.0F};
  gemm<float>({.m = 1, .n = 1, .k = 0}, 1.0F, {nullptr, 1}, {nullptr, 1}, 2.0F, c.data(), 1);
  EXPECT_EQ(c[0], 6.0F);
  gemm<float>({.m = 1, .n = 1, .k = 0}, 1.0F, {nullptr, 1}, {nullptr, 1}, 0.0F, c.data(), 1);
  EXPECT_EQ(c[0], 0.0F);
}

TEST(Gemm, NoRowsIsNothing) {
  std::vector<float> c = {3.0F};
  gemm<float>({.m = 0, .n = 1, .k = 1}, 1.0F, {nullptr, 1}, {c.data(), 1}, 0.0F, c.data(), 1);
  EXPECT_EQ(c[0], 3.0F);
}

TEST(Gemm, ManyRanksMultiplyAtOnce) {
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 4; ++rank) {
    ranks.emplace_back([] {
      for (int repeat = 0; repeat < 10; ++repeat) {
        expect_naive<float>({.shape = {.m = 40, .n = 70, .k = 90}}, 1.0F, 2e-6);
        expect_naive<double>({.shape = {.m = 40, .n = 70, .k = 90}}, 1.0, 1e-14);
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

}  // namespace
}  // namespace sextant
