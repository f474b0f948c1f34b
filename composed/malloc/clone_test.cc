// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// clone() as sched.h has it, and what it adds: children on their parent's thread pointer may
// allocate. What changes its process for good happens in a child of fork().

#include <cairn/malloc.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

// As <sys/rseq.h> declares it, where there is one.
extern "C" const ptrdiff_t __rseq_offset __attribute__((weak));

namespace {

constexpr int BESIDE = CLONE_VM | SIGCHLD;
constexpr int SUSPENDED = BESIDE | CLONE_VFORK;

alignas(16) char stack[1 << 18];
char *const top = stack + sizeof(stack);

int exit_code_of(pid_t child)
{
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

bool has_sequences()
{
    struct cairn_malloc_stats stats;
    return cairn_malloc_stats(&stats, sizeof(stats)) && strcmp(stats.mode, "rseq") == 0 &&
           strcmp(stats.cpu, "libc rseq") == 0 && &__rseq_offset != nullptr;
}

/* cpu_id of libc's area. */
volatile int *id_shown()
{
    char *area = static_cast<char *>(__builtin_thread_pointer()) + __rseq_offset;
    return reinterpret_cast<volatile int *>(area + 4);
}

/* Allocates and looks after what it wrote: the number of blocks that were not as they were left. */
int work(unsigned seed, int steps)
{
    struct {
        unsigned char *block;
        size_t bytes;
    } mine[50] = {};
    int spoilt = 0;
    for (int step = 0; step < steps; step++) {
        seed = seed * 1664525u + 1013904223u;
        auto &slot = mine[(seed >> 8) % 50];
        for (size_t at = 0; at < slot.bytes; at++)
            spoilt += slot.block[at] != static_cast<unsigned char>(slot.bytes);
        free(slot.block);
        slot.bytes = 1 + (seed >> 16) % 600;
        slot.block = static_cast<unsigned char *>(malloc(slot.bytes));
        memset(slot.block, static_cast<int>(slot.bytes), slot.bytes);
    }
    for (auto &slot : mine)
        free(slot.block);
    return spoilt;
}

int work_in_the_child(void *seed)
{
    alarm(60);
    return work(*static_cast<unsigned *>(seed), 2000) != 0;
}

/* What `body` returns, run in a child of fork(). */
int in_a_process(const std::function<int()> &body)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(body());
    }
    return exit_code_of(child);
}

TEST(Clone, IsOurs)
{
    Dl_info ours, theirs;
    ASSERT_NE(dladdr(reinterpret_cast<void *>(&clone), &ours), 0);
    ASSERT_NE(dladdr(reinterpret_cast<void *>(&fork), &theirs), 0);
    EXPECT_STRNE(ours.dli_fname, theirs.dli_fname);
}

struct Seen {
    pid_t pid;
    bool on_stack;
    pid_t parent_tid, child_tid;
};

int look_around(void *argument)
{
    auto *seen = static_cast<Seen *>(argument);
    char here = 0;
    char *volatile place = &here;
    seen->pid = getpid();
    seen->on_stack = place >= stack && place < top;
    return 7;
}

TEST(Clone, RunsAFunctionOnItsStackAndPassesEverythingOn)
{
    for (size_t unaligned = 0; unaligned < 16; unaligned++) {
        Seen seen = {};
        errno = 77;
        pid_t child = clone(look_around, top - unaligned,
                            SUSPENDED | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, &seen,
                            &seen.parent_tid, nullptr, &seen.child_tid);
        EXPECT_EQ(errno, 77);
        EXPECT_GT(child, 0);
        EXPECT_EQ(seen.pid, child);
        EXPECT_TRUE(seen.on_stack);
        EXPECT_EQ(seen.parent_tid, child);
        EXPECT_EQ(seen.child_tid, child);
        EXPECT_EQ(exit_code_of(child), 7);
    }
}

TEST(Clone, CopiesTheProcessWithoutCloneVm)
{
    Seen seen = {};
    pid_t child = clone(look_around, top, SIGCHLD, &seen);
    EXPECT_EQ(exit_code_of(child), 7);
    EXPECT_EQ(seen.pid, 0);
}

// Blocks of all layers: each has locks that a copy may find taken.
int use_all_layers(unsigned seed, int steps)
{
    int spoilt = work(seed, steps);
    for (size_t bytes : {5000000, 300000, 100000, 20000}) {
        char *block = static_cast<char *>(malloc(bytes));
        block[0] = block[bytes - 1] = 1;
        spoilt += *static_cast<volatile char *>(block) != 1;
        free(block);
    }
    return spoilt;
}

int use_all_layers_in_the_child(void *seed)
{
    alarm(10);
    return use_all_layers(*static_cast<unsigned *>(seed), 100) != 0;
}

// In a process of its own: other tests here are for a process of one thread.
TEST(Clone, CopiesABusyProcessWhoseChildAllocates)
{
    EXPECT_EQ(in_a_process([] {
                  std::atomic<bool> is_over{false};
                  std::vector<std::thread> threads;
                  int bad = 0;
                  for (unsigned number = 0; number < 3; number++)
                      threads.emplace_back([&, number] {
                          while (!is_over)
                              use_all_layers(number, 20);
                      });
                  for (unsigned seed = 0; seed < 300 && bad == 0; seed++)
                      bad += exit_code_of(
                                 clone(use_all_layers_in_the_child, top, SIGCHLD, &seed)) != 0;
                  is_over = true;
                  for (auto &thread : threads)
                      thread.join();
                  cairn_malloc_check();
                  return bad;
              }),
              0);
}

// The only thread of its process as far as libc knows, with a child beside it; hence before tests
// that make threads.
TEST(Clone, LetsParentAndChildAllocateAtOnce)
{
    EXPECT_EQ(in_a_process([] {
                  for (unsigned seed = 0; seed < 30; seed++) {
                      pid_t child = clone(work_in_the_child, top, BESIDE, &seed);
                      int spoilt = 0, status = -1;
                      while (waitpid(child, &status, WNOHANG) == 0)
                          spoilt += work(~seed, 100);
                      if (spoilt != 0 || status != 0)
                          return 1;
                  }
                  cairn_malloc_check();
                  return 0;
              }),
              0);
}

TEST(Clone, LetsAChildAllocateBesideBusyThreads)
{
    std::atomic<bool> is_over{false};
    std::atomic<int> spoilt{0};
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 4; number++)
        threads.emplace_back([&, number] {
            while (!is_over)
                spoilt += work(number, 1000);
        });
    for (unsigned seed = 0; seed < 200; seed++) {
        pid_t child = clone(work_in_the_child, top, SUSPENDED, &seed);
        EXPECT_EQ(exit_code_of(child), 0);
    }
    is_over = true;
    for (auto &thread : threads)
        thread.join();
    EXPECT_EQ(spoilt, 0);
    cairn_malloc_check();
}

int read_id(void *id)
{
    auto *place = static_cast<volatile int *>(id);
    *place = *id_shown();
    return 0;
}

TEST(Clone, LetsParentAndChildShowNoIdMeanwhile)
{
    if (!has_sequences())
        GTEST_SKIP() << "no sequences here";
    for (int round = 0; round < 10; round++) {
        volatile int id_in_child = 77;
        pid_t child = clone(read_id, top, SUSPENDED, const_cast<int *>(&id_in_child));
        EXPECT_LT(id_in_child, 0);
        EXPECT_GE(*id_shown(), 0);
        EXPECT_EQ(exit_code_of(child), 0);
    }
}

TEST(Clone, LeavesAParentBesideItsChildWithoutAnIdForGood)
{
    if (!has_sequences())
        GTEST_SKIP() << "no sequences here";
    EXPECT_EQ(in_a_process([] {
                  int id_in_child = 77;
                  if (exit_code_of(clone(read_id, top, BESIDE, &id_in_child)) != 0)
                      return 1;
                  if (id_in_child >= 0 || *id_shown() >= 0)
                      return 2;
                  if (exit_code_of(clone(read_id, top, SUSPENDED, &id_in_child)) != 0)
                      return 3;
                  return *id_shown() < 0 ? 0 : 4;
              }),
              0);
}

int have_a_child(void *id)
{
    static char below[1 << 16];
    pid_t child = clone(read_id, below + sizeof(below), SUSPENDED, id);
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && *id_shown() < 0 ? status : 1;
}

TEST(Clone, GivesAGrandchildTheSame)
{
    if (!has_sequences())
        GTEST_SKIP() << "no sequences here";
    volatile int id_in_grandchild = 77;
    pid_t child = clone(have_a_child, top, SUSPENDED, const_cast<int *>(&id_in_grandchild));
    EXPECT_EQ(exit_code_of(child), 0);
    EXPECT_LT(id_in_grandchild, 0);
    EXPECT_GE(*id_shown(), 0);
}

/* The parent's area, as the child sees it: it must not ask for its own thread pointer. */
struct Area {
    volatile int *parents_id;
    volatile int seen;
};

__attribute__((no_stack_protector)) int read_parents_id(void *argument)
{
    auto *area = static_cast<Area *>(argument);
    area->seen = *area->parents_id;
    return 0;
}

TEST(Clone, LeavesThoseWithAThreadPointerOfTheirOwnAlone)
{
    if (!has_sequences())
        GTEST_SKIP() << "no sequences here";
    alignas(64) static char storage[1 << 16];
    char *pointer = storage + sizeof(storage) / 2;
    memcpy(pointer, &pointer, sizeof(pointer)); // x86-64: it points to itself
    Area area = {id_shown(), 77};
    pid_t child = clone(read_parents_id, top, SUSPENDED | CLONE_SETTLS, &area, nullptr, pointer);
    EXPECT_EQ(exit_code_of(child), 0);
    EXPECT_GE(area.seen, 0);
    EXPECT_NE(area.seen, 77);
}

TEST(Clone, FailsWithTheReasonAndWithoutAnEffect)
{
    int (*volatile no_function)(void *) = nullptr;
    void *volatile no_stack = nullptr;
    unsigned seed = 1;
    const int refused = CLONE_VM | CLONE_THREAD; // not without CLONE_SIGHAND
    EXPECT_EQ(in_a_process([&] {
                  errno = 0;
                  if (clone(no_function, top, SUSPENDED, nullptr) != -1 || errno != EINVAL)
                      return 1;
                  errno = 0;
                  if (clone(work_in_the_child, no_stack, BESIDE, &seed) != -1 || errno != EINVAL)
                      return 2;
                  for (int flags : {refused, refused | CLONE_VFORK}) {
                      errno = 0;
                      if (clone(work_in_the_child, top, flags, &seed) != -1 || errno != EINVAL)
                          return 3;
                      if (has_sequences() && *id_shown() < 0)
                          return 4;
                  }
                  return work(1, 1000);
              }),
              0);
}

} // namespace
