#include "tools/experiment/experiment_plans.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "planner/layout_search.h"
#include "tools/plan_table.h"

namespace sextant {
namespace {

// What all plans of one name have in common.
struct Problem {
  const Network& network;
  std::int64_t batch;
  std::int64_t sequence;
  std::optional<std::int64_t> micro_batch;
};

std::string problem_name(const Problem& problem) {
  const std::string micro = problem.micro_batch ? fmt::format(" m{}", *problem.micro_batch) : "";
  return fmt::format("{} b{} s{}{}", problem.network.name, problem.batch, problem.sequence, micro);
}

std::string degree_text(std::optional<int> degree) {
  return degree ? fmt::format("{}", *degree) : "chosen";
}

std::string degrees_text(const DegreeChoice& choice) {
  if (!choice.forward && !choice.backward) return "chosen";
  return fmt::format("{}/{}", degree_text(choice.forward), degree_text(choice.backward));
}

// "fsmoe on dp4 | ep4, degrees 2/2"
std::string plan_text(const Plan& plan) {
  return fmt::format("{} on {}, degrees {}/{}", to_text(plan.schedule.policy), to_text(plan.step.layout.degrees()),
                     sextant::degrees_text(plan.schedule, Pass::kForward),
                     sextant::degrees_text(plan.schedule, Pass::kBackward));
}

std::string fixed_text(const SearchRequest& fixed) {
  std::string text;
  const auto add = [&](const char* name, std::optional<int> degree) {
    if (degree) text += fmt::format("{}{}{}", text.empty() ? "" : " ", name, *degree);
  };
  add("dp", fixed.dp);
  add("tp", fixed.tp);
  add("edp", fixed.edp);
  add("ep", fixed.ep);
  add("esp", fixed.esp);
  return text;
}

// One point of the product.
struct Point {
  std::string name;
  ParallelDegrees layout;
  Policy policy;
  DegreeChoice degrees;
};

class ExperimentPlanner {
 public:
  ExperimentPlanner(const Experiment& experiment, const Cluster& cluster, const Topology& topology,
                    const std::function<void(int)>& on_point)
      : experiment_(experiment), cluster_(cluster), topology_(topology), on_point_(on_point) {}

  ExperimentPlans run() {
    for (const Network& network : experiment_.networks) {
      for (const BatchSize& choice : experiment_.batches) {
        const std::int64_t batch = choice.on(topology_.num_ranks());
        for (const std::int64_t sequence : experiment_.sequences) {
          for (const auto& micro_batch : experiment_.micro_batches)
            plan_problem({network, batch, sequence, micro_batch});
        }
      }
    }
    return std::move(result_);
  }

 private:
  void plan_problem(const Problem& problem) {
    first_of_problem_ = result_.plans.size();
    for (const LayoutChoice& choice : experiment_.layouts) {
      for (const ParallelDegrees& layout : layouts(problem, choice)) plan_layout(problem, layout);
    }
  }

  void plan_layout(const Problem& problem, const ParallelDegrees& layout) {
    for (const Policy policy : experiment_.schedules) {
      for (const DegreeChoice& degrees : experiment_.degrees) {
        plan_point(problem, {problem_name(problem), layout, policy, degrees});
        on_point_(++points_);
      }
    }
  }

  std::vector<ParallelDegrees> layouts(const Problem& problem, const LayoutChoice& choice) {
    if (choice.kind == LayoutChoice::Kind::kBest) return best_layout(problem);
    std::vector<ParallelDegrees> found = enumerate_layouts(choice.fixed, topology_.num_ranks());
    if (found.empty()) {
      skip_all(problem, fixed_text(choice.fixed),
               fmt::format("no layout of {} ranks has these degrees", topology_.num_ranks()));
    }
    return found;
  }

  // That of the plan predicted fastest over the schedules; none where nothing is feasible.
  std::vector<ParallelDegrees> best_layout(const Problem& problem) {
    std::optional<Plan> best;
    std::string reason;
    for (const Policy policy : experiment_.schedules) {
      SearchRequest request = search_request(problem);
      request.policy = policy;
      PlanResult result = search_plans(request, cluster_);
      if (result.plans.empty()) {
        reason = infeasible_text(result);
      } else if (!best || result.plans.front().prediction.step_time < best->prediction.step_time) {
        best = std::move(result.plans.front());
      }
    }
    if (best) return {best->step.layout.degrees()};
    skip_all(problem, "best", reason);
    return {};
  }

  void plan_point(const Problem& problem, const Point& point) {
    SearchRequest request = search_request(problem);
    const ParallelDegrees& d = point.layout;
    request.dp = d.dp;
    request.tp = d.tp;
    request.edp = d.edp;
    request.ep = d.ep;
    request.esp = d.esp;
    request.policy = point.policy;
    request.forward_degree = point.degrees.forward;
    request.backward_degree = point.degrees.backward;
    PlanResult result = search_plans(request, cluster_);
    if (result.plans.empty()) return skip(point, infeasible_reason(problem, d, result));
    Plan& plan = result.plans.front();
    if (const Plan* same = same_plan(plan)) return skip(point, "the same plan as " + plan_text(*same));
    result_.plans.push_back({point.name, std::move(plan)});
  }

  static std::string infeasible_reason(const Problem& problem, const ParallelDegrees& layout,
                                       const PlanResult& result) {
    const std::int64_t share = problem.batch / layout.dp;
    if (problem.batch % layout.dp == 0 && problem.micro_batch && share % *problem.micro_batch != 0) {
      return fmt::format("micro-batch {} does not divide the {} samples of a replica", *problem.micro_batch, share);
    }
    return result.summary.rejected.front().reason;
  }

  // A plan of this problem that computes the same in the same order.
  const Plan* same_plan(const Plan& plan) const {
    for (std::size_t i = first_of_problem_; i < result_.plans.size(); ++i) {
      const Plan& other = result_.plans[i].plan;
      if (other.step.layout == plan.step.layout && other.step.micro_batch == plan.step.micro_batch &&
          other.schedule == plan.schedule) {
        return &other;
      }
    }
    return nullptr;
  }

  SearchRequest search_request(const Problem& problem) const {
    SearchRequest request;
    request.network = problem.network;
    request.global_batch = problem.batch;
    request.sequence = problem.sequence;
    request.micro_batch = problem.micro_batch;
    request.topology = topology_;
    return request;
  }

  void skip(const Point& point, std::string reason) {
    result_.skipped.push_back(
        {point.name, to_text(point.policy), to_text(point.layout), degrees_text(point.degrees), std::move(reason)});
  }

  void skip_all(const Problem& problem, const std::string& layout, const std::string& reason) {
    result_.skipped.push_back({problem_name(problem), "all", layout, "all", reason});
  }

  const Experiment& experiment_;
  const Cluster& cluster_;
  Topology topology_;
  const std::function<void(int)>& on_point_;
  ExperimentPlans result_;
  std::size_t first_of_problem_ = 0;
  int points_ = 0;
};

}  // namespace

std::vector<std::int64_t> possible_micro_batches(const Experiment& experiment, int num_ranks) {
  std::set<std::int64_t> sizes;
  for (const std::optional<std::int64_t>& listed : experiment.micro_batches) {
    if (listed) sizes.insert(*listed);
    for (const BatchSize& choice : experiment.batches) {
      const std::int64_t batch = choice.on(num_ranks);
      for (std::int64_t size = 1; !listed && size <= batch; ++size) {
        if (batch % size == 0) sizes.insert(size);
      }
    }
  }
  return {sizes.begin(), sizes.end()};
}

ExperimentPlans plan_experiment(const Experiment& experiment, const Cluster& cluster, const Topology& topology,
                                const std::function<void(int)>& on_point) {
  return ExperimentPlanner(experiment, cluster, topology, on_point).run();
}

}  // namespace sextant
