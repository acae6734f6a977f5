#include "models/chunk_pipeline.h"

#include <algorithm>

#include "models/error.h"

namespace sextant {
namespace {

Seconds three_queue_time(const ChunkTimes& t, double r, Seconds gradient) {
  const Seconds a = t.all_to_all, g = t.gather, e = t.expert, s = t.scatter;
  return std::max({2.0 * r * a + gradient, 2.0 * r * a + g + s, 2.0 * a + g + r * e + s, 2.0 * a + r * g + r * s,
                   (r + 1.0) * a + r * g + s, (r + 1.0) * a + g + r * s, (r + 1.0) * a + g + e + s,
                   2.0 * a + g + e + r * s, 2.0 * a + r * g + e + s});
}

Seconds one_link_time(const ChunkTimes& t, double r, Seconds gradient) {
  const Seconds d = t.all_to_all + t.gather, c = t.scatter + t.all_to_all, e = t.expert;
  return std::max({r * d + gradient + r * c, d + r * e + c, d + e + r * c, r * d + e + c});
}

// The paths that begin with computation that waits for nothing.
Seconds time_after(const ChunkTimes& t, double r, Seconds independent, BlockQueues queues) {
  const Seconds a = t.all_to_all, e = t.expert, s = t.scatter;
  if (queues == BlockQueues::kOneLink) return independent + std::max(r * e + (s + a), e + r * (s + a));
  return independent + std::max({r * e + s + a, e + r * s + a, e + s + r * a});
}

}  // namespace

Seconds closed_form_time(const ChunkTimes& chunk, int degree, Seconds gradient, BlockQueues queues) {
  SEXTANT_CHECK(degree >= 1, "degree {}", degree);
  const double r = degree;
  switch (queues) {
    case BlockQueues::kThree:
      return three_queue_time(chunk, r, gradient);
    case BlockQueues::kOneLink:
      return one_link_time(chunk, r, gradient);
    case BlockQueues::kSerial:
      return r * (2.0 * chunk.all_to_all + chunk.gather + chunk.expert + chunk.scatter) + gradient;
  }
  return Seconds(0.0);
}

Seconds time_beside(const ChunkTimes& chunk, int degree, Seconds independent, BlockQueues queues) {
  const Seconds without = closed_form_time(chunk, degree, Seconds(0.0), queues);
  if (queues == BlockQueues::kSerial) return independent + without;
  return std::max(without, time_after(chunk, degree, independent, queues));
}

}  // namespace sextant
