// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// handovers - how often a lock changes hands between CPUs that this machine need not have.
//
//     handovers [--quick]
//
// Runs the simulation of simulate.h for 1 to 256 CPUs, one, two and four threads on each, with as
// many shards as CPUs, half, a quarter, and one. Prints one JSON object; figures are counts per
// 1000 operations, not times. What they mean and how they are counted stands in watched.h.
// Exit status: 0; 1 when a count did not add up; 2 for a wrong call.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "bench/simulate/simulate.h"

namespace {

using handovers::Counts;
using handovers::Plan;
using handovers::Shape;
using handovers::Traffic;

constexpr const char *kAbout =
    "Simulation, not a measurement: the real caches of components/percpu, in lock mode, run by one "
    "thread on simulated CPUs; a handover is a lock taken by another CPU than the one that held it "
    "last. All figures are exact counts for this interleaving; they say nothing of time or of "
    "waiting.";
constexpr const char *kRseq =
    "Restartable sequences have no shard locks: both shard figures are 0 there; depot and source "
    "figures are those of the rows with shards equal to cpus.";

struct Grid {
    std::vector<unsigned> cpus;
    std::vector<unsigned> threads_per_cpu;
    std::vector<unsigned> cpus_per_shard; // 0: one shard in all
    uint64_t operations_min;
    uint64_t operations_per_thread;
};

const Grid kFull = {{1, 2, 4, 8, 16, 32, 64, 128, 256}, {1, 2, 4}, {1, 2, 4, 0}, 65536, 512};
const Grid kQuick = {{1, 4, 16, 64, 256}, {1, 2}, {1, 4, 0}, 32768, 256};

// Most shards first; 0 and whatever was listed before are left out.
std::vector<unsigned> ShardCounts(const Grid &grid, unsigned cpus)
{
    std::vector<unsigned> counts;
    for (unsigned divisor : grid.cpus_per_shard) {
        unsigned shards = divisor == 0 ? 1 : cpus / divisor;
        if (shards > 0 && std::find(counts.begin(), counts.end(), shards) == counts.end())
            counts.push_back(shards);
    }
    return counts;
}

double Per1000(uint64_t count, const Counts &counts)
{
    return 1000.0 * static_cast<double>(count) / static_cast<double>(counts.operations);
}

void PrintDepotByClass(const Counts &counts)
{
    const char *comma = "";
    printf("\"depot_handovers_per_1000_by_class\": [");
    for (const Traffic &traffic : counts.depot) {
        printf("%s%.3f", comma, Per1000(traffic.handovers, counts));
        comma = ", ";
    }
    printf("]");
}

void PrintRow(const Plan &plan, const Counts &counts)
{
    Traffic depot = counts.DepotSum();
    printf("{\"shape\": \"%s\", \"cpus\": %u, \"threads\": %u, \"shards\": %u, "
           "\"operations\": %llu, ",
           NameOf(plan.shape), plan.cpus, plan.threads, plan.shards,
           static_cast<unsigned long long>(counts.operations));
    printf("\"shard_acquisitions_per_1000\": %.3f, \"shard_handovers_per_1000\": %.3f, ",
           Per1000(counts.shards.acquisitions, counts), Per1000(counts.shards.handovers, counts));
    printf("\"depot_acquisitions_per_1000\": %.3f, \"depot_handovers_per_1000\": %.3f, ",
           Per1000(depot.acquisitions, counts), Per1000(depot.handovers, counts));
    PrintDepotByClass(counts);
    printf(", \"source_calls_per_1000\": %.3f, \"source_handovers_per_1000\": %.3f, ",
           Per1000(counts.source.acquisitions, counts), Per1000(counts.source.handovers, counts));
    printf("\"migrations_per_1000\": %.3f}", Per1000(counts.migrations, counts));
}

bool RunRow(const Plan &plan)
{
    static const char *comma = "\n  ";
    Counts counts = Simulate(plan);
    if (counts.blocks_lost != 0) {
        fprintf(stderr, "handovers: blocks were lost: %llu (%s on %u CPUs)\n",
                static_cast<unsigned long long>(counts.blocks_lost), NameOf(plan.shape), plan.cpus);
        return false;
    }
    printf("%s", comma);
    PrintRow(plan, counts);
    comma = ",\n  ";
    return true;
}

// A pipeline needs two threads, so on one CPU it begins with two.
std::vector<Plan> PlansOf(const Grid &grid)
{
    std::vector<Plan> plans;
    for (Shape shape : {Shape::kChurn, Shape::kPipeline, Shape::kExchange, Shape::kMigrate})
        for (unsigned cpus : grid.cpus)
            for (unsigned threads_per_cpu : grid.threads_per_cpu)
                for (unsigned shards : ShardCounts(grid, cpus)) {
                    Plan plan;
                    plan.shape = shape;
                    plan.cpus = cpus;
                    plan.threads = cpus * threads_per_cpu;
                    plan.shards = shards;
                    plan.operations =
                        std::max(grid.operations_min, grid.operations_per_thread * plan.threads);
                    plan.warm_up = plan.operations;
                    if (shape != Shape::kPipeline || plan.threads >= 2)
                        plans.push_back(plan);
                }
    return plans;
}

void PrintHead()
{
    const Plan plan;
    const char *comma = "";
    printf("{\"simulation\": true,\n \"about\": \"%s\",\n \"rseq\": \"%s\",\n", kAbout, kRseq);
    printf(" \"mode\": \"lock\", \"seed\": %llu, \"slice_operations\": %u, "
           "\"blocks_per_thread\": %u, \"class_bytes\": [",
           static_cast<unsigned long long>(plan.seed), plan.slice, plan.blocks_per_thread);
    for (uint32_t bytes : plan.block_bytes) {
        printf("%s%u", comma, bytes);
        comma = ", ";
    }
    printf("],\n \"rows\": [");
}

int Run(const Grid &grid)
{
    PrintHead();
    for (const Plan &plan : PlansOf(grid))
        if (!RunRow(plan))
            return 1;
    printf("]}\n");
    if (fflush(stdout) == 0)
        return 0;
    perror("handovers: stdout");
    return 1;
}

} // namespace

int main(int argument_count, char **arguments)
{
    bool is_quick = argument_count == 2 && strcmp(arguments[1], "--quick") == 0;
    if (argument_count == 1 || is_quick)
        return Run(is_quick ? kQuick : kFull);
    fprintf(stderr, "handovers: unknown argument: %s (usage: handovers [--quick])\n",
            arguments[argument_count > 2 && strcmp(arguments[1], "--quick") == 0 ? 2 : 1]);
    return 2;
}
