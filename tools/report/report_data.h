// The data of a report as JSON: what the scripts of the page (page.js, charts.js, timeline.js) draw.
//
// All times in seconds, sizes in bytes, rates per second; texts are for people. The scripts compute
// nothing that the models could: they lay out what stands here.
#pragma once

#include <span>

#include <nlohmann/json.hpp>

#include "tools/report/report_input.h"

namespace sextant {

// {date, items: [{name, kind, plan, texts, memory, run?, log?}], clusters: [{name, hash, collectives, kernels, ...}],
//  experiments: [{name, path, summary}]}
// Each cluster stands once, however many runs carry a copy.
[[nodiscard]] nlohmann::ordered_json report_data(const ReportInputs& inputs);

}  // namespace sextant
