// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every failing call: random sequences against the oracle, and all pairs of refusals in short
// sequences.

#include "model.h"

namespace {

enum { kOps = 12 };

// One step, chosen by a number: 64 bits decide everything.
class Script {
  public:
    explicit Script(Model &target) : model(target), page(static_cast<intptr_t>(target.page))
    {
    }

    void step(uint64_t choice)
    {
        size_t size = choice >> 8 & 0xff, which = choice >> 16 & 0xff;
        switch (choice % kOps) {
        case 0:
        case 1:
            model.alloc((size % 7 + 1) * model.page, 1);
            break;
        case 2:
            model.alloc((size % 40 + 1) * model.page, 1);
            break;
        case 3:
            model.alloc((size % 12 + 1) * model.page, model.page << which % 6);
            break;
        case 4:
        case 5:
            if (!model.blocks.empty())
                model.free(model.pick(which));
            break;
        case 6:
            free_half(which);
            break;
        case 7:
            if (!model.blocks.empty())
                model.resize(model.pick(which), (size % 48 + 1) * model.page, 1, (which & 1) != 0);
            break;
        case 8:
            cairn_pagesource_purge(model.source.get());
            break;
        case 9:
            model.fake.other_sbrk(size % 2 == 0 ? page : 40);
            break;
        case 10:
            reserve(size);
            break;
        default:
            model.alloc((size % 600 + 300) * model.page, 1);
        }
        model.verify();
    }

    void end()
    {
        for (auto &[base, length] : reserved)
            cairn_pagesource_unreserve(model.source.get(), base, length);
        reserved.clear();
        model.free_all();
        model.verify();
        cairn_pagesource_purge(model.source.get());
        EXPECT_EQ(0u, model.stats().unmap_pending_bytes);
        EXPECT_EQ(0u, model.stats().free_dirty_bytes);
        model.verify();
        model.end();
    }

  private:
    void free_half(size_t which)
    {
        if (model.blocks.empty())
            return;
        uintptr_t base = model.pick(which);
        size_t length = model.blocks[base].length, half = length / 2 / model.page * model.page;
        if (half == 0)
            return;
        model.stamp(base, half);
        model.stamp(base + half, length - half);
        model.free((which & 1) != 0 ? base : base + half);
    }
    void reserve(size_t size)
    {
        if (reserved.size() > 2) {
            cairn_pagesource_unreserve(model.source.get(), reserved.back().first,
                                       reserved.back().second);
            reserved.pop_back();
            return;
        }
        size_t length =
            size % 4 == 0 ? size * 4096 + 1 : size * 100 + 1; // with a region of its own or not
        void *base = cairn_pagesource_reserve(model.source.get(), length);
        if (base != nullptr)
            reserved.push_back({base, length});
    }

    Model &model;
    intptr_t page;
    std::vector<std::pair<void *, size_t>> reserved;
};

struct Plan {
    std::vector<uint64_t> choices;
    enum cairn_pagesource_policy policy;
    bool misaligns;
};

// Runs the plan with these calls refused; how many calls it made.
size_t run(const Plan &plan, const std::set<size_t> &failing)
{
    Model model(4096, Model::tiny(plan.policy, 4096));
    Script script(model);
    size_t calls;

    model.fake.failing = failing;
    model.fake.misaligns = plan.misaligns;
    for (uint64_t choice : plan.choices)
        script.step(choice);
    calls = model.fake.calls;
    model.fake.failing.clear();
    script.end();
    return calls;
}

Plan random_plan(std::mt19937_64 &random, size_t steps)
{
    Plan plan;
    for (size_t idx = 0; idx < steps; idx++)
        plan.choices.push_back(random());
    plan.policy = static_cast<enum cairn_pagesource_policy>(random() % 3);
    plan.misaligns = random() % 2 == 0;
    return plan;
}

TEST(PageSourceFaults, EveryPairOfRefusedCallsInShortSequences)
{
    uint64_t seed = test_seed();
    size_t runs = 0;
    for (uint64_t round = 0; round < 70; round++) {
        std::mt19937_64 random(seed + round);
        Plan plan = random_plan(random, 10);
        // A refusal may lead to more calls: go on until the first one lies beyond the end.
        for (size_t first = 0; first < run(plan, {first}); first++, runs++) {
            for (size_t second = first + 1; second < run(plan, {first, second}); second++)
                runs++;
        }
        if (testing::Test::HasFailure())
            FAIL() << "CAIRN_TEST_SEED=" << seed << " round " << round;
    }
    std::printf("%zu plans\n", runs);
    EXPECT_GT(runs, 1000u);
}

TEST(PageSourceFaults, LongRandomSequencesWithRandomRefusals)
{
    uint64_t seed = test_seed();
    for (uint64_t round = 0; round < 40; round++) {
        std::mt19937_64 random(seed + round);
        Plan plan = random_plan(random, 300);
        std::set<size_t> failing;
        for (size_t call = 0; round % 4 != 0 && call < 2000; call++)
            if (random() % (round % 4 * 4) == 0)
                failing.insert(call);
        run(plan, failing);
        if (testing::Test::HasFailure())
            FAIL() << "CAIRN_TEST_SEED=" << seed << " round " << round;
    }
}

TEST(PageSourceFaults, EachKindOfCallMayFailForEver)
{
    uint64_t seed = test_seed();
    for (uint64_t round = 0; round < 45; round++) {
        std::mt19937_64 random(seed + round);
        Plan plan = random_plan(random, 120);
        Model model(4096, Model::tiny(plan.policy, 4096));
        Script script(model);
        bool *switches[] = {&model.fake.refuses_map, &model.fake.refuses_unmap,
                            &model.fake.refuses_purge, &model.fake.refuses_sbrk};
        for (size_t idx = 0; idx < plan.choices.size(); idx++) {
            for (size_t kind = 0; kind < 4; kind++)
                *switches[kind] = idx > 20 && (round % 16 >> kind & 1) != 0;
            script.step(plan.choices[idx]);
        }
        for (bool *refuses : switches)
            *refuses = false;
        script.end();
        if (testing::Test::HasFailure())
            FAIL() << "CAIRN_TEST_SEED=" << seed << " round " << round;
    }
}

TEST(PageSourceFaults, AtTheMapLimitNothingIsLostOrGivenTwice)
{
    uint64_t seed = test_seed();
    for (uint64_t round = 0; round < 30; round++) {
        std::mt19937_64 random(seed + round);
        Plan plan = random_plan(random, 200);
        Model model(4096, Model::tiny(CAIRN_PAGESOURCE_MMAP, 4096));
        Script script(model);
        model.fake.misaligns = false;
        model.fake.vma_limit = round % 6 + 1;
        for (uint64_t choice : plan.choices)
            script.step(choice);
        model.fake.vma_limit = SIZE_MAX;
        script.end();
        if (testing::Test::HasFailure())
            FAIL() << "CAIRN_TEST_SEED=" << seed << " round " << round;
    }
}

} // namespace
