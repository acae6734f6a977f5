#include "planner/pipeline_degree.h"

#include "models/error.h"

namespace sextant {

DegreeChoice choose_degree(const std::function<ChunkTimes(int degree)>& chunk_times_at, int max_degree,
                           const BlockOptions& options, BlockQueues queues) {
  SEXTANT_CHECK(max_degree >= 1, "max_degree {}", max_degree);
  DegreeChoice choice;
  for (int degree = 1; degree <= max_degree; ++degree) {
    choice.times.push_back(block_time(chunk_times_at(degree), degree, options, queues));
    if (degree == 1 || choice.times.back() < choice.time) {
      choice.degree = degree;
      choice.time = choice.times.back();
    }
  }
  return choice;
}

}  // namespace sextant
