// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every gap between two instructions of a sequence, in turn, takes microseconds, and so is where
// signals, pre-emption and moves to other CPUs happen: until a thousand sequences were aborted in
// it. Tokens are conserved throughout.

#include "percpu_threads.h"
#include "percpu_interrupted.h"

#include <csignal>
#include <ctime>

#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using percpu_testing::Mode;
using percpu_testing::ThreadsFixture;

constexpr unsigned WORKERS = 4;
constexpr uint32_t LOOPS = 3000; // some microseconds
constexpr uint64_t ABORTS = 1000;

/* Takes and gives by stretched sequences first. Blocks that a signal handler could not give back
   wait in `stash`. */
class Stretched : public ThreadsFixture {
  public:
    explicit Stretched(Mode mode) : ThreadsFixture(mode, 3000, 2)
    {
        for (unsigned id = 0; id < caches->entry_count; id++)
            if (caches->view.entries[id].shard != caches.shard(id))
                stopped_ = caches->view.entries[id].shard;
    }

    void *take(unsigned class_idx) override
    {
        void *token = cairn_interrupted_pop(&caches->view, class_idx);
        return token != nullptr ? token : cairn_percpu_alloc_slow(caches, class_idx);
    }

    void give(unsigned class_idx, void *token) override
    {
        if (!cairn_interrupted_push(&caches->view, class_idx, token))
            cairn_percpu_free_slow(caches, class_idx, token, "the test");
    }

    /* Stops the shard of this thread as shard.c does; it stays as it is, but for what this thread
       does to it. */
    void stop_own()
    {
        const ptrdiff_t from_area = caches->view.id;
        const uint32_t id = *reinterpret_cast<volatile uint32_t *>(thread_pointer() + from_area);
        if (id >= caches->shard_count || !cairn_trylock(&caches->headers[id].lock))
            return;
        if (cairn_interrupted_stop(&caches->view, id, stopped_)) {
            stops++;
            expect_undisturbed(id);
            __atomic_store_n(&caches->view.entries[id].shard, caches.shard(id), __ATOMIC_RELEASE);
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

    /* Zeroes the array headers for a while; no sequence may change them meanwhile. */
    void expect_undisturbed(uint32_t id)
    {
        cairn_percpu_shard *shard = caches.shard(id);
        volatile uint32_t *headers = shard->array_headers;
        uint32_t before[percpu_testing::CLASSES];
        for (unsigned class_idx = 0; class_idx < percpu_testing::CLASSES; class_idx++) {
            before[class_idx] = headers[class_idx];
            headers[class_idx] = 0;
        }
        for (volatile int spin = 0; spin < 500; spin = spin + 1)
            continue;
        for (unsigned class_idx = 0; class_idx < percpu_testing::CLASSES; class_idx++) {
            if (headers[class_idx] != 0)
                broken++;
            headers[class_idx] = before[class_idx];
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

    cairn_percpu_shard *stopped_ = nullptr;
    std::array<std::atomic<void *>, 1024> stash_{};
};

Stretched *fixture_of_handler;

void on_signal(int)
{
    fixture_of_handler->from_handler();
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

void work(Stretched &fixture, unsigned number, const std::atomic<bool> &stop)
{
    Alarm alarm(20000 + 10000 * static_cast<long>(number)); // 20 to 50 microseconds
    std::mt19937_64 random(percpu_testing::seed() + number);
    std::vector<void *> mine;
    while (!stop) {
        if (mine.size() < 20 || random() % 2 == 0) {
            if (void *token = fixture.alloc(0))
                mine.push_back(token);
        } else if (random() % 8 == 0) {
            fixture.pass(0, mine.back(), random());
            mine.pop_back();
        }
        if (mine.size() > 10) {
            fixture.free(0, mine.back());
            mine.pop_back();
        }
        if (mine.size() > 200)
            while (mine.size() > 50) {
                fixture.free(0, mine.back());
                mine.pop_back();
            }
        if (random() % 2 == 0)
            fixture.stop_own();
    }
    for (void *token : mine)
        fixture.free(0, token);
}

/* Moves the workers to and fro, and flushes; until there are enough aborts, or for ten seconds. */
void disturb(Stretched &fixture, const std::array<std::atomic<int>, WORKERS> &tids,
             const uint64_t &aborts)
{
    std::mt19937_64 random(percpu_testing::seed());
    for (int round = 0; round < 100000; round++) {
        if (__atomic_load_n(&aborts, __ATOMIC_RELAXED) >= ABORTS)
            return;
        percpu_testing::pin(static_cast<unsigned>(random() % 64), tids[random() % WORKERS]);
        if (random() % 8 == 0)
            cairn_percpu_flush_shard(fixture.caches,
                                     static_cast<unsigned>(random()) % fixture.caches->shard_count);
        if (random() % 64 == 0)
            cairn_percpu_check(fixture.caches);
        usleep(100);
    }
}

struct Sequence {
    const char *name;
    cairn_interruptions *interruptions;
    unsigned gap_count;
};

void stretch(Mode mode, const Sequence &sequence, unsigned gap)
{
    Stretched fixture(mode);
    std::array<std::atomic<int>, WORKERS> tids{};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    fixture_of_handler = &fixture;
    sequence.interruptions->aborts[gap] = 0;
    sequence.interruptions->loops[gap] = LOOPS;
    for (unsigned number = 0; number < WORKERS; number++)
        threads.emplace_back([&, number] {
            tids[number] = static_cast<int>(syscall(SYS_gettid));
            work(fixture, number, stop);
        });
    for (auto &tid : tids)
        while (tid == 0)
            usleep(100);
    disturb(fixture, tids, sequence.interruptions->aborts[gap]);
    stop = true;
    for (auto &thread : threads)
        thread.join();
    sequence.interruptions->loops[gap] = 0;
    printf("%s gap %2u: %5llu aborts, %6llu signals, %llu stops\n", sequence.name, gap,
           static_cast<unsigned long long>(sequence.interruptions->aborts[gap]),
           static_cast<unsigned long long>(fixture.signals),
           static_cast<unsigned long long>(fixture.stops));
    EXPECT_GE(sequence.interruptions->aborts[gap], ABORTS) << sequence.name << gap;
    EXPECT_GT(fixture.stops, 0u);
    fixture.expect_all_conserved();
}

class PercpuInterrupted : public percpu_testing::InModes {
  protected:
    void SetUp() override
    {
        InModes::SetUp();
        if (IsSkipped())
            return;
        if (!CAIRN_INTERRUPTED_EXISTS)
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

INSTANTIATE_TEST_SUITE_P(Modes, PercpuInterrupted,
                         ::testing::Values(percpu_testing::RSEQ_BY_CPU,
                                           percpu_testing::RSEQ_BY_CID),
                         percpu_testing::mode_name);

TEST_P(PercpuInterrupted, OfAPop)
{
    stretch_all({"pop", &cairn_interruptions_of_pop, 12});
}

TEST_P(PercpuInterrupted, OfAPush)
{
    stretch_all({"push", &cairn_interruptions_of_push, 15});
}

TEST_P(PercpuInterrupted, OfAStop)
{
    stretch_all({"stop", &cairn_interruptions_of_stop, 5});
}

} // namespace
