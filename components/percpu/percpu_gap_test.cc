// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every gap between two instructions of a sequence, in turn, takes microseconds, and so is where signals, pre-emption and
// moves to other CPUs happen: until a thousand sequences were aborted in it. Tokens are conserved throughout.

#include "percpu_crowd.h"
#include "percpu_gaps.h"

#include <csignal>
#include <ctime>

#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using percpu_testing::Crowd;
using percpu_testing::Mode;

constexpr unsigned WORKERS = 4;
constexpr uint32_t LOOPS = 3000; // some microseconds
constexpr uint64_t ABORTS = 1000;

/* Takes and gives by stretched sequences first. Blocks that a signal handler could not give back wait in `stash`. */
class Stretched : public Crowd {
  public:
    explicit Stretched(Mode mode) : Crowd(mode, 3000, 2)
    {
        for (unsigned id = 0; id < caches->lane_count; id++)
            if (caches->view.lanes[id].shard != caches.shard(id))
                nothing_ = caches->view.lanes[id].shard;
    }

    void *take(unsigned class_idx) override
    {
        void *token = cairn_gaps_pop(&caches->view, class_idx);
        return token != nullptr ? token : cairn_percpu_alloc_slow(caches, class_idx);
    }

    void give(unsigned class_idx, void *token) override
    {
        if (!cairn_gaps_push(&caches->view, class_idx, token))
            cairn_percpu_free_slow(caches, class_idx, token, "the test");
    }

    /* Enters the shard of this thread as shard.c does; it stays as it is, but for what this thread does to it. */
    void stop_own()
    {
        const ptrdiff_t from_area = caches->view.id;
        const uint32_t id = *reinterpret_cast<volatile uint32_t *>(thread_pointer() + from_area);
        if (id >= caches->shard_count || !cairn_trylock(&caches->headers[id].lock))
            return;
        if (cairn_gaps_stop(&caches->view, id, nothing_)) {
            stops++;
            expect_undisturbed(id);
            __atomic_store_n(&caches->view.lanes[id].shard, caches.shard(id), __ATOMIC_RELEASE);
        }
        cairn_lock_release(&caches->headers[id].lock);
    }

    /* In a signal handler, wherever the thread was: the fast paths alone, which take no lock. */
    void from_handler()
    {
        void *token = cairn_percpu_pop(caches, 0);
        signals++;
        if (token != nullptr && !cairn_percpu_push(caches, 0, token))
            stash(token);
    }

    void expect_all_conserved()
    {
        for (auto &place : stash_)
            if (void *token = place.exchange(nullptr))
                cairn_percpu_free(caches, 0, token);
        expect_conserved();
    }

    std::atomic<uint64_t> signals{0};
    std::atomic<uint64_t> stops{0};

  private:
    static char *thread_pointer()
    {
        return static_cast<char *>(CAIRN_THREAD_POINTER());
    }

    /* Moves the newest block away and back, looks for a while, and finds everything as it left it. */
    void expect_undisturbed(uint32_t id)
    {
        cairn_percpu_shard *shard = caches.shard(id);
        volatile uint32_t *words = shard->words;
        uint32_t before[percpu_testing::CLASSES];
        for (unsigned class_idx = 0; class_idx < percpu_testing::CLASSES; class_idx++) {
            before[class_idx] = words[class_idx];
            words[class_idx] = 0;
        }
        for (volatile int spin = 0; spin < 500; spin = spin + 1)
            continue;
        for (unsigned class_idx = 0; class_idx < percpu_testing::CLASSES; class_idx++) {
            if (words[class_idx] != 0)
                broken++;
            words[class_idx] = before[class_idx];
        }
    }

    void stash(void *token)
    {
        for (auto &place : stash_) {
            void *expected = nullptr;
            if (place.compare_exchange_strong(expected, token))
                return;
        }
        broken++;
    }

    cairn_percpu_shard *nothing_ = nullptr;
    std::array<std::atomic<void *>, 1024> stash_{};
};

Stretched *crowd_of_handler;

void on_signal(int)
{
    crowd_of_handler->from_handler();
}

/* Signals the calling thread every so many nanoseconds while it lives. */
class Alarm {
  public:
    explicit Alarm(long nanoseconds)
    {
        sigevent event = {};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGUSR1;
        event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
        if (timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
            abort();
        itimerspec when = {{0, nanoseconds}, {0, nanoseconds}};
        timer_settime(timer_, 0, &when, nullptr);
    }

    ~Alarm()
    {
        timer_delete(timer_);
    }

  private:
    timer_t timer_;
};

void work(Stretched &crowd, unsigned number, const std::atomic<bool> &stop)
{
    Alarm alarm(20000 + 10000 * static_cast<long>(number)); // 20 to 50 microseconds
    std::mt19937_64 random(percpu_testing::seed() + number);
    std::vector<void *> mine;
    while (!stop) {
        if (mine.size() < 20 || random() % 2 == 0) {
            if (void *token = crowd.alloc(0))
                mine.push_back(token);
        } else if (random() % 8 == 0) {
            crowd.pass(0, mine.back(), random());
            mine.pop_back();
        }
        if (mine.size() > 10) {
            crowd.free(0, mine.back());
            mine.pop_back();
        }
        if (mine.size() > 200)
            while (mine.size() > 50) {
                crowd.free(0, mine.back());
                mine.pop_back();
            }
        if (random() % 2 == 0)
            crowd.stop_own();
    }
    for (void *token : mine)
        crowd.free(0, token);
}

/* Moves the workers to and fro, and drains; until there are enough aborts, or for ten seconds. */
void disturb(Stretched &crowd, const std::array<std::atomic<int>, WORKERS> &tids,
             const uint64_t &aborts)
{
    std::mt19937_64 random(percpu_testing::seed());
    for (int round = 0; round < 100000; round++) {
        if (__atomic_load_n(&aborts, __ATOMIC_RELAXED) >= ABORTS)
            return;
        percpu_testing::pin(static_cast<unsigned>(random() % 64), tids[random() % WORKERS]);
        if (random() % 8 == 0)
            cairn_percpu_drain_shard(crowd.caches,
                                     static_cast<unsigned>(random()) % crowd.caches->shard_count);
        if (random() % 64 == 0)
            cairn_percpu_check(crowd.caches);
        usleep(100);
    }
}

struct Sequence {
    const char *name;
    cairn_gaps *gaps;
    unsigned gap_count;
};

void stretch(Mode mode, const Sequence &sequence, unsigned gap)
{
    Stretched crowd(mode);
    std::array<std::atomic<int>, WORKERS> tids{};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    crowd_of_handler = &crowd;
    sequence.gaps->aborts[gap] = 0;
    sequence.gaps->loops[gap] = LOOPS;
    for (unsigned number = 0; number < WORKERS; number++)
        threads.emplace_back([&, number] {
            tids[number] = static_cast<int>(syscall(SYS_gettid));
            work(crowd, number, stop);
        });
    for (auto &tid : tids)
        while (tid == 0)
            usleep(100);
    disturb(crowd, tids, sequence.gaps->aborts[gap]);
    stop = true;
    for (auto &thread : threads)
        thread.join();
    sequence.gaps->loops[gap] = 0;
    printf("%s gap %2u: %5llu aborts, %6llu signals, %llu stops\n", sequence.name, gap,
           static_cast<unsigned long long>(sequence.gaps->aborts[gap]),
           static_cast<unsigned long long>(crowd.signals),
           static_cast<unsigned long long>(crowd.stops));
    EXPECT_GE(sequence.gaps->aborts[gap], ABORTS) << sequence.name << gap;
    EXPECT_GT(crowd.stops, 0u);
    crowd.expect_all_conserved();
}

class PercpuGaps : public percpu_testing::InModes {
  protected:
    void SetUp() override
    {
        InModes::SetUp();
        if (IsSkipped())
            return;
        if (!CAIRN_GAPS_EXIST)
            GTEST_SKIP() << "gaps can be stretched on x86-64 only";
        struct sigaction action = {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        sigaction(SIGUSR1, &action, nullptr);
    }

    void stretch_all(const Sequence &sequence)
    {
        for (unsigned gap = 0; gap < sequence.gap_count; gap++)
            stretch(GetParam(), sequence, gap);
    }
};

INSTANTIATE_TEST_SUITE_P(Modes, PercpuGaps,
                         ::testing::Values(percpu_testing::RSEQ_BY_CPU,
                                           percpu_testing::RSEQ_BY_CID),
                         percpu_testing::mode_name);

TEST_P(PercpuGaps, OfAPop)
{
    stretch_all({"pop", &cairn_gaps_of_pop, 12});
}

TEST_P(PercpuGaps, OfAPush)
{
    stretch_all({"push", &cairn_gaps_of_push, 15});
}

TEST_P(PercpuGaps, OfAStop)
{
    stretch_all({"stop", &cairn_gaps_of_stop, 5});
}

} // namespace
