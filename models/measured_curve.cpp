#include "models/measured_curve.h"

#include <algorithm>

#include "models/error.h"

namespace sextant {
namespace {

// Pool adjacent violators: the non-decreasing sequence nearest to `values` in least squares.
std::vector<double> non_decreasing(const std::vector<double>& values) {
  struct Block {
    double sum = 0.0;
    std::size_t size = 0;
    [[nodiscard]] double mean() const { return sum / static_cast<double>(size); }
  };
  std::vector<Block> blocks;
  for (const double value : values) {
    blocks.push_back({value, 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean() > blocks.back().mean()) {
      const Block last = blocks.back();
      blocks.pop_back();
      blocks.back().sum += last.sum;
      blocks.back().size += last.size;
    }
  }
  std::vector<double> result;
  for (const Block& block : blocks) result.insert(result.end(), block.size, block.mean());
  return result;
}

double lerp_at(double x, double x0, double y0, double x1, double y1) {
  return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

}  // namespace

MeasuredCurve::MeasuredCurve(std::span<const Point> points) {
  SEXTANT_CHECK(!points.empty(), "a curve without points");
  for (const Point& point : points) {
    const double median_s = point.time.median.value();
    SEXTANT_CHECK(point.size > (sizes_.empty() ? 0.0 : sizes_.back()), "size {} out of order", point.size);
    SEXTANT_CHECK(median_s > 0.0, "median {} s", median_s);
    sizes_.push_back(point.size);
    times_s_.push_back(median_s);
    low_ratios_.push_back(point.time.low.value() / median_s);
    high_ratios_.push_back(point.time.high.value() / median_s);
  }
  times_s_ = non_decreasing(times_s_);
}

double MeasuredCurve::time_below(double size) const {
  const double chord_s = times_s_[0] * size / sizes_[0];
  if (sizes_.size() == 1) return times_s_[0];
  return std::max(chord_s, lerp_at(size, sizes_[0], times_s_[0], sizes_[1], times_s_[1]));
}

double MeasuredCurve::time_above(double size) const {
  const std::size_t last = sizes_.size() - 1;
  if (last == 0) return times_s_[0] * size / sizes_[0];
  const std::size_t from = times_s_[last] > times_s_[last - 1] ? last - 1 : 0;
  return lerp_at(size, sizes_[from], times_s_[from], sizes_[last], times_s_[last]);
}

CostEstimate MeasuredCurve::at(double size) const {
  const auto estimate = [](double time_s, double low_ratio, double high_ratio, CostSource source) {
    return CostEstimate{.time = Seconds(time_s),
                        .low = Seconds(time_s * low_ratio),
                        .high = Seconds(time_s * high_ratio),
                        .source = source};
  };
  const std::size_t last = sizes_.size() - 1;
  if (size < sizes_.front()) return estimate(time_below(size), low_ratios_[0], high_ratios_[0], CostSource::kFitted);
  if (size > sizes_.back()) {
    return estimate(time_above(size), low_ratios_[last], high_ratios_[last], CostSource::kFitted);
  }
  const auto upper = std::lower_bound(sizes_.begin(), sizes_.end(), size);
  const auto i = static_cast<std::size_t>(upper - sizes_.begin());
  if (*upper == size) return estimate(times_s_[i], low_ratios_[i], high_ratios_[i], CostSource::kMeasured);
  const auto between = [&](const std::vector<double>& values) {
    return lerp_at(size, sizes_[i - 1], values[i - 1], sizes_[i], values[i]);
  };
  return estimate(between(times_s_), between(low_ratios_), between(high_ratios_), CostSource::kInterpolated);
}

}  // namespace sextant
