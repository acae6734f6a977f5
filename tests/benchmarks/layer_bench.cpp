// Time of every layer beside the time of its matrix products alone, on one thread.
//
// The products of one call are recorded and replayed on the same operands. Layer and products take
// turns, and the median of the turns counts, so that a slow spell of the machine meets both. Times
// are processor time of the thread: what else runs on the machine disturbs them less.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "executor/layers/adamw.h"
#include "executor/layers/attention.h"
#include "executor/layers/embedding.h"
#include "executor/layers/expert.h"
#include "executor/layers/gemm_recording.h"
#include "executor/layers/head.h"
#include "executor/layers/rms_norm.h"

namespace sextant {
namespace {

struct Case {
  std::string name;
  std::int64_t model_dim, hidden_dim, heads, head_dim, sequence, batch;
  std::int64_t experts = 8;
  std::int64_t expert_rows = 320;  // top 2 of 8 experts, capacity factor 1.25, 1024 tokens
  std::int64_t vocabulary = 256;
  int layers = 4;
  [[nodiscard]] std::int64_t rows() const { return batch * sequence; }
};

using Vector = std::vector<float>;

Vector random_vector(std::size_t size, float scale = 1.0F) {
  static std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  Vector result(size);
  for (float& value : result) value = uniform(generator);
  return result;
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double seconds(const std::function<void()>& function) {
  const double begin = thread_seconds();
  function();
  return thread_seconds() - begin;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Sum {
  double total_s = 0.0;
  double products_s = 0.0;
};

// `prepare` runs untimed before every call of `layer`.
void measure(
    const std::string& name, int calls_per_step, Sum& sum, const std::function<void()>& layer,
    const std::function<void()>& prepare = [] {}) {
  constexpr int kTurns = 25;
  prepare();
  GemmRecording recording;
  layer();
  recording.stop();
  const std::size_t num_products = recording.num_products();
  const double flops = recording.flops();
  std::vector<double> total, products;
  for (int turn = 0; turn < kTurns; ++turn) {
    prepare();
    total.push_back(seconds(layer));
    products.push_back(num_products == 0 ? 0.0 : seconds([&] { recording.replay(); }));
  }
  const double total_s = median(total);
  const double products_s = median(products);
  sum.total_s += total_s * calls_per_step;
  sum.products_s += products_s * calls_per_step;
  fmt::print("  {:<20} {:>9.1f} us  products {:>9.1f} us", name, total_s * 1e6, products_s * 1e6);
  if (num_products > 0) fmt::print("  {:>6.1f} GFLOP/s  ratio {:.3f}", flops / products_s * 1e-9, total_s / products_s);
  fmt::print("\n");
}

void measure_attention(const Case& c, Sum& sum) {
  const AttentionShape shape{.batch = c.batch,
                             .sequence = c.sequence,
                             .model_dim = c.model_dim,
                             .heads = c.heads,
                             .kv_heads = c.heads,
                             .head_dim = c.head_dim};
  const std::size_t matrix = c.model_dim * c.heads * c.head_dim;
  const Vector norm(c.model_dim, 1.0F);
  const Vector wq = random_vector(matrix, 0.1F), wk = random_vector(matrix, 0.1F), wv = random_vector(matrix, 0.1F),
               wo = random_vector(matrix, 0.1F);
  Vector dnorm(c.model_dim), dwq(matrix), dwk(matrix), dwv(matrix), dwo(matrix);
  const Vector x = random_vector(c.rows() * c.model_dim), dy = random_vector(x.size());
  Vector y(x.size()), dx(x.size()), rotary(rotary_table_size(shape)), saved(attention_saved_size(shape)),
      workspace(attention_workspace_size(shape));
  fill_rotary_table(shape, 10000.0, rotary.data());
  const AttentionWeights<float> weights{norm.data(), wq.data(), wk.data(), wv.data(), wo.data()};
  const AttentionBuffers<float> buffers{rotary.data(), saved.data(), workspace.data()};
  measure("attention forward", c.layers, sum, [&] { attention_forward(shape, weights, x.data(), y.data(), buffers); });
  measure("attention backward", c.layers, sum, [&] {
    attention_backward<float>(shape, weights, {.x = x.data(), .dy = dy.data(), .dx = dx.data()},
                              {dnorm.data(), dwq.data(), dwk.data(), dwv.data(), dwo.data()}, buffers);
  });
}

void measure_experts(const Case& c, ExpertKind kind, Sum& sum) {
  const ExpertShape shape{.rows = c.expert_rows, .model_dim = c.model_dim, .hidden_dim = c.hidden_dim, .kind = kind};
  const std::size_t matrix = c.model_dim * c.hidden_dim;
  const std::size_t rows = c.expert_rows * c.model_dim;
  const Vector w1 = random_vector(c.experts * matrix, 0.1F), w3 = random_vector(c.experts * matrix, 0.1F),
               w2 = random_vector(c.experts * matrix, 0.1F);
  Vector dw1(w1.size()), dw3(w1.size()), dw2(w1.size());
  const Vector x = random_vector(c.experts * rows), dy = random_vector(c.experts * rows);
  const std::size_t hidden = c.expert_rows * c.hidden_dim;
  Vector y(x.size()), dx(x.size()), saved(c.experts * hidden), saved_gate(saved.size()),
      workspace(expert_workspace_size(shape));
  const auto for_each_expert = [&](const auto& function) {
    for (std::int64_t e = 0; e < c.experts; ++e) {
      function(e * matrix, e * rows,
               ExpertBuffers<float>{saved.data() + e * hidden, saved_gate.data() + e * hidden, workspace.data()});
    }
  };
  const auto forward = [&] {
    for_each_expert([&](std::size_t w, std::size_t r, const ExpertBuffers<float>& buffers) {
      expert_forward<float>(shape, {w1.data() + w, w3.data() + w, w2.data() + w}, x.data() + r, y.data() + r, buffers);
    });
  };
  const auto backward = [&] {
    for_each_expert([&](std::size_t w, std::size_t r, const ExpertBuffers<float>& buffers) {
      expert_backward<float>(shape, {w1.data() + w, w3.data() + w, w2.data() + w},
                             {.x = x.data() + r, .dy = dy.data() + r, .dx = dx.data() + r},
                             {dw1.data() + w, dw3.data() + w, dw2.data() + w}, buffers);
    });
  };
  const std::string name = to_text(kind);
  measure(name + " experts forward", kind == ExpertKind::kSwiglu ? c.layers : 0, sum, forward);
  measure(name + " experts backward", kind == ExpertKind::kSwiglu ? c.layers : 0, sum, backward, forward);
}

void measure_head(const Case& c, Sum& sum) {
  const HeadShape shape{.rows = c.rows(), .model_dim = c.model_dim, .vocabulary = c.vocabulary};
  const Vector norm(c.model_dim, 1.0F), out = random_vector(c.model_dim * c.vocabulary, 0.1F);
  const Vector x = random_vector(c.rows() * c.model_dim);
  Vector dnorm(norm.size()), dout(out.size()), dx(x.size()), saved(head_saved_size(shape));
  std::vector<std::int32_t> targets(c.rows());
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<std::int32_t>(i * 37 % c.vocabulary);
  measure("head forward", 1, sum, [&] {
    static_cast<void>(head_forward<float>(shape, {norm.data(), out.data()}, x.data(), targets, 1e-3, saved.data()));
  });
  measure("head backward", 1, sum, [&] {
    head_backward<float>(shape, {norm.data(), out.data()}, x.data(), dx.data(), {dnorm.data(), dout.data()},
                         saved.data());
  });
  Vector table = random_vector(c.vocabulary * c.model_dim);
  measure("embedding forward", 1, sum,
          [&] { embedding_forward<float>(c.model_dim, table.data(), targets, dx.data()); });
  measure("embedding backward", 1, sum,
          [&] { embedding_backward<float>(c.model_dim, x.data(), targets, table.data()); });
}

// The norm before the gate.
void measure_norm(const Case& c, Sum& sum) {
  const RmsNormShape shape{.rows = c.rows(), .dim = c.model_dim};
  const Vector weight(c.model_dim, 1.0F), x = random_vector(c.rows() * c.model_dim), dy = x;
  Vector y(x.size()), dx(x.size()), dweight(weight.size()), inverse_rms(c.rows());
  measure("norm forward", c.layers, sum,
          [&] { rms_norm_forward(shape, x.data(), weight.data(), y.data(), inverse_rms.data()); });
  measure("norm backward", c.layers, sum, [&] {
    rms_norm_backward<float>(shape, {.x = x.data(), .weight = weight.data(), .inverse_rms = inverse_rms.data()},
                             dy.data(), dx.data(), Store::kAdd, dweight.data());
  });
}

void measure_optimizer(const Case& c, Sum& sum) {
  const std::size_t n = c.layers * (c.experts * 3 * c.model_dim * c.hidden_dim + 4 * c.model_dim * c.model_dim) +
                        2 * c.vocabulary * c.model_dim;
  Vector value = random_vector(n), first(n), second(n);
  const Vector gradient = random_vector(n);
  double squares = 0.0;
  measure("gradient norm", 1, sum, [&] { squares += sum_of_squares<float>(gradient); });
  AdamWOptions options{.learning_rate = 1e-3,
                       .beta1 = 0.9,
                       .beta2 = 0.95,
                       .epsilon = 1e-8,
                       .weight_decay = 0.1,
                       .gradient_scale = 1.0,
                       .step = 1};
  measure("AdamW", 1, sum, [&] {
    adamw_update<float>(options, {value, gradient, first, second});
    ++options.step;
  });
  fmt::print("  {:.2f} M parameters, mean square of the gradient {:.3f}\n", static_cast<double>(n) * 1e-6,
             squares / 26.0 / static_cast<double>(n));
}

void run(const Case& c) {
  fmt::print("{}: M {}, H {}, heads {} x {}, L {}, batch {}, {} experts of {} rows\n", c.name, c.model_dim,
             c.hidden_dim, c.heads, c.head_dim, c.sequence, c.batch, c.experts, c.expert_rows);
  Sum step;
  measure_attention(c, step);
  measure_experts(c, ExpertKind::kSwiglu, step);
  measure_experts(c, ExpertKind::kGelu, step);
  measure_norm(c, step);
  measure_head(c, step);
  measure_optimizer(c, step);
  fmt::print("  {} layers with SwiGLU experts, head and AdamW: {:.2f} ms, products {:.2f} ms, ratio {:.3f}\n\n",
             c.layers, step.total_s * 1e3, step.products_s * 1e3, step.total_s / step.products_s);
}

}  // namespace
}  // namespace sextant

int main() {
  sextant::run(
      {.name = "small", .model_dim = 192, .hidden_dim = 384, .heads = 4, .head_dim = 48, .sequence = 128, .batch = 8});
  sextant::run({.name = "medium",
                .model_dim = 512,
                .hidden_dim = 1024,
                .heads = 8,
                .head_dim = 64,
                .sequence = 256,
                .batch = 4});
}
