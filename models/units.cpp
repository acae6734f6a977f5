#include "models/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {
namespace {

// A number in some unit is number * multiplier / divisor in SI. Both are whole numbers, exact as
// doubles, so that "2.3 us" is rounded once (2.3 / 1e6) and not twice (2.3 * 1e-6).
struct Scale {
  double multiplier = 1.0;
  double divisor = 1.0;
  [[nodiscard]] double apply(double number) const { return number * multiplier / divisor; }
  [[nodiscard]] double undo(double si_value) const { return si_value * divisor / multiplier; }
};

struct NamedScale {
  std::string_view name;
  Scale scale;
};

constexpr double kKibi = 1024.0;

constexpr std::array kTimeUnits{NamedScale{"s", {}}, NamedScale{"ms", {1.0, 1e3}}, NamedScale{"us", {1.0, 1e6}},
                                NamedScale{"ns", {1.0, 1e9}}};

constexpr std::array kDecimalPrefixes{NamedScale{"", {}},     NamedScale{"k", {1e3}},  NamedScale{"M", {1e6}},
                                      NamedScale{"G", {1e9}}, NamedScale{"T", {1e12}}, NamedScale{"P", {1e15}}};

constexpr std::array kBinaryPrefixes{
    NamedScale{"Ki", {kKibi}}, NamedScale{"Mi", {kKibi * kKibi}}, NamedScale{"Gi", {kKibi * kKibi * kKibi}},
    NamedScale{"Ti", {kKibi * kKibi * kKibi * kKibi}}, NamedScale{"Pi", {kKibi * kKibi * kKibi * kKibi * kKibi}}};

std::optional<Scale> find(std::span<const NamedScale> scales, std::string_view name) {
  for (const NamedScale& candidate : scales) {
    if (candidate.name == name) return candidate.scale;
  }
  return std::nullopt;
}

std::optional<Scale> time_scale(std::string_view unit) {
  return find(kTimeUnits, unit);
}
std::optional<Scale> second_scale(std::string_view unit) {  // rates are per second, nothing else
  return unit == "s" ? std::optional<Scale>(Scale{}) : std::nullopt;
}

std::optional<Scale> data_scale(std::string_view unit) {
  for (const NamedScale& base : {NamedScale{"bit", {1.0, 8.0}}, NamedScale{"b", {1.0, 8.0}}, NamedScale{"B", {}}}) {
    if (!unit.ends_with(base.name)) continue;
    const std::string_view prefix = unit.substr(0, unit.size() - base.name.size());
    std::optional<Scale> scale = find(kDecimalPrefixes, prefix);
    if (!scale) scale = find(kBinaryPrefixes, prefix);
    if (scale) return Scale{scale->multiplier, base.scale.divisor};
  }
  return std::nullopt;
}

std::optional<Scale> flop_scale(std::string_view unit) {
  constexpr std::string_view kFlop = "FLOP";
  if (!unit.ends_with(kFlop)) return std::nullopt;
  return find(kDecimalPrefixes, unit.substr(0, unit.size() - kFlop.size()));
}

using ScaleOf = std::optional<Scale> (*)(std::string_view);

// "GB/s", "ns/B": the scale of the quotient of two units.
template <ScaleOf numerator_of, ScaleOf denominator_of>
std::optional<Scale> quotient_scale(std::string_view unit) {
  const std::size_t slash = unit.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<Scale> numerator = numerator_of(unit.substr(0, slash));
  const std::optional<Scale> denominator = denominator_of(unit.substr(slash + 1));
  if (!numerator || !denominator) return std::nullopt;
  return Scale{numerator->multiplier * denominator->divisor, numerator->divisor * denominator->multiplier};
}

struct Kind {
  std::string_view expected;  // "a duration such as \"2.3 us\""
  std::string_view allowed;   // units
  ScaleOf scale_of;
};

constexpr std::string_view kDataUnits = "B or bit (b) with k, M, G, T, P (10^3n) or Ki, Mi, Gi, Ti, Pi (2^10n)";
constexpr Kind kSecondsKind{"a duration such as \"2.3 us\"", "s, ms, us, ns", time_scale};
constexpr Kind kBytesKind{"an amount of data such as \"64 KiB\"", kDataUnits, data_scale};
constexpr Kind kFlopsKind{"an amount of work such as \"3 GFLOP\"", "FLOP with k, M, G, T, P", flop_scale};
constexpr Kind kBandwidthKind{"a bandwidth such as \"25 GB/s\"",
                              "data per second: B/s or bit/s (b/s) with k, M, G, T, P or Ki, Mi, Gi, Ti, Pi",
                              quotient_scale<data_scale, second_scale>};
constexpr Kind kRateKind{"a compute rate such as \"989 TFLOP/s\"", "FLOP/s with k, M, G, T, P",
                         quotient_scale<flop_scale, second_scale>};
constexpr Kind kBetaKind{"a time per amount of data such as \"0.1 ns/B\"", "s, ms, us, ns per B, kB, MB, GB, KiB, ...",
                         quotient_scale<time_scale, data_scale>};
constexpr Kind kGammaKind{"a time per amount of work such as \"2 s/TFLOP\"",
                          "s, ms, us, ns per FLOP, GFLOP, TFLOP, ...", quotient_scale<time_scale, flop_scale>};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

[[noreturn]] void reject(std::string_view text, std::string_view why, const Kind& kind) {
  throw ConfigError(fmt::format("\"{}\" {}; expected {} (units: {})", text, why, kind.expected, kind.allowed));
}

double parse_quantity(std::string_view text, const Kind& kind) {
  const std::string_view body = trimmed(text);
  double number = 0.0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), number);
  if (error == std::errc::invalid_argument) reject(text, "does not begin with a number", kind);
  if (error == std::errc::result_out_of_range) reject(text, "is out of range", kind);
  if (!std::isfinite(number)) reject(text, "is not finite", kind);
  if (std::signbit(number)) reject(text, "is negative", kind);
  const std::string_view unit = trimmed(body.substr(static_cast<std::size_t>(end - body.data())));
  if (unit.empty()) reject(text, "has no unit", kind);
  const std::optional<Scale> scale = kind.scale_of(unit);
  if (!scale) reject(text, fmt::format("has the unknown unit \"{}\"", unit), kind);
  const double si_value = scale->apply(number);
  // Nothing measured is near these; what is computed from values between them stays finite.
  constexpr double kLeast = 1e-100;
  constexpr double kMost = 1e30;
  if (si_value > kMost || (si_value > 0.0 && si_value < kLeast)) reject(text, "is out of range", kind);
  return si_value;
}

std::string four_digits(double number) {
  return std::abs(number) >= 1e4 ? fmt::format("{:.0f}", number) : fmt::format("{:.4g}", number);
}

// The shortest number that reads back, in `unit`, as exactly `si_value`; in `base_unit`, whose scale
// is 1, where no number of 17 digits does.
std::string exact_text(double si_value, std::string_view unit, std::string_view base_unit, const Kind& kind) {
  const Scale scale = kind.scale_of(unit).value();
  for (int digits = 1; digits <= 17; ++digits) {
    const std::string text = fmt::format("{:.{}g}", scale.undo(si_value), digits);
    double number = 0.0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    if (scale.apply(number) == si_value) return fmt::format("{} {}", number, unit);
  }
  return fmt::format("{} {}", si_value, base_unit);
}

std::string_view time_unit(double time_s) {
  const double magnitude_s = std::abs(time_s);
  if (magnitude_s == 0.0 || magnitude_s >= 1.0) return "s";
  if (magnitude_s >= 1e-3) return "ms";
  return magnitude_s >= 1e-6 ? "us" : "ns";
}

std::string_view flop_rate_unit(double rate_flops_per_s) {
  return rate_flops_per_s >= 1e12 ? "TFLOP/s" : "GFLOP/s";
}

// The largest binary unit that leaves at least 1.
std::string_view people_data_unit(double amount_bytes) {
  const double magnitude_bytes = std::abs(amount_bytes);
  if (magnitude_bytes >= kKibi * kKibi * kKibi) return "GiB";
  if (magnitude_bytes >= kKibi * kKibi) return "MiB";
  return magnitude_bytes >= kKibi ? "KiB" : "B";
}

// The largest binary unit that leaves a whole number.
std::string_view exact_data_unit(double amount_bytes) {
  for (const std::string_view unit : {"TiB", "GiB", "MiB", "KiB"}) {
    const double number = data_scale(unit)->undo(amount_bytes);
    if (number >= 1.0 && number == std::floor(number)) return unit;
  }
  return "B";
}

std::string people_text(double si_value, std::string_view unit, const Kind& kind) {
  return fmt::format("{} {}", four_digits(kind.scale_of(unit).value().undo(si_value)), unit);
}

}  // namespace

Seconds parse_seconds(std::string_view text) {
  return Seconds(parse_quantity(text, kSecondsKind));
}
Bytes parse_bytes(std::string_view text) {
  return Bytes(parse_quantity(text, kBytesKind));
}
Flops parse_flops(std::string_view text) {
  return Flops(parse_quantity(text, kFlopsKind));
}
BytesPerSecond parse_bytes_per_second(std::string_view text) {
  return BytesPerSecond(parse_quantity(text, kBandwidthKind));
}
FlopsPerSecond parse_flops_per_second(std::string_view text) {
  return FlopsPerSecond(parse_quantity(text, kRateKind));
}
SecondsPerByte parse_seconds_per_byte(std::string_view text) {
  return SecondsPerByte(parse_quantity(text, kBetaKind));
}
SecondsPerFlop parse_seconds_per_flop(std::string_view text) {
  return SecondsPerFlop(parse_quantity(text, kGammaKind));
}

std::string to_text(Seconds time) {
  return people_text(time.value(), time_unit(time.value()), kSecondsKind);
}
std::string to_text(Bytes amount) {
  return people_text(amount.value(), people_data_unit(amount.value()), kBytesKind);
}
std::string to_text(BytesPerSecond bandwidth) {
  return people_text(bandwidth.value(), "GB/s", kBandwidthKind);
}
std::string to_text(FlopsPerSecond rate) {
  return people_text(rate.value(), flop_rate_unit(rate.value()), kRateKind);
}

std::string to_exact_text(Seconds time) {
  return exact_text(time.value(), time_unit(time.value()), "s", kSecondsKind);
}
std::string to_exact_text(Bytes amount) {
  return exact_text(amount.value(), exact_data_unit(amount.value()), "B", kBytesKind);
}
std::string to_exact_text(BytesPerSecond bandwidth) {
  return exact_text(bandwidth.value(), "GB/s", "B/s", kBandwidthKind);
}
std::string to_exact_text(FlopsPerSecond rate) {
  return exact_text(rate.value(), flop_rate_unit(rate.value()), "FLOP/s", kRateKind);
}
std::string to_exact_text(SecondsPerByte beta) {
  return exact_text(beta.value(), "ns/B", "s/B", kBetaKind);
}
std::string to_exact_text(SecondsPerFlop gamma) {
  return exact_text(gamma.value(), "s/TFLOP", "s/FLOP", kGammaKind);
}

}  // namespace sextant
