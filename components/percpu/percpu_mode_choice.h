/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_mode_choice.h - for tests of the choice of mode: the statistics of a configuration, and
 * system calls that fail.
 */

#ifndef CAIRN_PERCPU_MODE_CHOICE_H
#define CAIRN_PERCPU_MODE_CHOICE_H

#include "percpu_testing.h"

#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

namespace percpu_testing {

constexpr Mode AUTO = {"auto", CAIRN_PERCPU_AUTO, false};

/* The statistics of caches whose configuration `change` changed. */
template <typename Change> Caches::cairn_percpu_stats_type stats_with(Change change)
{
    TokenSource tokens({64}, 10);
    cairn_percpu_config config = {};
    config.block_bytes = tokens.block_bytes();
    config.class_count = 1;
    config.source = tokens.source();
    change(config);
    config.state_bytes = cairn_percpu_state_bytes(&config);
    State state(config.state_bytes);
    config.state = state.memory;
    auto percpu = std::make_unique<cairn_percpu>();
    EXPECT_EQ(cairn_percpu_init(percpu.get(), &config), 0);
    return cairn_percpu_stats(percpu.get());
}

inline bool says(const char *text, const char *part)
{
    return strstr(text, part) != nullptr;
}

#define NEEDS_RSEQ()                                                                               \
    if (const char *reason = percpu_testing::absent(percpu_testing::RSEQ_BY_CPU))                  \
    GTEST_SKIP() << reason

/* From now on, in this thread and in what it starts, the kernel answers these system calls so. */
inline bool answer(const std::vector<long> &numbers, unsigned verdict)
{
    std::vector<sock_filter> program = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (long number : numbers) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(number), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* This system call fails with EPERM; or with `error`, where 0 is that it does nothing and says it
   did. */
inline bool deny(long number, unsigned error = EPERM)
{
    return answer({number}, SECCOMP_RET_ERRNO | error);
}

/* Another thread, which does nothing: the process is not alone. */
class AnotherThread {
  public:
    AnotherThread() : thread_([this] { wait(); })
    {
    }

    ~AnotherThread()
    {
        {
            std::lock_guard<std::mutex> guard(mutex_);
            may_go_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

  private:
    void wait()
    {
        std::unique_lock<std::mutex> guard(mutex_);
        changed_.wait(guard, [this] { return may_go_; });
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool may_go_ = false;
    std::thread thread_;
};

} // namespace percpu_testing

#endif
