// Element-wise functions of the experts, over flat ranges of `n` elements.
//
//   gelu(a) = a/2 * (1 + tanh(sqrt(2/pi) * (a + 0.044715 a^3)))     (tanh form)
//   silu(a) = a / (1 + exp(-a))
#pragma once

#include <cstddef>

namespace sextant {

// h = gelu(a)
template <typename T>
void gelu_forward(std::size_t n, const T* a, T* h);
// a becomes dh * gelu'(a); dh becomes gelu(a).
template <typename T>
void gelu_backward_in_place(std::size_t n, T* a, T* dh);

// h = silu(a) * b
template <typename T>
void silu_gate_forward(std::size_t n, const T* a, const T* b, T* h);
// a becomes dh * b * silu'(a), b becomes dh * silu(a), dh becomes silu(a) * b.
template <typename T>
void silu_gate_backward_in_place(std::size_t n, T* a, T* b, T* dh);

}  // namespace sextant
