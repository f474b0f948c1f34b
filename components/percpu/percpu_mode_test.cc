// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Which mode is chosen, why, and what becomes of it when the kernel changes its mind: seccomp filters, threads without
// an area, emulators.

#include "percpu_testing.h"

#include <cerrno>
#include <cstring>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_arch.h"
#include <gtest/gtest.h>

// shard.h, which is no C++
extern "C" bool cairn_rseq_choose(struct cairn_percpu *percpu, enum cairn_percpu_mode wish,
                                  bool by_cpu_id);

namespace {

using percpu_testing::alloc_many;
using percpu_testing::Caches;
using percpu_testing::free_all;
using percpu_testing::Mode;
using percpu_testing::TokenSource;

constexpr Mode AUTO = {"auto", CAIRN_PERCPU_AUTO, false};

/* What caches say of themselves whose configuration `change` was at. */
template <typename Change> Caches::cairn_percpu_stats_type chosen(Change change)
{
    TokenSource tokens({64}, 10);
    cairn_percpu_config config = {};
    config.block_bytes = tokens.block_bytes();
    config.class_count = 1;
    config.source = tokens.source();
    change(config);
    config.state_bytes = cairn_percpu_state_bytes(&config);
    percpu_testing::State state(config.state_bytes);
    config.state = state.memory;
    auto percpu = std::make_unique<cairn_percpu>();
    EXPECT_EQ(cairn_percpu_init(percpu.get(), &config), 0);
    return cairn_percpu_stats(percpu.get());
}

bool says(const char *text, const char *part)
{
    return strstr(text, part) != nullptr;
}

#define NEEDS_RSEQ()                                                                               \
    if (const char *reason = percpu_testing::absent(percpu_testing::RSEQ_BY_CPU))                  \
    GTEST_SKIP() << reason

/* For the other tests skip where it is not. */
TEST(PercpuMode, IsRseqByItselfWhereItCanBe)
{
    constexpr long QUERY = 0, FENCE = 1 << 7;
    const auto way = chosen([](auto &) {}).cpu_way;
    if (!CAIRN_RSEQ_EXISTS || way == CAIRN_CPU_GETCPU)
        GTEST_SKIP() << "no sequences in this build, or no area";
    if ((syscall(CPU_MEMBARRIER_SYSCALL, QUERY, 0, 0) & FENCE) == 0)
        GTEST_SKIP() << "no membarrier for rseq";
    for (auto wish : {CAIRN_PERCPU_AUTO, CAIRN_PERCPU_RSEQ}) {
        auto stats = chosen([&](auto &c) { c.mode = wish; });
        EXPECT_EQ(stats.mode, CAIRN_PERCPU_RSEQ) << stats.reason;
        EXPECT_TRUE(says(stats.reason, stats.by_cid ? "by concurrency id" : "by CPU id"));
    }
}

TEST(PercpuMode, IsByCpuIdWhenThatIsAskedFor)
{
    NEEDS_RSEQ();
    auto stats = chosen([](auto &c) { c.by_cpu_id = true; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_RSEQ);
    EXPECT_FALSE(stats.by_cid);
    EXPECT_TRUE(says(stats.reason, "by CPU id"));
}

TEST(PercpuMode, IsLockWhenThatIsAskedFor)
{
    auto stats = chosen([](auto &c) { c.mode = CAIRN_PERCPU_LOCK; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
    EXPECT_TRUE(says(stats.reason, "asked for"));
    EXPECT_FALSE(stats.by_cid);
}

TEST(PercpuMode, IsLockWithoutAnArea)
{
    NEEDS_RSEQ();
    for (auto wish : {CAIRN_PERCPU_AUTO, CAIRN_PERCPU_RSEQ}) {
        auto stats = chosen([&](auto &c) {
            c.mode = wish;
            c.cpu_way = CAIRN_CPU_GETCPU;
        });
        EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
        EXPECT_TRUE(says(stats.reason, "no rseq area"));
    }
}

TEST(PercpuMode, IsLockForIdsFromAFunction)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 10);
    Caches caches(tokens, 0);
    EXPECT_FALSE(cairn_rseq_choose(caches, CAIRN_PERCPU_RSEQ, false));
    EXPECT_TRUE(says(caches->reason, "no rseq area"));
}

TEST(PercpuMode, IsLockWithFewerShardsThanCpus)
{
    NEEDS_RSEQ();
    if (cairn_cpu_possible_count() == 1)
        GTEST_SKIP() << "one CPU";
    auto stats = chosen([](auto &c) { c.shard_count = cairn_cpu_possible_count() - 1; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
    EXPECT_TRUE(says(stats.reason, "fewer shards"));
    stats = chosen([](auto &c) { c.shard_count = cairn_cpu_possible_count() + 1; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_RSEQ);
}

TEST(PercpuMode, HasALaneForEveryIdThatTheKernelCouldGive)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 10);
    Caches caches(tokens, 0, 0, 0, false, AUTO);
    EXPECT_GE(caches->lane_count, caches->shard_count);
    EXPECT_EQ(caches->lane_count % 64, 0u);
    for (unsigned id = 0; id < caches->lane_count; id++)
        EXPECT_EQ(caches->view.lanes[id] == caches.shard(id), id < caches->shard_count);
}

TEST(PercpuMode, AnIdBeyondTheShardsGoesPastThem)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
    // As if /sys had told of too few CPUs.
    const unsigned shard_count = caches->shard_count;
    for (unsigned id = 0; id < shard_count; id++)
        caches->view.lanes[id] = caches->view.lanes[shard_count];
    caches->shard_count = 0;
    std::vector<void *> blocks = alloc_many(caches, 0, 100);
    EXPECT_EQ(tokens.outstanding(0), 100u);
    free_all(caches, 0, blocks);
    EXPECT_EQ(cairn_depot_count(&caches->depot, 0), 100u);
    caches->shard_count = shard_count;
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 0u);
    cairn_percpu_fini(caches);
    EXPECT_EQ(tokens.outstanding(0), 0u);
}

TEST(PercpuMode, NamesModes)
{
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_AUTO), "auto");
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_LOCK), "lock");
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_RSEQ), "rseq");
    EXPECT_STREQ(cairn_percpu_mode_name(static_cast<cairn_percpu_mode>(3)), "unknown");
}

// A kernel that says no

/* From now on this system call fails with EPERM in this thread and in what it starts. */
bool deny(long number)
{
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(number), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog filter = {4, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Runs `body` in a child; it returns NULL or what was wrong. */
template <typename Body> int in_child(Body body)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        const char *wrong = body();
        if (wrong != nullptr)
            fprintf(stderr, "in the child: %s\n", wrong);
        _exit(wrong != nullptr || ::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

TEST(PercpuModeDenied, IsLockWithoutMembarrier)
{
    NEEDS_RSEQ();
    EXPECT_EQ(in_child([]() -> const char * {
                  if (!deny(CPU_MEMBARRIER_SYSCALL))
                      return nullptr;
                  auto stats = chosen([](auto &c) { c.mode = CAIRN_PERCPU_RSEQ; });
                  EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
                  return says(stats.reason, "membarrier") ? nullptr : stats.reason;
              }),
              0);
}

TEST(PercpuModeDenied, IsLockWithoutABoundOfIds)
{
    NEEDS_RSEQ();
    EXPECT_EQ(in_child([]() -> const char * {
                  if (!deny(SYS_sched_getaffinity))
                      return nullptr;
                  auto stats = chosen([](auto &c) { c.mode = CAIRN_PERCPU_RSEQ; });
                  EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
                  return says(stats.reason, "unknown") ? nullptr : stats.reason;
              }),
              0);
}

/* Blocks in the shards of two CPUs; the thread is on the first. */
void fill_two(Caches &caches)
{
    for (unsigned k : {1u, 0u}) {
        caches.on(k);
        free_all(caches, 0, alloc_many(caches, 0, 10));
    }
}

TEST(PercpuModeDenied, LeavesOtherShardsAloneWhenMembarrierIsDeniedLater)
{
    NEEDS_RSEQ();
    if (percpu_testing::cpus().size() < 2)
        GTEST_SKIP() << "one CPU";
    EXPECT_EQ(in_child([]() -> const char * {
                  TokenSource tokens({64}, 1000);
                  Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
                  fill_two(caches);
                  if (!deny(CPU_MEMBARRIER_SYSCALL))
                      return nullptr;
                  EXPECT_EQ(caches.array(1, 0).count, 64u);
                  EXPECT_EQ(cairn_percpu_drain(caches), 64u); // its own
                  EXPECT_EQ(caches.array(0, 0).count, 0u);
                  EXPECT_EQ(caches.array(1, 0).count, 64u);
                  cairn_percpu_check(caches);
                  caches.on(1); // still open
                  void *block = cairn_percpu_alloc(caches, 0);
                  EXPECT_EQ(caches.array(1, 0).count, 63u);
                  cairn_percpu_free(caches, 0, block);
                  EXPECT_EQ(cairn_percpu_drain(caches), 64u);
                  return tokens.outstanding(0) == 0 && tokens.broken == 0 ? nullptr : "tokens";
              }),
              0);
}

TEST(PercpuModeDenied, AChildStartsEmptyWhenMembarrierIsDeniedLater)
{
    NEEDS_RSEQ();
    EXPECT_EQ(in_child([]() -> const char * {
                  TokenSource tokens({64}, 1000);
                  Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
                  fill_two(caches);
                  const size_t waiting = caches.waiting_bytes();
                  if (!deny(CPU_MEMBARRIER_SYSCALL))
                      return nullptr;
                  cairn_percpu_prefork(caches);
                  cairn_lock_fork_begin();
                  EXPECT_EQ(cairn_percpu_drain(caches), 0u);
                  free_all(caches, 0, alloc_many(caches, 0, 10));
                  int status = in_child([&]() -> const char * {
                      cairn_lock_fork_end();
                      cairn_percpu_postfork(caches);
                      EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, 0u);
                      free_all(caches, 0, alloc_many(caches, 0, 10));
                      cairn_percpu_check(caches);
                      EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, 64u * 64);
                      return nullptr;
                  });
                  EXPECT_EQ(status, 0);
                  cairn_lock_fork_end();
                  cairn_percpu_postfork(caches);
                  EXPECT_EQ(caches.waiting_bytes(), waiting + 10 * 64); // these went past
                  EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
                  return nullptr;
              }),
              0);
}

TEST(PercpuModeDenied, AllLanesStayClosedWhileSomebodyForks)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
    cairn_percpu_shard *const nothing = caches->view.lanes[caches->lane_count - 1];
    fill_two(caches);
    auto closed = [&] {
        return std::count(caches->view.lanes, caches->view.lanes + caches->shard_count, nothing);
    };
    EXPECT_EQ(closed(), 0);
    cairn_percpu_prefork(caches);
    cairn_lock_fork_begin();
    EXPECT_EQ(closed(), caches->shard_count);
    free_all(caches, 0, alloc_many(caches, 0, 200));
    EXPECT_EQ(closed(), caches->shard_count);
    cairn_percpu_drain(caches); // enters and leaves
    EXPECT_EQ(closed(), caches->shard_count);
    cairn_lock_fork_end();
    cairn_percpu_postfork(caches);
    EXPECT_EQ(closed(), 0);
    percpu_testing::unpin();
    percpu_testing::expect_ends_clean(caches, tokens);
}

// A thread without an area

/* Takes the area of the calling thread from the kernel; false where it was not libc's, or the kernel will not. */
class Unregistered {
  public:
    explicit Unregistered(cairn_percpu *percpu)
        : area_(cpu_thread_pointer() + static_cast<uintptr_t>(percpu->view.area))
    {
        worked = percpu->cpu.way == CAIRN_CPU_LIBC_RSEQ && call(1) == 0;
    }

    ~Unregistered()
    {
        if (worked)
            call(0);
    }

    bool worked;

  private:
    long call(int flags)
    {
        return syscall(CPU_RSEQ_SYSCALL, area_, 32, flags, CPU_RSEQ_SIGNATURE);
    }

    uintptr_t area_;
};

TEST(PercpuModeDenied, AThreadWithoutAnAreaGoesPastTheShards)
{
    for (Mode mode : {percpu_testing::RSEQ_BY_CPU, percpu_testing::RSEQ_BY_CID}) {
        if (const char *reason = percpu_testing::absent(mode))
            GTEST_SKIP() << reason;
        TokenSource tokens({64, 512}, 5000);
        Caches caches(tokens, 0, 0, 0, false, mode);
        free_all(caches, 0, alloc_many(caches, 0, 1000));
        const size_t cached = cairn_percpu_stats(caches).cached_bytes;
        std::thread without([&] {
            Unregistered area(caches);
            if (!area.worked)
                return;
            for (unsigned class_idx : {0u, 1u})
                for (int round = 0; round < 10; round++)
                    free_all(caches, class_idx, alloc_many(caches, class_idx, 100));
            EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, cached);
            EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
            // All there is, those in the shards too, which are drained for it.
            std::vector<void *> all = alloc_many(caches, 0, 5000);
            EXPECT_EQ(std::count(all.begin(), all.end(), nullptr), 0);
            EXPECT_EQ(cairn_percpu_alloc(caches, 0), nullptr);
            free_all(caches, 0, all);
        });
        without.join();
        percpu_testing::expect_ends_clean(caches, tokens);
    }
}

// Whole processes. The tests called Inside are for a child, which this file starts with another environment.

std::string own_path()
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    return std::string(path, length > 0 ? static_cast<size_t>(length) : 0);
}

/* Runs this binary in a child, behind `before`, and returns its status. */
int run_self(std::vector<std::string> before, const std::string &argument, const char *tunables)
{
    std::vector<std::string> words = before;
    words.push_back(own_path());
    words.push_back(argument);
    pid_t child = fork();
    if (child == 0) {
        std::vector<char *> arguments;
        for (auto &word : words)
            arguments.push_back(&word[0]);
        arguments.push_back(nullptr);
        setenv("CAIRN_PERCPU_INSIDE", "1", 1);
        if (tunables != nullptr)
            setenv("GLIBC_TUNABLES", tunables, 1);
        for (const char *of_bazel : {"GTEST_OUTPUT", "XML_OUTPUT_FILE", "TEST_TOTAL_SHARDS"})
            unsetenv(of_bazel);
        execvp(arguments[0], arguments.data());
        _exit(1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

/* Runs tests of this binary so; false when `before` is not there, or cannot run it at all, as with a sanitizer. */
bool rerun(std::vector<std::string> before, const char *filter, const char *tunables)
{
    if (run_self(before, "--gtest_list_tests", tunables) != 0)
        return false;
    EXPECT_EQ(run_self(before, std::string("--gtest_filter=") + filter, tunables), 0) << filter;
    return true;
}

class Inside : public ::testing::Test {
  protected:
    void SetUp() override
    {
        if (getenv("CAIRN_PERCPU_INSIDE") == nullptr)
            GTEST_SKIP() << "run by the tests of PercpuModeOf";
    }
};

/* Threads that come and go, over caches in `mode`. */
void use_from_threads(Caches &caches, TokenSource &tokens)
{
    for (int round = 0; round < 20; round++) {
        std::vector<std::thread> threads;
        for (int number = 0; number < 4; number++)
            threads.emplace_back([&] {
                for (int at = 0; at < 50; at++)
                    free_all(caches, 0, alloc_many(caches, 0, 200));
            });
        for (auto &thread : threads)
            thread.join();
        EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
        cairn_percpu_check(caches);
    }
    percpu_testing::expect_ends_clean(caches, tokens);
}

TEST_F(Inside, AnAreaOfOurOwnServes)
{
    for (bool by_cpu_id : {false, true}) {
        TokenSource tokens({64}, 10000);
        Caches caches(tokens, 0, 0, 0, false, {"", CAIRN_PERCPU_AUTO, by_cpu_id});
        auto stats = cairn_percpu_stats(caches);
        ASSERT_EQ(stats.cpu_way, CAIRN_CPU_OWN_RSEQ) << stats.cpu_reason;
        ASSERT_EQ(stats.mode, CAIRN_PERCPU_RSEQ) << stats.reason;
        use_from_threads(caches, tokens);
        EXPECT_EQ(tokens.outstanding(0), 0u);
    }
}

TEST_F(Inside, AThreadThatIsRefusedAnAreaGoesPastTheShards)
{
    TokenSource tokens({64}, 10000);
    Caches caches(tokens, 0, 0, 0, false, AUTO);
    ASSERT_EQ(cairn_percpu_stats(caches).mode, CAIRN_PERCPU_RSEQ);
    if (!deny(CPU_RSEQ_SYSCALL))
        GTEST_SKIP() << "no seccomp";
    std::thread refused([&] {
        free_all(caches, 0, alloc_many(caches, 0, 200));
        EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 0u);
    });
    refused.join();
    free_all(caches, 0, alloc_many(caches, 0, 200)); // this thread has its area
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 1u);
    use_from_threads(caches, tokens);
}

TEST_F(Inside, WithoutRseqIsLock)
{
    TokenSource tokens({64}, 10000);
    if (getenv("GLIBC_TUNABLES") != nullptr && !deny(CPU_RSEQ_SYSCALL))
        GTEST_SKIP() << "no seccomp";
    Caches caches(tokens, 0, 0, 0, false, {"", CAIRN_PERCPU_AUTO, false});
    auto stats = cairn_percpu_stats(caches);
    ASSERT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
    EXPECT_EQ(stats.cpu_way, CAIRN_CPU_GETCPU) << stats.cpu_reason;
    EXPECT_TRUE(says(stats.reason, "no rseq area") || says(stats.reason, "in this build"));
    use_from_threads(caches, tokens);
}

constexpr char NO_RSEQ[] = "glibc.pthread.rseq=0";

TEST(PercpuModeOf, AProcessWhoseLibcRegistersNothing)
{
    NEEDS_RSEQ();
    EXPECT_TRUE(rerun({}, "Inside.An*", NO_RSEQ));
    EXPECT_TRUE(rerun({}, "Inside.AThreadThatIsRefused*", NO_RSEQ));
    EXPECT_TRUE(rerun({}, "Inside.WithoutRseqIsLock", NO_RSEQ));
}

TEST(PercpuModeOf, AProcessUnderValgrindOrQemu)
{
    NEEDS_RSEQ();
    bool valgrind = rerun({"valgrind", "--quiet"}, "Inside.WithoutRseqIsLock", nullptr);
    bool qemu = rerun({"qemu-x86_64"}, "Inside.WithoutRseqIsLock", nullptr);
    if (!valgrind && !qemu)
        GTEST_SKIP() << "neither is here, or neither can run this";
}

} // namespace
