// Rows of an experiment whose statistics are easy to compute by hand.
#pragma once

#include <string>
#include <vector>

#include "tools/experiment/experiment_rows.h"

namespace sextant {

struct ExampleTimes {
  double predicted_s = 1.0;
  double measured_s = 1.0;
  double uncontended_s = 1.0;
};

inline ExperimentRow example_row(const std::string& name, const std::string& schedule, const ExampleTimes& times) {
  const Seconds measured(times.measured_s);
  return {.name = name,
          .schedule = schedule,
          .layout = "dp4 tp1 | edp1 ep4 esp1",
          .forward_degree = "2",
          .backward_degree = "1..4",
          .micro_batch = 2,
          .num_micro_batches = 1,
          .predicted = Seconds(times.predicted_s),
          .predicted_low = Seconds(0.5 * times.predicted_s),
          .predicted_high = Seconds(2.0 * times.predicted_s),
          .uncontended = Seconds(times.uncontended_s),
          .lower_bound = Seconds(0.5 * times.predicted_s),
          .measured = {.mean = measured, .median = measured, .p10 = 0.5 * measured, .p90 = 2.0 * measured},
          .repeat_medians = {Seconds(1.0), Seconds(1.25)}};
}

// "b" is predicted in the right order, "a" in the wrong one.
inline std::vector<ExperimentRow> example_rows() {
  return {example_row("a", "tutel", {.predicted_s = 2.0, .measured_s = 4.0, .uncontended_s = 1.0}),
          example_row("a", "fsmoe", {.predicted_s = 2.5, .measured_s = 2.0, .uncontended_s = 0.5}),
          example_row("b", "tutel", {.predicted_s = 9.0, .measured_s = 9.0, .uncontended_s = 8.0}),
          example_row("b", "fsmoe", {.predicted_s = 3.0, .measured_s = 4.0, .uncontended_s = 4.0})};
}

}  // namespace sextant
