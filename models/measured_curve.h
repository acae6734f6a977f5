// Time over size through measured points: how every measured series is read.
#pragma once

#include <span>
#include <vector>

#include "models/cluster.h"
#include "models/cost_model.h"
#include "models/units.h"

namespace sextant {

// A non-decreasing, non-negative, piecewise linear function of a size (bytes or rows).
//   at a point       its median                                                       kMeasured
//   between points   linear                                                           kInterpolated
//   below the first  the line of the first two, at least the chord to the origin      kFitted
//   above the last   the line of the last two (of first and last where that falls)    kFitted
// Medians that noise put in falling order are replaced by their mean first (pool adjacent violators:
// the closest non-decreasing sequence). One point alone: constant below, proportional above.
// low and high are the points' own ratios to their median, interpolated; the nearest point's outside.
class MeasuredCurve {
 public:
  struct Point {
    double size = 0.0;
    MeasuredPoint time;
  };
  // REQUIRES: at least one point; sizes positive and ascending; medians positive.
  explicit MeasuredCurve(std::span<const Point> points);

  [[nodiscard]] CostEstimate at(double size) const;

 private:
  [[nodiscard]] double time_below(double size) const;
  [[nodiscard]] double time_above(double size) const;

  std::vector<double> sizes_;
  std::vector<double> times_s_;
  std::vector<double> low_ratios_;
  std::vector<double> high_ratios_;
};

}  // namespace sextant
