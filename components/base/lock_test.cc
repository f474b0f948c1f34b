// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/lock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>

#include <gtest/gtest.h>

namespace {

// Waits until a thread sleeps, or is about to: a sleeper writes 2 first.
void AwaitSleeper(const cairn_lock &lock)
{
    while (cairn_load_relaxed(&lock.state) != 2)
        sched_yield();
}

TEST(Lock, OfZeroBytesIsFree)
{
    cairn_lock lock = {};

    EXPECT_FALSE(cairn_lock_is_held(&lock));
    cairn_lock_take(&lock);
    EXPECT_TRUE(cairn_lock_is_held(&lock));
    cairn_lock_release(&lock);
    EXPECT_FALSE(cairn_lock_is_held(&lock));
    EXPECT_EQ(sizeof(lock.state), 4u);
}

TEST(Lock, CanBeInitialisedInTwoWays)
{
    cairn_lock constant = CAIRN_LOCK_INIT(CAIRN_RANK_DEPOT);
    cairn_lock variable = {77, 77};

    cairn_lock_init(&variable, CAIRN_RANK_DEPOT);
    EXPECT_EQ(constant.state, variable.state);
    EXPECT_EQ(constant.rank, variable.rank);
    EXPECT_FALSE(cairn_lock_is_held(&variable));
}

TEST(Lock, TryingTakesAFreeLockAndNeverWaits)
{
    cairn_lock lock = {};

    EXPECT_TRUE(cairn_trylock(&lock));
    EXPECT_FALSE(cairn_trylock(&lock));
    std::thread([&] { EXPECT_FALSE(cairn_trylock(&lock)); }).join();
    EXPECT_TRUE(cairn_lock_is_held(&lock));
    cairn_lock_release(&lock);
    EXPECT_TRUE(cairn_trylock(&lock));
    cairn_lock_release(&lock);
}

// What a lock goes through, as numbers.
std::string StatesOfALock()
{
    cairn_lock lock = CAIRN_LOCK_INIT(CAIRN_RANK_NONE);
    std::string states;

    cairn_lock_take(&lock);
    states += std::to_string(lock.state);
    states += cairn_trylock(&lock) ? "taken twice" : ".";
    cairn_lock_release(&lock);
    states += std::to_string(lock.state);
    states += cairn_trylock(&lock) ? "+" : "not taken";
    cairn_lock_release(&lock);
    return states + std::to_string(lock.state);
}

TEST(Lock, GoesThroughTheSameStatesAloneAndAmongOthers)
{
    std::string alone = StatesOfALock();
    bool was_alone = cairn_is_alone();
    bool others_seen = false;
    std::string among_others;

    std::thread([&] {
        others_seen = !cairn_is_alone();
        among_others = StatesOfALock();
    }).join();
    EXPECT_TRUE(others_seen);
    EXPECT_EQ(among_others, "1.0+0");
    EXPECT_EQ(alone, among_others);
    if (!was_alone)
        GTEST_SKIP() << "libc does not say that this process has one thread";
}

/* For good: in a child. The order is not checked any more, for two may count on one thread
   pointer. */
[[noreturn]] void TakeLocksBesideAThread()
{
    cairn_lock high = CAIRN_LOCK_INIT(CAIRN_RANK_PAGES);
    cairn_lock low = CAIRN_LOCK_INIT(CAIRN_RANK_STACK);

    cairn_lock_expect_threads();
    cairn_lock_take(&high);
    cairn_lock_take(&low);
    cairn_lock_release(&high);
    cairn_lock_release(&low);
    _exit(cairn_is_alone() || cairn_lock_is_held(&low) || cairn_lock_is_held(&high));
}

TEST(Lock, IsNotTakenAsIfAloneBesideAThread)
{
    EXPECT_EXIT(TakeLocksBesideAThread(), ::testing::ExitedWithCode(0), "");
}

/* For good: in a child. */
[[noreturn]] void TakeALockThatIsHeldForEver()
{
    cairn_lock lock = {};
    auto start = std::chrono::steady_clock::now();

    cairn_lock_take(&lock);
    std::thread breaker([&lock] {
        AwaitSleeper(lock);
        cairn_lock_break_all();
    });
    std::thread([&lock] { cairn_lock_take(&lock); }).join();
    breaker.join();
    _exit(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(900));
}

TEST(Lock, IsPassedByAThreadThatSleepsForASecondOnceAllAreBroken)
{
    EXPECT_EXIT(TakeALockThatIsHeldForEver(), ::testing::ExitedWithCode(0), "");
}

// The counter is no atomic: a lost increment or TSan tells when two are inside at once.
TEST(Lock, LetsOneThreadInAtATime)
{
    const unsigned thread_count = 4 * std::max(2u, std::thread::hardware_concurrency());
    constexpr unsigned kRounds = 5000;
    cairn_lock lock = {};
    unsigned counter = 0;
    std::vector<std::thread> threads;

    for (unsigned t = 0; t < thread_count; t++)
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < kRounds; i++) {
                if (t % 2 == 0 || !cairn_trylock(&lock))
                    cairn_lock_take(&lock);
                unsigned seen = counter;
                if (i % 64 == 0)
                    sched_yield(); // a holder that is not running
                counter = seen + 1;
                cairn_lock_release(&lock);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(counter, thread_count * kRounds);
    EXPECT_FALSE(cairn_lock_is_held(&lock));
}

TEST(Lock, WakesEverySleeper)
{
    constexpr int kSleepers = 8;

    for (int round = 0; round < 50; round++) {
        cairn_lock lock = {};
        std::atomic<int> inside{0};
        std::vector<std::thread> sleepers;

        cairn_lock_take(&lock);
        for (int i = 0; i < kSleepers; i++)
            sleepers.emplace_back([&] {
                cairn_lock_take(&lock);
                inside++;
                cairn_lock_release(&lock);
            });
        AwaitSleeper(lock);
        EXPECT_EQ(inside, 0);
        cairn_lock_release(&lock);
        for (std::thread &sleeper : sleepers)
            sleeper.join(); // hangs when a wake-up was lost
        EXPECT_EQ(inside, kSleepers);
        EXPECT_FALSE(cairn_lock_is_held(&lock));
    }
}

TEST(Lock, SleepsOnWhenASignalComes)
{
    static std::atomic<int> signals;
    cairn_lock lock = {};
    std::atomic<bool> inside{false};
    struct sigaction action = {}, before;

    signals = 0;
    action.sa_handler = [](int) { signals++; };
    ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0); // no SA_RESTART: the sleep ends with EINTR
    cairn_lock_take(&lock);
    std::thread sleeper([&] {
        cairn_lock_take(&lock);
        inside = true;
        cairn_lock_release(&lock);
    });
    AwaitSleeper(lock);
    for (int i = 1; i <= 20; i++) {
        ASSERT_EQ(pthread_kill(sleeper.native_handle(), SIGUSR1), 0);
        while (signals < i)
            sched_yield();
        EXPECT_FALSE(inside);
    }
    cairn_lock_release(&lock);
    sleeper.join();
    EXPECT_TRUE(inside);
    sigaction(SIGUSR1, &before, nullptr);
}

/* ---- waiting without taking ---- */

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

TEST(LockWait, ReturnsAtOnceWhenTheLockIsFreeAndTakesNothing)
{
    cairn_lock lock = {};
    auto start = Clock::now();

    for (int i = 0; i < 1000; i++)
        cairn_lock_wait(&lock, 999999);
    EXPECT_LT(Clock::now() - start, milliseconds(900));
    EXPECT_EQ(lock.state, 0u);
}

TEST(LockWait, EndsAfterItsTimeWhenTheLockStaysHeld)
{
    for (uint32_t state : {1u, 2u}) { // no thread sleeps, or one may
        cairn_lock lock = {state, CAIRN_RANK_NONE};
        auto start = Clock::now();

        cairn_lock_wait(&lock, 30000);
        EXPECT_GE(Clock::now() - start, milliseconds(29));
        EXPECT_EQ(lock.state, 2u) << "so that a release wakes";
        cairn_lock_wait(&lock, 0);
        cairn_lock_release(&lock);
        EXPECT_EQ(lock.state, 0u);
    }
}

TEST(LockWait, EndsWhenTheLockIsReleased)
{
    cairn_lock lock = {};
    std::chrono::nanoseconds least = milliseconds(900);

    // Several times, for a release before the sleep costs nothing, and one between the two all of
    // the time.
    for (int round = 0; round < 5; round++) {
        auto start = Clock::now();

        cairn_lock_take(&lock);
        std::thread waiter([&] { cairn_lock_wait(&lock, 999999); });
        AwaitSleeper(lock);
        std::this_thread::sleep_for(milliseconds(10));
        EXPECT_TRUE(cairn_lock_is_held(&lock));
        cairn_lock_release(&lock);
        waiter.join();
        EXPECT_FALSE(cairn_lock_is_held(&lock));
        least = std::min<std::chrono::nanoseconds>(least, Clock::now() - start);
    }
    EXPECT_LT(least, milliseconds(900));
}

// A wake without a sleeper: the word changes without one.
TEST(LockWait, CostsOnlyItsTimeWhenTheWakeUpIsLost)
{
    cairn_lock lock = {1, CAIRN_RANK_NONE};

    std::thread waiter([&] { cairn_lock_wait(&lock, 50000); });
    AwaitSleeper(lock);
    cairn_store_relaxed(&lock.state, 0u);
    waiter.join(); // hangs when the wait has no end
}

// A release wakes one sleeper, and the first of them may be one that takes nothing.
TEST(LockWait, DoesNotSwallowTheWakeUpOfAThreadThatWantsTheLock)
{
    for (int round = 0; round < 20; round++) {
        cairn_lock lock = {};
        std::atomic<int> waiting{0};
        std::atomic<bool> has_taken{false};
        std::vector<std::thread> waiters;

        cairn_lock_take(&lock);
        for (int i = 0; i < 3; i++)
            waiters.emplace_back([&] {
                waiting++;
                cairn_lock_wait(&lock, 999999);
            });
        while (waiting < 3)
            sched_yield();
        std::this_thread::sleep_for(milliseconds(2));
        std::thread taker([&] {
            waiting++;
            cairn_lock_take(&lock);
            has_taken = true;
            cairn_lock_release(&lock);
        });
        while (waiting < 4)
            sched_yield();
        std::this_thread::sleep_for(milliseconds(2));
        cairn_lock_release(&lock);
        for (std::thread &waiter : waiters)
            waiter.join();
        for (int i = 0; i < 5000 && !has_taken; i++)
            std::this_thread::sleep_for(milliseconds(1));
        if (!has_taken) {
            ADD_FAILURE() << "sleeps for ever";
            cairn_store_relaxed(&lock.state, 2u);
            cairn_lock_release(&lock);
            round = 1000;
        }
        taker.join();
    }
}

TEST(LockWait, LeavesALockThatManyTakeInOrder)
{
    constexpr unsigned kRounds = 3000;
    cairn_lock lock = {};
    unsigned counter = 0;
    std::vector<std::thread> threads;

    for (unsigned t = 0; t < 6; t++)
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < kRounds; i++) {
                while (t % 2 == 0 && !cairn_trylock(&lock))
                    cairn_lock_wait(&lock, 1000);
                if (t % 2 != 0)
                    cairn_lock_take(&lock);
                counter++;
                if (i % 64 == 0)
                    sched_yield();
                cairn_lock_release(&lock);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(counter, 6 * kRounds);
    EXPECT_FALSE(cairn_lock_is_held(&lock));
}

TEST(LockOrder, RisesThroughEveryRank)
{
    cairn_lock locks[CAIRN_RANK_COUNT];

    for (unsigned rank = 0; rank < CAIRN_RANK_COUNT; rank++) {
        cairn_lock_init(&locks[rank], static_cast<cairn_lock_rank>(rank));
        cairn_lock_take(&locks[rank]);
    }
    for (cairn_lock &lock : locks) // in any order
        cairn_lock_release(&lock);
}

TEST(LockOrder, IsOfEachThreadAlone)
{
    cairn_lock low = CAIRN_LOCK_INIT(CAIRN_RANK_STACK);
    cairn_lock high = CAIRN_LOCK_INIT(CAIRN_RANK_PAGES);

    cairn_lock_take(&high);
    std::thread([&] {
        cairn_lock_take(&low);
        cairn_lock_release(&low);
    }).join();
    cairn_lock_release(&high);
    cairn_lock_take(&low);
    cairn_lock_release(&low);
}

TEST(LockOrder, IsNotCheckedWithoutARank)
{
    cairn_lock high = CAIRN_LOCK_INIT(CAIRN_RANK_PAGES);
    cairn_lock none = CAIRN_LOCK_INIT(CAIRN_RANK_NONE);
    cairn_lock other = {};

    cairn_lock_take(&high);
    cairn_lock_take(&none);
    cairn_lock_take(&other);
    cairn_lock_release(&none);
    cairn_lock_release(&other);
    cairn_lock_release(&high);
}

// A flush of all shards holds one lock per CPU.
TEST(LockOrder, AllowsThousandsOfOneRank)
{
    std::vector<cairn_lock> shards(70000);
    cairn_lock depot = CAIRN_LOCK_INIT(CAIRN_RANK_DEPOT);

    for (cairn_lock &shard : shards) {
        cairn_lock_init(&shard, CAIRN_RANK_SHARD);
        cairn_lock_take(&shard);
    }
    cairn_lock_take(&depot);
    cairn_lock_release(&depot);
    for (cairn_lock &shard : shards)
        cairn_lock_release(&shard);
}

class LockOrderDeathTest : public ::testing::Test {
  protected:
    void SetUp() override
    {
        if (!CAIRN_DEBUG)
            GTEST_SKIP() << "ranks are checked in debug builds";
    }
};

TEST_F(LockOrderDeathTest, DiesWhenARankFalls)
{
    for (unsigned high = CAIRN_RANK_STACK + 1; high < CAIRN_RANK_COUNT; high++)
        for (unsigned low = CAIRN_RANK_STACK; low<high; low += high - CAIRN_RANK_STACK> 2 ? 2 : 1) {
            cairn_lock first = {0, high}, second = {0, low};

            cairn_lock_take(&first);
            EXPECT_DEATH(cairn_lock_take(&second), "lock order broken") << high << " " << low;
            EXPECT_DEATH((void)cairn_trylock(&second), "lock order broken") << high << " " << low;
            cairn_lock_release(&first);
            cairn_lock_take(&second); // the memory of the first is gone
            cairn_lock_release(&second);
        }
}

TEST_F(LockOrderDeathTest, DiesBeforeItWaitsForEver)
{
    cairn_lock high = CAIRN_LOCK_INIT(CAIRN_RANK_PAGES);
    cairn_lock low = {1, CAIRN_RANK_STACK}; // another thread's, which will want `high`

    cairn_lock_take(&high);
    EXPECT_DEATH(cairn_lock_take(&low), "lock order broken");
    cairn_lock_release(&high);
}

TEST_F(LockOrderDeathTest, DiesWhenALockIsReleasedByAnotherThread)
{
    cairn_lock lock = CAIRN_LOCK_INIT(CAIRN_RANK_BUDDY);

    EXPECT_DEATH(cairn_lock_release(&lock), "unlock of a lock that this thread does not hold");
    cairn_lock_take(&lock);
    EXPECT_DEATH(std::thread([&] { cairn_lock_release(&lock); }).join(),
                 "unlock of a lock that this thread does not hold");
    cairn_lock_release(&lock);
}

TEST_F(LockOrderDeathTest, DiesOfARankThatDoesNotExist)
{
    cairn_lock lock = {0, CAIRN_RANK_COUNT};

    EXPECT_DEATH(cairn_lock_take(&lock), "not initialised");
    EXPECT_DEATH(cairn_lock_release(&lock), "does not hold");
}

} // namespace
