#include "tools/published/published_run.h"

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/step_estimate.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

const Catalogue& shipped() {
  static const Catalogue catalogue(SEXTANT_SOURCE_DIR "/configs");
  return catalogue;
}

using Cells = std::map<std::string, std::string, std::less<>>;

// Mixtral 8x22B on 128 H100 with the given cells changed.
CsvRow row(const Cells& changes) {
  CsvRow row{7,
             {{"source", "a paper"},
              {"model", "Mixtral-8x22B"},
              {"gpu", "H100"},
              {"n_gpus", "128"},
              {"gbs", "256"},
              {"seq", "4096"},
              {"tp", "2"},
              {"pp", "8"},
              {"precision", "BF16"},
              {"tokens_per_s_per_gpu", "1000"}}};
  for (const auto& [column, text] : changes) row.cells[column] = text;
  return row;
}

PublishedRun run(const Cells& changes) {
  return std::get<PublishedRun>(read_run(row(changes), shipped()));
}
std::string reason(const Cells& changes) {
  return std::get<SkippedRun>(read_run(row(changes), shipped())).reason;
}

TEST(ReadRun, WhatIsLeftOpenFollowsFromTheRest) {
  const PublishedRun r = run({});
  EXPECT_EQ(r.line, 7);
  EXPECT_EQ(r.setup.degrees, (ParallelDegrees{.pp = 8, .dp = 8, .cp = 1, .tp = 2, .edp = 8, .ep = 1, .esp = 2}));
  EXPECT_EQ(r.setup.num_micro_batches, 256 / 8);
  EXPECT_EQ(r.setup.virtual_stages, 3);  // 56 layers / 8 stages / 2
  EXPECT_EQ(r.setup.zero_stage, 1);
  EXPECT_FALSE(r.setup.folded);
  // 256 x 4096 tokens at 1000 tokens/s on each of 128 devices.
  EXPECT_DOUBLE_EQ(r.step_time.value(), 256.0 * 4096 / 1000 / 128);
}

TEST(ReadRun, ExpertsAreFoldedWhereTheRowSaysHowTheyAreCut) {
  const PublishedRun stated = run({{"ep", "8"}, {"etp", "1"}});
  EXPECT_TRUE(stated.setup.folded);
  EXPECT_EQ(stated.setup.degrees.esp, 1);
  EXPECT_EQ(stated.setup.degrees.edp, 128 / 8 / 8);
  EXPECT_TRUE(run({{"ep", "8"}, {"notes", "MCore w/ Folding"}}).setup.folded);
}

TEST(ReadRun, AutoModelKeepsStatesInSixteenBits) {
  EXPECT_EQ(run({{"source", "NVIDIA NeMo AutoModel perf summary"}}).memory.optimizer_bytes, 4.0);
  EXPECT_EQ(run({{"source", "NVIDIA NeMo AutoModel perf summary"}}).memory.gradient_bytes, 2.0);
  EXPECT_EQ(run({}).memory.optimizer_bytes, 12.0);
}

TEST(ReadRun, TheNoteNamesMethods) {
  EXPECT_EQ(run({{"notes", "FSDP + EP"}}).setup.zero_stage, 3);
  EXPECT_EQ(run({{"notes", "FSDP SHARD_GRAD_OP"}}).setup.zero_stage, 2);
  EXPECT_EQ(run({{"notes", "full activation checkpointing"}}).setup.recompute, Recompute::kFull);
  EXPECT_EQ(run({{"notes", "selective AC"}}).setup.recompute, Recompute::kSelective);
  EXPECT_EQ(run({{"notes", "25.11 NeMo Container"}}).setup.dispatch, Dispatch::kDeduplicated);
  EXPECT_EQ(run({{"notes", "24.07 NeMo Container"}}).setup.dispatch, Dispatch::kFlat);
  EXPECT_TRUE(run({{"notes", "OOM"}}).out_of_memory);
  const PublishedRun of_allocator = run({{"notes", "peak alloc 66.5 GiB"}});
  EXPECT_EQ(of_allocator.peak_memory->bytes, parse_bytes("66.5 GiB"));
  EXPECT_TRUE(of_allocator.peak_memory->is_allocated);
  EXPECT_FALSE(run({{"notes", "peak memory 66.5 GiB (measured)"}}).peak_memory->is_allocated);
  // 800 Gbit/s of a node of 8.
  EXPECT_DOUBLE_EQ(run({{"notes", "800 Gb/s inter-node"}}).cluster.reference->inter.bandwidth.value(), 12.5e9);
}

TEST(ReadRun, DispatchRunsBesideAnotherMicroBatchWhereTheNoteOrTheRecipeSaysSo) {
  // 56 layers on 8 stages have three virtual ones.
  EXPECT_EQ(run({{"ep", "8"}, {"notes", "25.11 NeMo Container"}}).setup.overlap, Overlap::kMicroBatches);
  EXPECT_EQ(run({{"ep", "8"}, {"notes", "25.11 NeMo Container"}, {"vp", "1"}}).setup.overlap, Overlap::kNone);
  EXPECT_EQ(run({{"ep", "8"}}).setup.overlap, Overlap::kNone);
  EXPECT_EQ(run({{"ep", "8"}, {"notes", "1F1B with A2A overlap"}}).setup.overlap, Overlap::kMicroBatches);
  EXPECT_EQ(run({{"ep", "8"}, {"notes", "1F1B with A2A overlap"}, {"vp", "1"}}).setup.overlap, Overlap::kNone);
}

TEST(ReadRun, NvidiasRecipesOverlapTensorParallelismOfDenseNetworks) {
  const Cells dense = {{"model", "Llama-3-70B"}, {"notes", "26.02 NeMo Container"}};
  EXPECT_TRUE(run(dense).setup.overlaps_tensor_parallel);
  EXPECT_FALSE(run({{"model", "Llama-3-70B"}}).setup.overlaps_tensor_parallel);
  EXPECT_FALSE(run({{"notes", "26.02 NeMo Container"}}).setup.overlaps_tensor_parallel);
}

TEST(ReadRun, StagesThatDoNotDivideTheLayersAreTheFastest) {
  EXPECT_TRUE(run({}).setup.stage_layers.empty());  // 56 layers on 8
  const PublishedRun uneven = run({{"pp", "16"}});
  EXPECT_EQ(stage_layers(*uneven.network, uneven.setup).size(), 16U);
  EXPECT_LE(stage_layers(*uneven.network, uneven.setup).back(), 3);  // of 3.5, with the head
  EXPECT_THAT(reason({{"pp", "64"}, {"tp", "1"}}), HasSubstr("pp 64 of 56 layers"));
}

TEST(ReadRun, FrameworksOf16BitFloatsHaveNeitherFusedAttentionNorSequenceParallelism) {
  const PublishedRun old = run({{"precision", "FP16"}});
  EXPECT_FALSE(old.setup.fused_attention);
  EXPECT_FALSE(old.setup.sequence_parallel);
  EXPECT_EQ(old.setup.virtual_stages, 1);
  EXPECT_TRUE(run({{"precision", "FP16"}, {"notes", "sequence parallel"}}).setup.sequence_parallel);
}

TEST(ReadRun, SpeedMayBeGivenAsRateOfProducts) {
  const Cells none = {{"tokens_per_s_per_gpu", ""}};
  Cells tera = none, percent = none, counted = none;
  tera["tflops_per_gpu"] = "494.7";
  percent["mfu"] = "50";
  counted["tflops_per_gpu"] = "494.7";
  counted["notes"] = "incl. recompute FLOPs";
  const Network& network = *shipped().network("Mixtral-8x22B");
  const double flops = model_flops_per_token(network, 4096).value() * 256 * 4096 / 128;
  EXPECT_NEAR(run(tera).step_time.value(), flops / 494.7e12, 1e-9);
  EXPECT_NEAR(run(percent).step_time.value(), flops / 494.7e12, 1e-9);  // half of 989.4
  EXPECT_NEAR(run(counted).step_time.value(), flops * 4 / 3 / 494.7e12, 1e-9);
}

TEST(ReadRun, WhatCannotBeScoredSaysWhy) {
  EXPECT_THAT(reason({{"model", "Foo"}}), HasSubstr("network 'Foo' is unknown"));
  EXPECT_THAT(reason({{"gpu", "TPU"}}), HasSubstr("device 'TPU' is unknown"));
  EXPECT_THAT(reason({{"seq", ""}}), HasSubstr("no seq"));
  EXPECT_THAT(reason({{"tp", ""}, {"pp", ""}}), HasSubstr("no layout"));
  EXPECT_THAT(reason({{"tp", "3"}}), HasSubstr("does not divide 128 devices"));
  EXPECT_THAT(reason({{"gbs", "12"}}), HasSubstr("batch 12 is no multiple of dp 8 x micro-batch 1"));
  EXPECT_THAT(reason({{"mbs", "1.5"}}), HasSubstr("mbs is 1.5"));
  EXPECT_THAT(reason({{"mbs", "x"}}), HasSubstr("'x' is no number"));
  EXPECT_THAT(reason({{"tokens_per_s_per_gpu", ""}}), HasSubstr("no measured speed"));
  EXPECT_THAT(reason({{"precision", "NVFP4"}}), HasSubstr("NVFP4"));
}

TEST(ReadRun, NumbersThatNoRunHasAreSkippedWithTheReason) {
  EXPECT_THAT(reason({{"n_gpus", "nan"}}), HasSubstr("'nan' is no number"));
  EXPECT_THAT(reason({{"gbs", "inf"}}), HasSubstr("'inf' is no number"));
  EXPECT_THAT(reason({{"tokens_per_s_per_gpu", "-5"}}), HasSubstr("tokens_per_s_per_gpu is -5"));
  EXPECT_THAT(reason({{"tokens_per_s_per_gpu", ""}, {"tflops_per_gpu", "0"}}), HasSubstr("tflops_per_gpu is 0"));
  // 10^27 ranks would not fit into 64 bits.
  EXPECT_THAT(reason({{"tp", "1e9"}, {"cp", "1e9"}, {"pp", "1e9"}}), HasSubstr("does not divide"));
  EXPECT_THAT(reason({{"ep", "1e9"}, {"etp", "16"}}), HasSubstr("exceeds 128 devices"));
  EXPECT_EQ(reason({{"model", "a\nb"}}), "network 'a?b' is unknown");
}

TEST(ReadRun, NumbersOfANoteMayBeAnything) {
  EXPECT_FALSE(run({{"notes", "peak memory . GiB"}}).peak_memory);
  EXPECT_FALSE(run({{"notes", "peak memory " + std::string(400, '9') + " GiB"}}).peak_memory);
  EXPECT_EQ(run({{"notes", "16 GiB of host, peak memory 71 GiB"}}).peak_memory->bytes, parse_bytes("71 GiB"));
  const auto inter = [](const std::string& note) { return run({{"notes", note}}).cluster.reference->inter.bandwidth; };
  EXPECT_EQ(inter("0 Gb/s inter-node"), inter(""));
  EXPECT_EQ(inter(std::string(1 << 20, '1') + " Gb/s inter-node"), inter(""));  // a regular expression ran out of stack
}

}  // namespace
}  // namespace sextant
