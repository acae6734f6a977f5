// Builds the task graph of a training step. Tasks are emitted in one order for every policy; a queue's
// issue order is that order restricted to the queue. So policies differ only in the map from links to
// queues, the degrees and the slots of the gradient slices (schedule.h).
//
// The dependencies alone make every order of the queues a right one: they hold what data a task needs, whose
// memory it takes over and which sums it continues. A searched schedule brings an order of its own.
#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "models/error.h"
#include "planner/schedule.h"

namespace sextant {
namespace {

// The latest tasks that continue a layer's sums of gradients.
struct LayerSums {
  TaskId unroute = kNoTask;  // its first micro-batch clears them
  TaskId experts = kNoTask;
  TaskId attention = kNoTask;
};

// What a chunk's five tasks move or compute; forward and backward have the same sequence (spec 2.2).
struct ChunkContext {
  Phase phase;
  int layer;
  int micro_batch;
  int num_chunks;
};

class StepGraphBuilder {
 public:
  StepGraphBuilder(const StepShape& step, const Schedule& schedule) : step_(step), schedule_(schedule) {
    check_schedule();
    for (int kind = 0; kind < kNumGroupKinds; ++kind) {
      any_inter_ = any_inter_ || step.layout.group_shape(GroupKind(kind)).uses_inter();
    }
    for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
      auto& ends = unit_ends_[static_cast<std::size_t>(group)];
      std::int64_t end = 0;
      for (int unit = 0; unit < num_gradient_units(step); ++unit) {
        end += gradient_elements(step, group, unit);
        ends.push_back(end);
      }
      gradient_ready_[static_cast<std::size_t>(group)].assign(ends.size(), kNoTask);
    }
    sums_.resize(static_cast<std::size_t>(step.network.layers));
    activations_free_.resize(static_cast<std::size_t>(schedule.overlap.micro_batches_in_flight));
  }

  TaskGraph build() {
    for (int micro_batch = 0; micro_batch < step_.num_micro_batches; ++micro_batch) {
      forward(micro_batch);
      backward(micro_batch);
      activations_free_[slot_of(micro_batch)] = last_uses();
    }
    reduce_gradients({GradientSlot::Kind::kTail, 0});
    update();
    return std::move(graph_);
  }

 private:
  using Ids = std::vector<TaskId>;

  void check_schedule() const {
    const auto layers = static_cast<std::size_t>(step_.network.layers);
    SEXTANT_CHECK(schedule_.degrees.size() == layers, "{} degrees for {} layers", schedule_.degrees.size(), layers);
    SEXTANT_CHECK(schedule_.overlap.micro_batches_in_flight >= 1, "{} micro-batches in flight",
                  schedule_.overlap.micro_batches_in_flight);
    for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
      std::int64_t volume = 0;
      for (int unit = 0; unit < num_gradient_units(step_); ++unit) volume += gradient_elements(step_, group, unit);
      if (step_.layout.group_size(group) == 1) volume = 0;
      std::int64_t covered = 0;
      for (const GradientSlice& slice : schedule_.gradients) {
        if (slice.group != group) continue;
        SEXTANT_CHECK(slice.begin == covered && slice.end > slice.begin, "{} slice [{}, {}) after {}", to_text(group),
                      slice.begin, slice.end, covered);
        covered = slice.end;
      }
      SEXTANT_CHECK(covered == volume, "slices cover {} of {} {} elements", covered, volume, to_text(group));
    }
  }

  // ---- emission ----

  TaskId emit(Task task, Ids dependencies) {
    std::erase(dependencies, kNoTask);
    task.dependencies = std::move(dependencies);
    const auto id = static_cast<TaskId>(graph_.tasks.size());
    graph_.order[static_cast<std::size_t>(task.queue)].push_back(id);
    if (task.second_queue) graph_.order[static_cast<std::size_t>(*task.second_queue)].push_back(id);
    graph_.tasks.push_back(std::move(task));
    return id;
  }

  TaskId emit_kernel(Task task, KernelWork work, Ids dependencies) {
    task.work = work;
    task.uses = {Resource::kCompute};
    task.queue = Resource::kCompute;
    return emit(std::move(task), std::move(dependencies));
  }

  // A collective on a group of one rank does nothing: its only dependency stands for it.
  TaskId emit_collective(Task task, GroupKind group, const CollectiveWork& work, TaskId dependency) {
    if (step_.layout.group_size(group) == 1) return dependency;
    task.work = work;
    task.group = group;
    assign_queues(task, work.group);
    return emit(std::move(task), {dependency});
  }

  void assign_queues(Task& task, const GroupShape& shape) const {
    if (shape.uses_inter()) task.uses.push_back(Resource::kInter);
    if (shape.uses_intra()) task.uses.push_back(Resource::kIntra);
    if (schedule_.policy == Policy::kSequential) {
      task.queue = Resource::kCompute;
    } else if (!has_link_queues(schedule_.policy)) {
      task.queue = any_inter_ ? Resource::kInter : Resource::kIntra;
    } else {
      task.queue = task.uses.front();
      if (task.uses.size() > 1) task.second_queue = task.uses.back();
    }
  }

  // ---- forward ----

  std::size_t slot_of(int micro_batch) const {
    return static_cast<std::size_t>(micro_batch % schedule_.overlap.micro_batches_in_flight);
  }

  // The first micro-batch clears the sums of the step, so the embeddings come one after the other.
  void forward(int micro_batch) {
    Ids before = std::exchange(activations_free_[slot_of(micro_batch)], {});
    before.push_back(embedded_);
    TaskId x = emit_kernel({.kind = TaskKind::kEmbedding, .layer = -1, .micro_batch = micro_batch},
                           embedding_work(step_, Pass::kForward), before);
    embedded_ = x;
    for (int layer = 0; layer < step_.network.layers; ++layer) x = forward_layer(layer, micro_batch, x);
    balance_ = reduce_balance(micro_batch, x);
    head_ = emit_kernel({.kind = TaskKind::kHead, .layer = -1, .micro_batch = micro_batch},
                        head_work(step_, Pass::kForward), {x});
  }

  TaskId forward_layer(int layer, int micro_batch, TaskId x) {
    const Task base{.phase = Phase::kForward, .layer = layer, .micro_batch = micro_batch};
    const TaskId attended = attention(base, x, Pass::kForward, {});
    const TaskId routed =
        emit_kernel(with_kind(base, TaskKind::kRoute), route_work(step_, Pass::kForward), {attended, x});
    const Ids combined = moe_chunks({Phase::kForward, layer, micro_batch, degrees(layer).forward}, routed, {});
    return emit_kernel(with_kind(base, TaskKind::kUnroute), unroute_work(step_, Pass::kForward), combined);
  }

  TaskId reduce_balance(int micro_batch, TaskId last_unroute) {
    if (step_.network.aux_loss_coefficient == 0.0) return kNoTask;
    const double bytes = 2.0 * step_.network.layers * step_.network.num_experts * step_.element_bytes;
    const CollectiveWork work{Collective::kAllReduce, step_.layout.group_shape(GroupKind::kStage), Bytes(bytes)};
    return emit_collective({.kind = TaskKind::kBalanceReduce, .layer = -1, .micro_batch = micro_batch},
                           GroupKind::kStage, work, last_unroute);
  }

  // ---- shared by both phases ----

  static Task with_kind(Task task, TaskKind kind) {
    task.kind = kind;
    return task;
  }

  const LayerDegrees& degrees(int layer) const { return schedule_.degrees[static_cast<std::size_t>(layer)]; }

  // All-gather, attention, reduce-scatter; the slices of `slot` are issued behind the all-gather so that
  // they run beside the attention even where one queue carries both.
  TaskId attention(const Task& base, TaskId input, Pass pass, std::optional<GradientSlot> slot) {
    const TaskId gathered = emit_collective(with_kind(base, TaskKind::kAttentionGather), GroupKind::kTp,
                                            attention_gather_work(step_), input);
    if (slot) reduce_gradients(*slot);
    TaskId& summed = sums(base.layer).attention;
    last_attention_ = emit_kernel(with_kind(base, TaskKind::kAttention), attention_work(step_, pass),
                                  {gathered, input, pass == Pass::kForward ? kNoTask : summed});
    if (pass == Pass::kBackward) summed = last_attention_;
    return emit_collective(with_kind(base, TaskKind::kAttentionScatter), GroupKind::kTp, attention_scatter_work(step_),
                           last_attention_);
  }

  // D_i, A_i for all chunks; the slices; E_i; then S_i, C_i. Returns the last task of every chunk.
  Ids moe_chunks(const ChunkContext& context, TaskId input, std::optional<GradientSlot> slot) {
    const auto chunk = [&](TaskKind kind, int index) { return chunk_task(context, kind, index); };
    const auto rows = [&](int index) { return chunk_range(step_.capacity(), index, context.num_chunks).rows(); };
    const int count = context.num_chunks;
    Ids last(static_cast<std::size_t>(count), input);
    for (int i = 0; i < count; ++i) {
      last[i] = emit_collective(chunk(TaskKind::kDispatch, i), GroupKind::kEp, dispatch_work(step_, rows(i)), last[i]);
      last[i] = emit_collective(chunk(TaskKind::kExpertGather, i), GroupKind::kEsp, expert_gather_work(step_, rows(i)),
                                last[i]);
    }
    if (slot) reduce_gradients(*slot);
    emit_experts(context, last);
    for (int i = 0; i < count; ++i) {
      last[i] = emit_collective(chunk(TaskKind::kExpertScatter, i), GroupKind::kEsp,
                                expert_scatter_work(step_, rows(i)), last[i]);
      last[i] = emit_collective(chunk(TaskKind::kCombine, i), GroupKind::kEp, combine_work(step_, rows(i)), last[i]);
    }
    return last;
  }

  static Task chunk_task(const ChunkContext& context, TaskKind kind, int index) {
    return {.kind = kind,
            .phase = context.phase,
            .layer = context.layer,
            .micro_batch = context.micro_batch,
            .chunk = index,
            .num_chunks = context.num_chunks};
  }

  // The experts of every chunk behind `last`, which becomes theirs.
  void emit_experts(const ChunkContext& context, Ids& last) {
    const bool splits = schedule_.overlap.split_expert_backward;
    if (context.phase == Phase::kForward) {
      emit_expert_pass(context, {TaskKind::kExpert, Pass::kForward}, last, nullptr);
    } else if (!splits) {
      emit_expert_pass(context, {TaskKind::kExpert, Pass::kBackward}, last, &sums(context.layer).experts);
    } else {
      emit_expert_pass(context, {TaskKind::kExpert, Pass::kInputGradient}, last, nullptr);
      Ids outputs = last;
      emit_expert_pass(context, {TaskKind::kExpertWeightGradient, Pass::kWeightGradient}, outputs,
                       &sums(context.layer).experts);
    }
    last_expert_ = sums(context.layer).experts;
  }

  // One task a chunk, each behind its entry of `last`. Where `sum` is given, the tasks continue a sum and
  // come one after the other. Input gradients take over the stash of a layer above.
  void emit_expert_pass(const ChunkContext& context, const std::pair<TaskKind, Pass>& which, Ids& last, TaskId* sum) {
    const int stashed = context.layer + kStashedLayers;
    const bool stashes = which.second == Pass::kInputGradient && stashed < step_.network.layers;
    for (int i = 0; i < context.num_chunks; ++i) {
      const std::int64_t rows = chunk_range(step_.capacity(), i, context.num_chunks).rows();
      Ids dependencies{last[i], sum != nullptr ? *sum : kNoTask, stashes ? sums(stashed).experts : kNoTask};
      last[i] = emit_kernel(chunk_task(context, which.first, i), expert_work(step_, which.second, rows), dependencies);
      if (sum != nullptr) *sum = last[i];
    }
  }

  // ---- backward ----

  LayerSums& sums(int layer) { return sums_[static_cast<std::size_t>(layer)]; }

  // After these nothing reads the activations of the micro-batch emitted last.
  Ids last_uses() const {
    Ids uses{backward_end_};
    for (const LayerSums& layer : sums_) uses.push_back(layer.experts);
    return uses;
  }

  bool reduces(int micro_batch) const { return micro_batch == step_.num_micro_batches - 1; }

  void backward(int micro_batch) {
    const int layers = step_.network.layers;
    TaskId dx =
        emit_kernel({.kind = TaskKind::kHead, .phase = Phase::kBackward, .layer = -1, .micro_batch = micro_batch},
                    head_work(step_, Pass::kBackward), {head_, backward_head_});
    backward_head_ = dx;
    if (reduces(micro_batch)) {
      dense_ready(0, dx);
      experts_ready(0, dx);
      reduce_gradients({GradientSlot::Kind::kAfterLayer, layers});
    }
    for (int layer = layers - 1; layer >= 0; --layer) dx = backward_layer(layer, micro_batch, dx);
    const TaskId embedded =
        emit_kernel({.kind = TaskKind::kEmbedding, .phase = Phase::kBackward, .layer = -1, .micro_batch = micro_batch},
                    embedding_work(step_, Pass::kBackward), after_barrier({dx, backward_end_}));
    if (reduces(micro_batch)) {
      dense_ready(layers + 1, embedded);
      experts_ready(layers + 1, embedded);
    }
    backward_end_ = embedded;
  }

  TaskId backward_layer(int layer, int micro_batch, TaskId dy) {
    const bool last = reduces(micro_batch);
    const auto slot = [&](GradientSlot::Kind kind) {
      return last ? std::optional<GradientSlot>({kind, layer}) : std::nullopt;
    };
    const Task base{.phase = Phase::kBackward, .layer = layer, .micro_batch = micro_batch};
    const TaskId unrouted = emit_kernel(with_kind(base, TaskKind::kUnroute), unroute_work(step_, Pass::kBackward),
                                        after_barrier({dy, sums(layer).unroute}));
    sums(layer).unroute = unrouted;
    Ids combined = moe_chunks({Phase::kBackward, layer, micro_batch, degrees(layer).backward}, unrouted,
                              slot(GradientSlot::Kind::kMoe));
    combined.push_back(balance_);
    const TaskId routed = emit_kernel(with_kind(base, TaskKind::kRoute), route_work(step_, Pass::kBackward), combined);
    const int unit = step_.network.layers - layer;
    if (last) experts_ready(unit, last_expert_);  // before the dense slot, which may carry them
    const TaskId dx = attention(base, routed, Pass::kBackward, slot(GradientSlot::Kind::kDense));
    if (last) {
      dense_ready(unit, last_attention_);
      reduce_gradients({GradientSlot::Kind::kAfterLayer, layer});
    }
    return dx;
  }

  // What must end before the next compute task besides its inputs: exposed gradient reductions.
  Ids after_barrier(Ids dependencies) {
    dependencies.insert(dependencies.end(), barrier_.begin(), barrier_.end());
    barrier_.clear();
    return dependencies;
  }

  // ---- gradients ----

  // The task after which a unit's gradients are final. REQUIRES: the last micro-batch; what earlier ones
  // leave is a part of the sum.
  void dense_ready(int unit, TaskId task) {
    gradient_ready_[static_cast<std::size_t>(GroupKind::kDp)][static_cast<std::size_t>(unit)] = task;
    gradient_ready_[static_cast<std::size_t>(GroupKind::kStage)][static_cast<std::size_t>(unit)] = task;
  }
  void experts_ready(int unit, TaskId task) {
    gradient_ready_[static_cast<std::size_t>(GroupKind::kEdp)][static_cast<std::size_t>(unit)] = task;
  }

  // Issues the slices of `slot`. Their place in the queue is here; they start when their gradients are
  // ready, so a slot may name gradients that a later task completes as long as nothing before waits.
  void reduce_gradients(const GradientSlot& slot) {
    for (const GradientSlice& slice : schedule_.gradients) {
      if (!(slice.slot == slot)) continue;
      const auto group = static_cast<std::size_t>(slice.group);
      const auto& ends = unit_ends_[group];
      const auto unit = std::lower_bound(ends.begin(), ends.end(), slice.end) - ends.begin();
      const TaskId ready = gradient_ready_[group][static_cast<std::size_t>(unit)];
      SEXTANT_CHECK(ready != kNoTask, "{} slice up to {} is issued before its gradient exists", to_text(slice.group),
                    slice.end);
      const Task task{.kind = TaskKind::kGradientReduce,
                      .phase = Phase::kBackward,
                      .layer = slot.layer,
                      .micro_batch = step_.num_micro_batches - 1,
                      .gradient_begin = slice.begin,
                      .gradient_end = slice.end};
      const TaskId id =
          emit_collective(task, slice.group, gradient_reduce_work(step_, slice.group, slice.end - slice.begin), ready);
      reductions_.push_back(id);
      if (slot.kind == GradientSlot::Kind::kAfterLayer) barrier_.push_back(id);
    }
  }

  void update() {
    Ids dependencies = reductions_;
    const Ids uses = last_uses();
    dependencies.insert(dependencies.end(), uses.begin(), uses.end());
    const Task base{.phase = Phase::kUpdate, .layer = -1};
    const TaskId norm = emit_kernel(with_kind(base, TaskKind::kGradientNorm), gradient_norm_work(step_), dependencies);
    const CollectiveWork work{Collective::kAllReduce, step_.layout.group_shape(GroupKind::kStage), Bytes(32.0)};
    const TaskId reduced = emit_collective(with_kind(base, TaskKind::kNormReduce), GroupKind::kStage, work, norm);
    emit_kernel(with_kind(base, TaskKind::kOptimizer), optimizer_work(step_), {reduced});
  }

  const StepShape& step_;
  const Schedule& schedule_;
  TaskGraph graph_;
  bool any_inter_ = false;
  std::array<std::vector<std::int64_t>, kNumGroupKinds> unit_ends_;  // [group][unit] end in the flat buffer
  std::array<std::vector<TaskId>, kNumGroupKinds> gradient_ready_;   // [group][unit]
  Ids reductions_;
  Ids barrier_;
  std::vector<LayerSums> sums_;        // [layer]
  std::vector<Ids> activations_free_;  // [slot] what must end before a micro-batch takes the slot
  TaskId embedded_ = kNoTask;
  TaskId head_ = kNoTask;
  TaskId backward_head_ = kNoTask;
  TaskId balance_ = kNoTask;
  TaskId last_attention_ = kNoTask;
  TaskId last_expert_ = kNoTask;
  TaskId backward_end_ = kNoTask;
};

}  // namespace

TaskGraph build_step_graph(const StepShape& step, const Schedule& schedule) {
  TaskGraph graph = StepGraphBuilder(step, schedule).build();
  if (schedule.order) graph.order = *schedule.order;
  check(graph);
  return graph;
}

}  // namespace sextant
