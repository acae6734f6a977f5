#include "tools/refit_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

double error_of(Seconds predicted, Seconds measured) {
  return predicted / measured - 1.0;
}

std::string percent(double fraction) {
  return fmt::format("{:+.1f} %", 100.0 * fraction);
}

// Of what the step was predicted too short or too long; 0 where it was predicted right.
double share_of(const RefitTerm& term, const Refit& refit) {
  const Seconds gap = refit.measured - refit.before;
  return gap == Seconds(0.0) ? 0.0 : term.effect / gap;
}

std::string number_text(const RefitTerm& term, double value) {
  return term.unit == RefitTerm::Unit::kSeconds ? to_text(Seconds(value)) : fmt::format("{:.3g}", value);
}

std::string row(const RefitTerm& term, const Refit& refit) {
  const std::string error = term.measured > Seconds(0.0) ? percent(error_of(term.predicted, term.measured)) : "-";
  std::string text = fmt::format("{:<40} {:>10} {:>10} {:>10} {:>7}", term.name, to_text(term.predicted),
                                 to_text(term.measured), error, term.samples);
  if (!term.is_off) return text + "  as it was\n";
  return text + fmt::format(" {:>9}  {} -> {}\n", percent(share_of(term, refit)), number_text(term, term.old_value),
                            number_text(term, term.new_value));
}

std::string most_wrong_text(const Refit& refit) {
  const std::optional<RefitTerm> term = refit.most_wrong();
  if (!term) return "nothing was wrong beyond its noise: the cluster stays as it was\n";
  const char* which = term->effect > Seconds(0.0) ? "longer" : "shorter";
  const Seconds change = term->effect > Seconds(0.0) ? term->effect : -term->effect;
  return fmt::format("most wrong: {}; with it right the predicted step is {} {}\n", term->name, to_text(change), which);
}

std::string step_text(const char* when, Seconds predicted, const Refit& refit) {
  return fmt::format("{:<22}{:>12}   error {}\n", when, to_text(predicted),
                     percent(error_of(predicted, refit.measured)));
}

Json term_json(const RefitTerm& term, const Refit& refit) {
  Json json{{"name", term.name},
            {"predicted_s", term.predicted.value()},
            {"measured_s", term.measured.value()},
            {"samples", term.samples},
            {"off", term.is_off}};
  if (!term.is_off) return json;
  json["effect_s"] = term.effect.value();
  json["share"] = share_of(term, refit);
  json["unit"] = term.unit == RefitTerm::Unit::kSeconds ? "s" : "factor";
  json["old"] = term.old_value;
  json["new"] = term.new_value;
  return json;
}

}  // namespace

std::string refit_table(const Refit& refit) {
  std::string text = fmt::format("{:<40} {:>10} {:>10} {:>10} {:>7} {:>9}  {}\n", "", "predicted", "measured", "error",
                                 "samples", "explains", "old -> new");
  for (const RefitTerm& term : refit.terms) text += row(term, refit);
  text += "\n" + most_wrong_text(refit);
  text += fmt::format("{:<22}{:>12}   a step, the mean of all; the traced one took {}\n", "measured",
                      to_text(refit.measured), to_text(refit.traced));
  return text + step_text("predicted before", refit.before, refit) + step_text("predicted now", refit.after, refit);
}

std::string refit_json(const Refit& refit, const std::string& cluster_file) {
  Json json{{"cluster_file", cluster_file.empty() ? Json() : Json(cluster_file)},
            {"step_time_s", refit.measured.value()},
            {"traced_step_time_s", refit.traced.value()},
            {"predicted_before_s", refit.before.value()},
            {"predicted_after_s", refit.after.value()},
            {"error_before", error_of(refit.before, refit.measured)},
            {"error_after", error_of(refit.after, refit.measured)}};
  const std::optional<RefitTerm> wrong = refit.most_wrong();
  json["most_wrong"] = wrong ? Json(wrong->name) : Json();
  json["terms"] = Json::array();
  for (const RefitTerm& term : refit.terms) json["terms"].push_back(term_json(term, refit));
  return json.dump(2) + "\n";
}

}  // namespace sextant
