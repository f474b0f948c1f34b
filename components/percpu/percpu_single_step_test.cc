// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A debugger stops a process at each instruction of each sequence, once per run, and lets it go on
// from there. To the kernel a stop is a pre-emption: inside the sequence it must go on in vain. At
// the stop the state is the old one up to the commit and the new one from there on; at the end it
// is the new one, or the old one after a stop inside.
//
//     list of instructions   a child is stepped through, while its rseq_cs is cleared after each step, or it would be sent
//                            out at the first one
//     stop at instruction k  another child meets a breakpoint there, which is taken out before it goes on

#include "percpu_single_step.h"
#include "percpu_testing.h"

#include <cstring>
#include <functional>

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_arch.h"
#include <gtest/gtest.h>

#if defined(__x86_64__)

namespace {

using percpu_testing::Caches;
using percpu_testing::TokenSource;

uintptr_t result; // of the sequence, in the child

__attribute__((noinline)) void stop_for_the_debugger()
{
    __asm__ volatile("int3" ::: "memory");
}

/* A process that is stopped before a sequence. */
class Child {
  public:
    explicit Child(const std::function<uintptr_t()> &operation)
    {
        pid_ = fork();
        if (pid_ == 0) {
            ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            stop_for_the_debugger();
            result = operation();
            stop_for_the_debugger();
            _exit(0);
        }
        wait_for_stop();
    }

    ~Child()
    {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

    void step()
    {
        ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
        wait_for_stop();
    }

    void go_on()
    {
        ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
        wait_for_stop();
    }

    /* Runs until `at` is the next instruction. */
    void run_to(uintptr_t at)
    {
        const long original = ptrace(PTRACE_PEEKTEXT, pid_, at, nullptr);
        ptrace(PTRACE_POKETEXT, pid_, at, (original & ~0xffL) | 0xcc);
        go_on();
        ASSERT_EQ(instruction(), at + 1);
        ptrace(PTRACE_POKETEXT, pid_, at, original);
        user_regs_struct registers = regs();
        registers.rip = at;
        ptrace(PTRACE_SETREGS, pid_, nullptr, &registers);
    }

    uintptr_t instruction()
    {
        return regs().rip;
    }

    template <typename Value> Value read(const Value *place)
    {
        Value value{};
        read_bytes(&value, place, sizeof(value));
        return value;
    }

    void read_bytes(void *to, const void *from, size_t bytes)
    {
        iovec here = {to, bytes}, there = {const_cast<void *>(from), bytes};
        EXPECT_EQ(process_vm_readv(pid_, &here, 1, &there, 1, 0), static_cast<ssize_t>(bytes));
    }

    void clear(const void *place)
    {
        ptrace(PTRACE_POKEDATA, pid_, place, 0);
    }

    bool stopped = false;

  private:
    void wait_for_stop()
    {
        int status = 0;
        stopped =
            waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    }

    user_regs_struct regs()
    {
        user_regs_struct registers = {};
        ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
        return registers;
    }

    pid_t pid_;
};

/* The kernel's struct rseq_cs. */
struct Descriptor {
    uint32_t version, flags;
    uint64_t start, length, abort;
};

struct Step {
    uintptr_t at;
    bool is_inside; // the kernel sends out what is stopped here
};

class PercpuSingleStep : public ::testing::Test {
  protected:
    static constexpr unsigned BLOCKS = 5;

    void SetUp() override
    {
        if (const char *reason = percpu_testing::absent(percpu_testing::RSEQ_BY_CPU))
            GTEST_SKIP() << reason;
        if (!may_trace())
            GTEST_SKIP() << "ptrace is not allowed here";
        caches = std::make_unique<Caches>(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
        caches->on(0);
        id = caches->shard_of(0);
        blocks = percpu_testing::alloc_many(*caches, 0, 8); // a batch
        for (unsigned at = 0; at < BLOCKS; at++)
            cairn_percpu_free(*caches, 0, blocks[at]);
        view = &(*caches)->view;
        stopped = view->entries[(*caches)->entry_count - 1].shard;
        area = static_cast<char *>(CAIRN_THREAD_POINTER()) + view->area;
    }

    void TearDown() override
    {
        percpu_testing::unpin();
    }

    /* What a sequence may change: the header, the slots of the array, the entry. */
    struct State {
        uint32_t header;
        cairn_percpu_shard *entry;
        std::vector<void *> slots;

        bool operator==(const State &other) const
        {
            return header == other.header && entry == other.entry && slots == other.slots;
        }
    };

    State state_now()
    {
        void **slots = caches->slots(0, 0);
        return {caches->header(0, 0), view->entries[id].shard,
                std::vector<void *>(slots - 4, slots + capacity)};
    }

    State state_of(Child &child)
    {
        State state = {child.read(&caches->header(0, 0)), child.read(&view->entries[id].shard), {}};
        state.slots.resize(4 + capacity);
        child.read_bytes(state.slots.data(), caches->slots(0, 0) - 4,
                         state.slots.size() * sizeof(void *));
        return state;
    }

    /* The instructions of a sequence from arming on, as `operation` goes through them. */
    std::vector<Step> steps_of(const std::function<uintptr_t()> &operation)
    {
        std::vector<Step> steps;
        Child child(operation);
        uintptr_t last = 0;
        bool armed = false, left = false;
        for (int count = 0; count < 2000 && !left; count++) {
            child.step();
            EXPECT_TRUE(child.stopped);
            const uintptr_t at = child.instruction();
            const auto *cs = child.read(reinterpret_cast<Descriptor **>(area + 8));
            if (cs != nullptr && child.read(&cs->start) == at) {
                descriptor = child.read(cs);
                armed = true;
                steps.push_back({last, false}); // the store that armed it
            }
            const bool is_inside = armed && at - descriptor.start < descriptor.length;
            left = armed && !is_inside;
            if (armed)
                steps.push_back({at, is_inside});
            child.clear(area + 8);
            last = at;
        }
        EXPECT_TRUE(left);
        return steps;
    }

    /* Stops at each instruction. `fresh` is the state after the sequence, `value` what it returns,
       `commits` whether it gets to its last instruction. */
    void expect_all_or_nothing(const std::function<uintptr_t()> &operation, State fresh,
                               uintptr_t value, bool commits, size_t instructions)
    {
        const State old = state_now();
        std::vector<Step> steps = steps_of(operation);
        const uintptr_t end = descriptor.start + descriptor.length;
        ASSERT_EQ(steps.size(), instructions + 2); // and arming, and the one behind
        if (commits) {
            EXPECT_EQ(steps.back().at, end);
        }
        for (const Step &step : steps) {
            SCOPED_TRACE(&step - steps.data());
            const uint64_t expected = step.is_inside ? 1 : 0;
            uint64_t aborts = expected + 1;
            for (int tries = 0; tries < 100 && aborts > expected; tries++) {
                Child child(operation);
                child.run_to(step.at);
                ASSERT_TRUE(child.stopped);
                expect_state(child, step.at == end ? fresh : old, old);
                child.go_on();
                ASSERT_TRUE(child.stopped);
                aborts = child.read(
                    // one where none is due: others want the CPU; again, then
                    &cairn_single_step_aborts);
                expect_state(child, aborts > 0 ? old : fresh, old);
                EXPECT_EQ(child.read(&result), aborts > 0 ? 0 : value);
                EXPECT_GE(aborts, expected);
            }
            EXPECT_EQ(aborts, expected);
        }
    }

    void expect_state(Child &child, const State &expected, const State &old)
    {
        State seen = state_of(child);
        if (seen.header == old.header && free_slot < seen.slots.size())
            seen.slots[free_slot] = old.slots[free_slot]; // above the top anything may lie
        EXPECT_TRUE(seen == expected);
    }

    TokenSource tokens{{2048}, 1000};
    std::unique_ptr<Caches> caches;
    std::vector<void *> blocks;
    unsigned id = 0;
    cairn_rseq_view *view = nullptr;
    cairn_percpu_shard *stopped = nullptr;
    char *area = nullptr;
    Descriptor descriptor = {};
    size_t capacity = 64;
    size_t free_slot = 4 + BLOCKS; // counted from the NULL slots below

  private:
    static bool may_trace()
    {
        Child child([] { return uintptr_t(0); });
        return child.stopped;
    }
};

uintptr_t number(const void *pointer)
{
    return reinterpret_cast<uintptr_t>(pointer);
}

TEST_F(PercpuSingleStep, APopTakesTheNewestOnce)
{
    State fresh = state_now();
    fresh.header += 0xffff;
    expect_all_or_nothing([&] { return number(cairn_single_step_pop(view, 0)); }, fresh,
                          number(blocks[BLOCKS - 1]), true, 12);
}

TEST_F(PercpuSingleStep, APopOfNothingChangesNothing)
{
    while (cairn_percpu_pop(*caches, 0) != nullptr)
        continue;
    free_slot = SIZE_MAX;
    expect_all_or_nothing([&] { return number(cairn_single_step_pop(view, 0)); }, state_now(), 0,
                          false, 10);
}

TEST_F(PercpuSingleStep, APushPutsABlockOnTopOnce)
{
    State fresh = state_now();
    fresh.header -= 0xffff;
    fresh.slots[free_slot] = blocks[7];
    expect_all_or_nothing([&] { return uintptr_t(cairn_single_step_push(view, 0, blocks[7])); },
                          fresh, 1, true, 15);
}

TEST_F(PercpuSingleStep, APushWithoutAFreeSlotChangesNothing)
{
    for (unsigned at = BLOCKS; at < 8; at++)
        ASSERT_TRUE(cairn_percpu_push(*caches, 0, blocks[at]));
    free_slot = SIZE_MAX;
    expect_all_or_nothing([&] { return uintptr_t(cairn_single_step_push(view, 0, &result)); },
                          state_now(), 0, false, 9);
}

TEST_F(PercpuSingleStep, APushOfTheNewestChangesNothing)
{
    free_slot = SIZE_MAX;
    expect_all_or_nothing(
        [&] { return uintptr_t(cairn_single_step_push(view, 0, blocks[BLOCKS - 1])); }, state_now(),
        0, false, 11);
}

TEST_F(PercpuSingleStep, APushOfTheSecondNewestChangesNothing)
{
    expect_all_or_nothing(
        [&] { return uintptr_t(cairn_single_step_push(view, 0, blocks[BLOCKS - 2])); }, state_now(),
        0, false, 13);
}

TEST_F(PercpuSingleStep, AStopWritesItsEntryOnce)
{
    State fresh = state_now();
    fresh.entry = stopped;
    expect_all_or_nothing([&] { return uintptr_t(cairn_single_step_stop(view, id, stopped)); },
                          fresh, 1, true, 5);
}

TEST_F(PercpuSingleStep, AStopOfAnotherEntryChangesNothing)
{
    expect_all_or_nothing([&] { return uintptr_t(cairn_single_step_stop(view, id + 1, stopped)); },
                          state_now(), 0, false, 4);
}

} // namespace

#endif
