// Output as nccl-tests 2.17 prints it, of collectives whose times follow a line.
#pragma once

#include <string>

#include <fmt/format.h>

namespace sextant {

struct NcclSample {
  const char* test = "all_reduce";
  int hosts = 1;
  int ranks_per_host = 4;
  double alpha_us = 20.0;
  double us_per_mib = 10.0;
  int groups = 1;  // ranks modulo groups share one
};

inline double sample_us(const NcclSample& sample, double mib) {
  return sample.alpha_us + sample.us_per_mib * mib;
}

inline double sample_factor(const NcclSample& sample) {
  const double ranks = sample.hosts * sample.ranks_per_host / sample.groups;
  return (ranks - 1.0) / ranks * (std::string(sample.test) == "all_reduce" ? 2.0 : 1.0);
}

inline std::string sample_ranks(const NcclSample& sample) {
  std::string text;
  for (int rank = 0; rank < sample.hosts * sample.ranks_per_host; ++rank) {
    text +=
        fmt::format("#  Rank {:2} Group {:2} Pid {:6} on {:>10} device {:2} [0000:{:02x}:00] NVIDIA H100 80GB HBM3\n",
                    rank, rank % sample.groups, 4000 + rank, fmt::format("node{}", rank / sample.ranks_per_host),
                    rank % sample.ranks_per_host, rank + 7);
  }
  return text;
}

// Sizes of 1, 4, 16 and 64 MiB; in place everything takes twice as long.
inline std::string sample_rows(const NcclSample& sample) {
  std::string text;
  constexpr double kMib = 1024.0 * 1024.0;
  for (const double mib : {1.0, 4.0, 16.0, 64.0}) {
    text += fmt::format("{:12}  {:12}  {:>8}  {:>6}  {:>6}", static_cast<long>(mib * kMib),
                        static_cast<long>(mib * kMib / 4), "float", "sum", -1);
    for (const double us : {sample_us(sample, mib), 2.0 * sample_us(sample, mib)}) {
      const double algbw = mib * kMib / us / 1e3;
      text += fmt::format("  {:7.2f}  {:6.2f}  {:6.2f}  {:>6}", us, algbw, algbw * sample_factor(sample), 0);
    }
    text += "\n";
  }
  return text;
}

inline std::string sample_text(const NcclSample& sample) {
  return fmt::format(
             "# nccl-tests version 2.17.1 nccl-headers=22703 nccl-library=22703\n"
             "# Collective test starting: {}_perf\n"
             "# nThread 1 nGpus 1 minBytes 1048576 maxBytes 67108864 step: 4(factor) warmup iters: 1 iters: 20 agg "
             "iters: 1 validation: 1 graph: 0 unalign: 0\n#\n# Using devices\n",
             sample.test) +
         sample_ranks(sample) +
         "#\n"
         "#                                                              out-of-place                       in-place\n"
         "#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   "
         "busbw "
         " #wrong \n"
         "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  "
         "(GB/s)         \n" +
         sample_rows(sample) + "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 60.1 \n#\n" +
         fmt::format("# Collective test concluded: {}_perf\n", sample.test);
}

// The same as -J writes it, of one process that drives all ranks.
inline std::string sample_json(const NcclSample& sample, const std::string& per_iteration = "") {
  std::string rows;
  constexpr double kMib = 1024.0 * 1024.0;
  for (const double mib : {1.0, 4.0, 16.0, 64.0}) {
    const double us = sample_us(sample, mib), algbw = mib * kMib / us / 1e3;
    rows += fmt::format(
        R"({}{{"size":{},"count":{},"type":"float","redop":"sum","root":"    -1","out_of_place":{{"time":{:f},"alg_bw":{:f},)"
        R"("bus_bw":{:f},"nwrong":0.000000}}{},"in_place":null,"actual_iterations":20,"experiment_name":""}})",
        rows.empty() ? "" : ",", static_cast<long>(mib * kMib), static_cast<long>(mib * kMib / 4), us, algbw,
        algbw * sample_factor(sample), per_iteration);
  }
  return fmt::format(
      R"({{"version":3,"start_time":"2026-07-09 16:03:21","args":[".\/build\/{}_perf","-J","out"],"env":["A=b c: d"],)"
      R"("nccl_version":22703,"config":{{"nthreads":1,"ngpus":{},"iterations":20,"aggregated_iterations":1,"devices":)"
      R"([{{"rank":0,"group":0,"pid":1,"hostname":"node0","device":0,"device_hex":"0000:07:00","device_info":)"
      R"("NVIDIA H100 80GB HBM3"}}]}},"results":[{}],"out_of_bounds":{{"count":0,"okay":"true"}}}})",
      sample.test, sample.ranks_per_host, rows);
}

}  // namespace sextant
