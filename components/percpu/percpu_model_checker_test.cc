// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The model of percpu_model_checker.h as it is, in which nothing may go wrong, and with each of its
// flaws, which must show.

#include "percpu_model_checker.h"

#include <cstdio>

#include <gtest/gtest.h>

namespace {

using namespace percpu_testing;

/* The first two threads start on the two CPUs, the flusher waits. Tokens: as the masks say, and two
   in the depot. */
Scenario scenario(std::vector<Task> first, std::vector<Task> second, std::vector<Task> third,
                  unsigned in_shard_0, unsigned in_shard_1)
{
    Scenario made = {};
    const std::vector<Task> tasks[] = {first, second, third};
    uint8_t token = 1;
    auto fresh = [&token] {
        uint8_t made_token = token;
        token = static_cast<uint8_t>(token << 1);
        return made_token;
    };
    for (unsigned who = 0; who < THREADS; who++) {
        for (size_t at = 0; at < tasks[who].size(); at++)
            made.tasks[who][at] = tasks[who][at];
        made.start.threads[who].cpu = static_cast<uint8_t>(who < CPUS ? who : NOWHERE);
        if (!tasks[who].empty() && tasks[who][0] == PUSH)
            made.start.threads[who].hand = fresh();
    }
    const unsigned counts[] = {in_shard_0, in_shard_1};
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        made.start.running[cpu] = 1;
        for (unsigned at = 0; at < counts[cpu]; at++)
            made.start.slots[cpu][made.start.count[cpu]++] = fresh();
    }
    made.start.depot = fresh();
    made.start.depot |= fresh();
    return made;
}

std::vector<Scenario> scenarios()
{
    return {
        scenario({POP}, {PUSH}, {FLUSH_0}, 1, 1),      scenario({PUSH}, {PUSH}, {FLUSH_0}, 1, 0),
        scenario({PUSH}, {PUSH}, {FLUSH_0}, 2, 2),     scenario({POP}, {POP}, {FLUSH_0}, 0, 2),
        scenario({POP}, {POP}, {FLUSH_1}, 2, 1),       scenario({PUSH}, {POP}, {FLUSH_1}, 1, 0),
        scenario({POP, PUSH}, {POP}, {FLUSH_0}, 0, 1), scenario({PUSH}, {POP}, {FLUSH_0}, 2, 0),
        scenario({POP}, {PUSH}, {POP}, 0, 2),          scenario({PUSH}, {PUSH}, {POP}, 1, 2),
    };
}

std::string explore_all(Flaw flaw, size_t *states)
{
    std::string wrong;
    *states = 0;
    for (const Scenario &one : scenarios()) {
        ModelChecker checker(one, flaw);
        wrong = checker.explore();
        *states += checker.seen.count;
        if (wrong.empty() && !ModelChecker(one, flaw).ends_step_by_step())
            wrong = "no end, step by step";
        if (!wrong.empty())
            break;
    }
    printf("%-17s %8zu states: %s\n", FLAW_NAMES[flaw], *states,
           wrong.empty() ? "nothing wrong" : wrong.c_str());
    return wrong;
}

TEST(PercpuModelChecker, NoOrderOfStepsLosesATokenOrHasItTwiceOrNeverEnds)
{
    size_t states;
    EXPECT_EQ(explore_all(NONE, &states), "");
    EXPECT_GT(states, 100000u);
}

TEST(PercpuModelChecker, EachPartIsNeeded)
{
    for (int flaw = NONE + 1; flaw < FLAWS; flaw++) {
        size_t states;
        EXPECT_NE(explore_all(static_cast<Flaw>(flaw), &states), "") << FLAW_NAMES[flaw];
    }
}

} // namespace
