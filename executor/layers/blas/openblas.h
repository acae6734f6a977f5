// OpenBLAS, set to one thread per caller.
#pragma once

#include <cstdint>

#include <cblas.h>

#include "executor/layers/gemm.h"

namespace sextant::blas {

inline CBLAS_TRANSPOSE cblas_transpose(Transpose transpose) {
  return transpose == Transpose::kYes ? CblasTrans : CblasNoTrans;
}

// The setting is the process's own: the first product makes it, for every thread.
inline void use_one_openblas_thread() {
  static const bool done = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace sextant::blas
