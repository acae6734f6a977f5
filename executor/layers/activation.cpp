#include "executor/layers/activation.h"

#include "executor/layers/vector_math.h"

namespace sextant {
namespace {

// tanh(u) = 2 sigmoid(2u) - 1, so gelu(a) = a * sigmoid(a * (kLinear + kCubic * a^2)).
template <typename T>
constexpr T kLinear = T(1.5957691216057308);  // 2 sqrt(2/pi)
template <typename T>
constexpr T kCubic = kLinear<T>* T(0.044715);

}  // namespace

template <typename T>
void gelu_forward(std::size_t n, const T* a, T* h) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) h[i] = a[i] * sigmoid(a[i] * (kLinear<T> + kCubic<T> * a[i] * a[i]));
}

template <typename T>
void gelu_backward_in_place(std::size_t n, T* a, T* dh) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const T x = a[i];
    const T square = x * x;
    const T s = sigmoid(x * (kLinear<T> + kCubic<T> * square));
    const T slope = s + x * s * (T(1) - s) * (kLinear<T> + T(3) * kCubic<T> * square);
    a[i] = dh[i] * slope;
    dh[i] = x * s;
  }
}

template <typename T>
void silu_gate_forward(std::size_t n, const T* a, const T* b, T* h) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) h[i] = a[i] * sigmoid(a[i]) * b[i];
}

template <typename T>
void silu_gate_backward_in_place(std::size_t n, T* a, T* b, T* dh) {
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const T s = sigmoid(a[i]);
    const T silu = a[i] * s;
    const T slope = s + silu * (T(1) - s);
    const T gradient = dh[i];
    dh[i] = silu * b[i];
    a[i] = gradient * b[i] * slope;
    b[i] = gradient * silu;
  }
}

template void gelu_forward<float>(std::size_t, const float*, float*);
template void gelu_forward<double>(std::size_t, const double*, double*);
template void gelu_backward_in_place<float>(std::size_t, float*, float*);
template void gelu_backward_in_place<double>(std::size_t, double*, double*);
template void silu_gate_forward<float>(std::size_t, const float*, const float*, float*);
template void silu_gate_forward<double>(std::size_t, const double*, const double*, double*);
template void silu_gate_backward_in_place<float>(std::size_t, float*, float*, float*);
template void silu_gate_backward_in_place<double>(std::size_t, double*, double*, double*);

}  // namespace sextant
