#include <dnnl.h>
#include <fmt/format.h>
#include <omp.h>

#include "executor/layers/blas/backend.h"
#include "models/error.h"

namespace sextant::blas {
namespace {

char letter(Transpose transpose) {
  return transpose == Transpose::kYes ? 'T' : 'N';
}

// OpenMP keeps its number of threads per calling thread, and a new thread starts with that of the
// environment: each rank's thread says once that it multiplies alone.
void use_one_thread() {
  thread_local const bool done = [] {
    omp_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

void multiply(const GemmShape& shape, float alpha, MatrixRef<float> a, MatrixRef<float> b, float beta, float* c,
              std::int64_t c_leading_dim) {
  use_one_thread();
  const dnnl_status_t status = dnnl_sgemm(letter(a.transpose), letter(b.transpose), shape.m, shape.n, shape.k, alpha,
                                          a.data, a.leading_dim, b.data, b.leading_dim, beta, c, c_leading_dim);
  if (status != dnnl_success) {
    throw BackendError(fmt::format("oneDNN sgemm {} x {} x {}: {}", shape.m, shape.n, shape.k,
                                   status == dnnl_out_of_memory ? "out of memory" : "invalid arguments"));
  }
}

}  // namespace sextant::blas
