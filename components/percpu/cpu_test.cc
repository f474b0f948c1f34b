// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The methods of finding a CPU id, on this machine and where rseq is taken away: in children that
// run this program again, with a scenario in the environment, before any test.

#include <cairn/cpu.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cairn/base/syscall.h>
#include <gtest/gtest.h>

#include "cpu_internal.h"

namespace {

std::atomic<bool> getcpu_refused{false};

} // namespace

/* Stands before libc's, so that it can fail. */
extern "C" int sched_getcpu() noexcept
{
    unsigned cpu = 0;

    if (getcpu_refused || syscall(SYS_getcpu, &cpu, nullptr, nullptr) != 0) {
        errno = ENOSYS;
        return -1;
    }
    return static_cast<int>(cpu);
}

namespace {

cairn_cpu make(cairn_cpu_id_method requested)
{
    cairn_cpu cpu;
    cairn_cpu_config config = {requested, nullptr, nullptr};
    EXPECT_EQ(cairn_cpu_init(&cpu, &config), 0);
    return cpu;
}

std::vector<int> allowed_cpus()
{
    cpu_set_t mask;
    std::vector<int> cpus;
    sched_getaffinity(0, sizeof(mask), &mask);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(static_cast<unsigned>(cpu), &mask))
            cpus.push_back(cpu);
    return cpus;
}

/* Pins the calling thread to each CPU in turn; true when the method always names it. */
bool agrees_when_pinned(const cairn_cpu &cpu)
{
    cpu_set_t before, one;
    bool agrees = true;
    sched_getaffinity(0, sizeof(before), &before);
    for (int round = 0; round < 20; round++)
        for (int id : allowed_cpus()) {
            CPU_ZERO(&one);
            CPU_SET(static_cast<unsigned>(id), &one);
            sched_setaffinity(0, sizeof(one), &one);
            agrees = agrees && cairn_cpu_current(&cpu) == id && sched_getcpu() == id;
            sched_setaffinity(0, sizeof(before), &before);
        }
    return agrees;
}

bool agrees_in_threads(const cairn_cpu &cpu)
{
    std::atomic<int> agreed{0};
    for (int round = 0; round < 8; round++) { // one after another: stacks are used again
        std::thread first([&] { agreed += agrees_when_pinned(cpu); });
        std::thread second([&] { agreed += agrees_when_pinned(cpu); });
        first.join();
        second.join();
    }
    return agreed == 16;
}

bool agrees_after_fork(const cairn_cpu &cpu)
{
    pid_t child = fork();
    if (child == 0)
        _exit(agrees_when_pinned(cpu) ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    return status == 0;
}

bool agrees_everywhere(const cairn_cpu &cpu)
{
    return agrees_when_pinned(cpu) && agrees_in_threads(cpu) && agrees_after_fork(cpu);
}

// Children. Each scenario returns the number of the line that went wrong, or 0.

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__;                                                                       \
    } while (0)

std::atomic<int> rseq_calls{0};

/* The registers of a system call: its first four arguments, the first of which is also the result
   on aarch64. */
struct Registers {
    explicit Registers(void *context)
    {
        auto &machine = static_cast<ucontext_t *>(context)->uc_mcontext;
#if defined(__x86_64__)
        arguments[0] = static_cast<long>(machine.gregs[REG_RDI]);
        arguments[1] = static_cast<long>(machine.gregs[REG_RSI]);
        arguments[2] = static_cast<long>(machine.gregs[REG_RDX]);
        arguments[3] = static_cast<long>(machine.gregs[REG_R10]);
        result = reinterpret_cast<long *>(&machine.gregs[REG_RAX]);
#elif defined(__aarch64__)
        for (int at = 0; at < 4; at++)
            arguments[at] = static_cast<long>(machine.regs[at]);
        result = reinterpret_cast<long *>(&machine.regs[0]);
#endif
    }

    long arguments[4] = {};
    long *result = nullptr;
};

void on_refused(int, siginfo_t *, void *context)
{
    rseq_calls++;
    *Registers(context).result = -EPERM;
}

/* The fifth argument lets a call pass: rseq has four. */
constexpr long LET_PASS = 1;

/* Registers the area as a signal handler would that allocates just before the interrupted thread's
   own call. */
void on_overtaken(int, siginfo_t *, void *context)
{
    Registers registers(context);
    const long *arguments = registers.arguments;
    rseq_calls++;
    for (int round = 0; round < 2; round++)
        *registers.result = cairn_syscall6(CPU_RSEQ_SYSCALL, arguments[0], arguments[1],
                                           arguments[2], arguments[3], LET_PASS, 0);
}

/* From now on rseq ends in the handler, for this thread and its children, and each call is counted.
   Where glibc uses rseq itself this must not be done: it ends the process when a later thread is
   refused. */
bool refuse_rseq(void (*handler)(int, siginfo_t *, void *) = on_refused)
{
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSYS, &action, nullptr);
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(CPU_RSEQ_SYSCALL), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + 4 * sizeof(uint64_t)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LET_PASS, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int without_libc_rseq()
{
    cairn_cpu cpu = make(CAIRN_CPU_AUTO);
    REQUIRE(cpu.method == CAIRN_CPU_OWN_RSEQ);
    REQUIRE(strstr(cpu.reason, "own") != nullptr);
    REQUIRE(cpu_rseq_load_id(cpu.rseq_offset) >= 0); // the fast path works, not only the answer
    REQUIRE(agrees_everywhere(cpu));
    REQUIRE(make(CAIRN_CPU_LIBC_RSEQ).method == CAIRN_CPU_OWN_RSEQ);
    REQUIRE(make(CAIRN_CPU_OWN_RSEQ).method == CAIRN_CPU_OWN_RSEQ);
    bool fast = false;
    std::thread([&] {
        cairn_cpu_current(&cpu);
        fast = cairn_cpu_current_fast(&cpu) >= 0;
    }).join();
    REQUIRE(fast);
    return 0;
}

int without_any_rseq()
{
    REQUIRE(refuse_rseq());
    cairn_cpu cpu = make(CAIRN_CPU_AUTO);
    REQUIRE(cpu.method == CAIRN_CPU_GETCPU);
    REQUIRE(rseq_calls == 1);
    REQUIRE(make(CAIRN_CPU_OWN_RSEQ).method == CAIRN_CPU_GETCPU);
    REQUIRE(make(CAIRN_CPU_LIBC_RSEQ).method == CAIRN_CPU_GETCPU);
    REQUIRE(rseq_calls == 1);
    REQUIRE(agrees_everywhere(cpu));
    return 0;
}

/* The first thread has an area of ours, later ones are refused: they are asked otherwise, and only
   once refused. */
int own_rseq_refused_later()
{
    cairn_cpu cpu = make(CAIRN_CPU_AUTO);
    REQUIRE(cpu.method == CAIRN_CPU_OWN_RSEQ);
    REQUIRE(refuse_rseq());
    bool agrees = false;
    std::thread([&] {
        errno = EXDEV;
        for (int round = 0; round < 1000; round++)
            cairn_cpu_current(&cpu);
        agrees = errno == EXDEV && agrees_when_pinned(cpu) && cairn_cpu_current_fast(&cpu) < 0;
    }).join();
    REQUIRE(agrees);
    REQUIRE(rseq_calls == 1);
    REQUIRE(agrees_when_pinned(cpu)); // the first thread keeps its area
    return 0;
}

int overtaken_by_a_signal_handler()
{
    REQUIRE(refuse_rseq(on_overtaken));
    cairn_cpu cpu = make(CAIRN_CPU_AUTO);
    REQUIRE(rseq_calls == 1);
    REQUIRE(cpu.method == CAIRN_CPU_OWN_RSEQ);
    REQUIRE(agrees_when_pinned(cpu));
    REQUIRE(rseq_calls == 1);
    return 0;
}

struct Scenario {
    const char *name;
    int (*run)();
};

const Scenario scenarios[] = {
    {"without_libc_rseq", without_libc_rseq},
    {"without_any_rseq", without_any_rseq},
    {"own_rseq_refused_later", own_rseq_refused_later},
    {"overtaken_by_a_signal_handler", overtaken_by_a_signal_handler},
};

constexpr int PASSED = 42; // not 0: a child that never came to its scenario must not look well

__attribute__((constructor)) void run_scenario()
{
    const char *name = getenv("CAIRN_CPU_SCENARIO");
    if (name == nullptr)
        return;
    for (const Scenario &scenario : scenarios)
        if (strcmp(scenario.name, name) == 0) {
            int line = scenario.run();
            if (line != 0)
                fprintf(stderr, "cpu_test.cc:%d: %s\n", line, name);
            _exit(line == 0 ? PASSED : 1);
        }
    _exit(2);
}

int exit_code_of(const Scenario &scenario)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("CAIRN_CPU_SCENARIO", scenario.name, 1);
        setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
        execl("/proc/self/exe", "cpu_test", nullptr);
        _exit(3);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Cpu, FindsAWayWhereRseqIsTakenAway)
{
    if (make(CAIRN_CPU_AUTO).method != CAIRN_CPU_LIBC_RSEQ)
        GTEST_SKIP() << "libc registers no rseq here, so there is nothing to take away";
    for (const Scenario &scenario : scenarios)
        EXPECT_EQ(exit_code_of(scenario), PASSED) << scenario.name;
}

TEST(Cpu, AsksOtherwiseInAThreadWhoseLibcAreaIsNotRegistered)
{
    cairn_cpu cpu = make(CAIRN_CPU_AUTO);
    if (cpu.method != CAIRN_CPU_LIBC_RSEQ)
        GTEST_SKIP() << "libc registers no rseq here";
    long error = -1;
    bool agrees = false, was_fast = false, is_fast = true;
    cairn_cpu_id_method method_there = CAIRN_CPU_AUTO;
    std::thread([&] {
        was_fast = cairn_cpu_current_fast(&cpu) >= 0;
        error = syscall(CPU_RSEQ_SYSCALL,
                        cpu_thread_pointer() + static_cast<uintptr_t>(cpu.rseq_offset), 32,
                        1 /* unregister */, CPU_RSEQ_SIGNATURE);
        is_fast = cairn_cpu_current_fast(&cpu) >= 0;
        agrees = agrees_when_pinned(cpu);
        method_there = make(CAIRN_CPU_AUTO).method;
    }).join();
    EXPECT_TRUE(was_fast);
    if (error != 0)
        GTEST_SKIP() << "libc registers an area of another size";
    EXPECT_FALSE(is_fast);
    EXPECT_GT(method_there, CAIRN_CPU_LIBC_RSEQ);
    EXPECT_TRUE(agrees);
    EXPECT_TRUE(agrees_when_pinned(cpu));
}

TEST(Cpu, EveryWayNamesTheCpuThatTheThreadIsPinnedTo)
{
    for (auto requested :
         {CAIRN_CPU_AUTO, CAIRN_CPU_LIBC_RSEQ, CAIRN_CPU_OWN_RSEQ, CAIRN_CPU_GETCPU}) {
        cairn_cpu cpu = make(requested);
        EXPECT_TRUE(agrees_everywhere(cpu)) << cairn_cpu_id_method_name(cpu.method);
    }
}

TEST(Cpu, TakesTheMethodThatWasRequestedOrTheNextOneDown)
{
    for (auto requested :
         {CAIRN_CPU_AUTO, CAIRN_CPU_LIBC_RSEQ, CAIRN_CPU_OWN_RSEQ, CAIRN_CPU_GETCPU}) {
        cairn_cpu cpu = make(requested);
        EXPECT_GE(cpu.method, requested);
        EXPECT_NE(cpu.method, CAIRN_CPU_AUTO);
        EXPECT_NE(cpu.method, CAIRN_CPU_CALLBACK);
        EXPECT_GT(strlen(cpu.reason), 10u);
    }
    EXPECT_EQ(make(CAIRN_CPU_GETCPU).method, CAIRN_CPU_GETCPU);
    EXPECT_STREQ(make(CAIRN_CPU_GETCPU).reason, "getcpu was asked for");
    // Libc and we cannot both have an area.
    if (make(CAIRN_CPU_AUTO).method == CAIRN_CPU_LIBC_RSEQ) {
        EXPECT_EQ(make(CAIRN_CPU_OWN_RSEQ).method, CAIRN_CPU_GETCPU);
        EXPECT_NE(strstr(make(CAIRN_CPU_OWN_RSEQ).reason, "own rseq was asked for"), nullptr);
    }
}

TEST(Cpu, RefusesUnknownMethodsAndCallbacksThatAreMissing)
{
    cairn_cpu cpu;
    for (auto method : {CAIRN_CPU_CALLBACK, static_cast<cairn_cpu_id_method>(7)}) {
        cairn_cpu_config config = {method, nullptr, nullptr};
        EXPECT_EQ(cairn_cpu_init(&cpu, &config), -EINVAL);
    }
}

TEST(Cpu, NamesItsMethods)
{
    EXPECT_STREQ(cairn_cpu_id_method_name(CAIRN_CPU_AUTO), "auto");
    EXPECT_STREQ(cairn_cpu_id_method_name(CAIRN_CPU_LIBC_RSEQ), "libc rseq");
    EXPECT_STREQ(cairn_cpu_id_method_name(CAIRN_CPU_OWN_RSEQ), "own rseq");
    EXPECT_STREQ(cairn_cpu_id_method_name(CAIRN_CPU_GETCPU), "getcpu");
    EXPECT_STREQ(cairn_cpu_id_method_name(CAIRN_CPU_CALLBACK), "callback");
    EXPECT_STREQ(cairn_cpu_id_method_name(static_cast<cairn_cpu_id_method>(7)), "unknown");
}

TEST(Cpu, PassesOnWhatACallbackSaysAndMinusOneForNoId)
{
    int answer = 0;
    cairn_cpu cpu;
    cairn_cpu_config config = {CAIRN_CPU_CALLBACK,
                               [](void *self) { return *static_cast<int *>(self); }, &answer};
    ASSERT_EQ(cairn_cpu_init(&cpu, &config), 0);
    EXPECT_EQ(cpu.method, CAIRN_CPU_CALLBACK);
    for (int id : {0, 1, 7, 4096, INT_MAX}) {
        answer = id;
        EXPECT_EQ(cairn_cpu_current(&cpu), id);
    }
    for (int id : {-1, -2, INT_MIN}) {
        answer = id;
        EXPECT_EQ(cairn_cpu_current(&cpu), -1);
    }
}

TEST(Cpu, KeepsErrno)
{
    for (auto requested : {CAIRN_CPU_AUTO, CAIRN_CPU_OWN_RSEQ, CAIRN_CPU_GETCPU}) {
        errno = EXDEV;
        cairn_cpu cpu = make(requested);
        cairn_cpu_current(&cpu);
        cairn_cpu_possible_count();
        cairn_cpu_count_file("/does/not/exist");
        EXPECT_EQ(errno, EXDEV);
    }
}

TEST(Cpu, AnswersMinusOneWhereTheIdIsUnknown)
{
    getcpu_refused = true;
    errno = EXDEV;
    cairn_cpu cpu = make(CAIRN_CPU_GETCPU);
    int id = cairn_cpu_current(&cpu);
    int error = errno;
    getcpu_refused = false;
    EXPECT_EQ(cpu.method, CAIRN_CPU_GETCPU);
    EXPECT_STREQ(cpu.reason, "getcpu was asked for");
    EXPECT_EQ(id, -1);
    EXPECT_EQ(error, EXDEV);
    EXPECT_GE(cairn_cpu_current(&cpu), 0);
}

TEST(Cpu, SpreadsThreadsWithoutAnIdWhateverTheStrideOfTheirStacks)
{
    const uintptr_t kib = 1024, page = 4096;
    for (uintptr_t stride : {8192 * kib + page, 8192 * kib, 1024 * kib, 1024 * kib + page,
                             256 * kib + page, 64 * kib + page, 16 * kib, page}) {
        size_t used_in_all = 0;
        for (uintptr_t base = 0; base < 1000; base++) {
            std::set<unsigned> used;
            for (uintptr_t thread = 0; thread < 16; thread++)
                used.insert(cairn_cpu_hash(0x7f0012345000 + base * 37 * page - thread * stride, 8));
            EXPECT_LT(*used.rbegin(), 8u);
            EXPECT_GE(used.size(), 3u) << stride;
            used_in_all += used.size();
        }
        EXPECT_GE(used_in_all, 6500u) << stride; // 16 balls in 8 boxes leave 0.94 empty: 7055
    }
    EXPECT_EQ(cairn_cpu_hash(0x7f0012345000, 1), 0u);
}

} // namespace
