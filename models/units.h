// Physical quantities as types: seconds, bytes, floating-point operations and their quotients.
//
// A value is a double in SI base units (s, B, flop). The dimension is part of the type, so that
// `Bytes + Seconds` or a swapped division does not compile; the code generated is that of doubles.
// Every conversion factor between units lives here or in models/yaml_io.cpp, nowhere else.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace sextant {

// Dimension s^TimeExp * B^ByteExp * flop^FlopExp.
template <int TimeExp, int ByteExp, int FlopExp>
class Quantity {
 public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(double value) : value_(value) {}

  // Value in SI base units. Use only where a raw double is unavoidable, with the suffix of the unit.
  [[nodiscard]] constexpr double value() const { return value_; }

  constexpr Quantity& operator+=(Quantity other) {
    value_ += other.value_;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity other) {
    value_ -= other.value_;
    return *this;
  }
  constexpr Quantity& operator*=(double factor) {
    value_ *= factor;
    return *this;
  }
  constexpr Quantity& operator/=(double divisor) {
    value_ /= divisor;
    return *this;
  }
  constexpr Quantity operator-() const { return Quantity(-value_); }
  // clang-tidy 14 takes the 0 of a defaulted comparison for a pointer.
  constexpr auto operator<=>(const Quantity&) const = default;  // NOLINT(modernize-use-nullptr)

  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity(a.value_ + b.value_); }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity(a.value_ - b.value_); }
  friend constexpr Quantity operator*(Quantity a, double b) { return Quantity(a.value_ * b); }
  friend constexpr Quantity operator*(double a, Quantity b) { return Quantity(a * b.value_); }
  friend constexpr Quantity operator/(Quantity a, double b) { return Quantity(a.value_ / b); }

 private:
  double value_ = 0.0;
};

template <int T1, int B1, int F1, int T2, int B2, int F2>
constexpr auto operator*(Quantity<T1, B1, F1> a, Quantity<T2, B2, F2> b) {
  if constexpr (T1 + T2 == 0 && B1 + B2 == 0 && F1 + F2 == 0) {
    return a.value() * b.value();
  } else {
    return Quantity<T1 + T2, B1 + B2, F1 + F2>(a.value() * b.value());
  }
}

template <int T1, int B1, int F1, int T2, int B2, int F2>
constexpr auto operator/(Quantity<T1, B1, F1> a, Quantity<T2, B2, F2> b) {
  if constexpr (T1 == T2 && B1 == B2 && F1 == F2) {
    return a.value() / b.value();
  } else {
    return Quantity<T1 - T2, B1 - B2, F1 - F2>(a.value() / b.value());
  }
}

using Seconds = Quantity<1, 0, 0>;
using Bytes = Quantity<0, 1, 0>;
using Flops = Quantity<0, 0, 1>;  // amount of work, not a rate
using BytesPerSecond = Quantity<-1, 1, 0>;
using FlopsPerSecond = Quantity<-1, 0, 1>;
using SecondsPerByte = Quantity<1, -1, 0>;
using SecondsPerFlop = Quantity<1, 0, -1>;

// Text with a mandatory unit, as YAML and the command line carry it: "2.3 us", "50 GB/s", "80 GiB",
// "989 TFLOP/s", "0.1 ns/B", "2 s/TFLOP". k M G T P are 10^3n, Ki Mi Gi Ti Pi are 2^10n; b is a bit,
// B a byte ("4 Gbit/s" too).
// Throws ConfigError naming the text, what was expected and what is allowed: a bare number, an
// unknown unit, a negative or non-finite value are errors. The caller adds file:line:column.
[[nodiscard]] Seconds parse_seconds(std::string_view text);
[[nodiscard]] Bytes parse_bytes(std::string_view text);
[[nodiscard]] Flops parse_flops(std::string_view text);
[[nodiscard]] BytesPerSecond parse_bytes_per_second(std::string_view text);
[[nodiscard]] FlopsPerSecond parse_flops_per_second(std::string_view text);
[[nodiscard]] SecondsPerByte parse_seconds_per_byte(std::string_view text);
[[nodiscard]] SecondsPerFlop parse_seconds_per_flop(std::string_view text);

// Text for people: times in ns/us/ms/s, payloads in B/KiB/MiB/GiB, bandwidth in decimal GB/s,
// rates in GFLOP/s or TFLOP/s; three or four significant digits.
[[nodiscard]] std::string to_text(Seconds time);
[[nodiscard]] std::string to_text(Bytes amount);
[[nodiscard]] std::string to_text(BytesPerSecond bandwidth);
[[nodiscard]] std::string to_text(FlopsPerSecond rate);

// Text for files: the same units with enough digits that parse_* gives the very same double back.
[[nodiscard]] std::string to_exact_text(Seconds time);
[[nodiscard]] std::string to_exact_text(Bytes amount);
[[nodiscard]] std::string to_exact_text(BytesPerSecond bandwidth);
[[nodiscard]] std::string to_exact_text(FlopsPerSecond rate);
[[nodiscard]] std::string to_exact_text(SecondsPerByte beta);
[[nodiscard]] std::string to_exact_text(SecondsPerFlop gamma);

}  // namespace sextant
