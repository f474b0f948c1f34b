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
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/support/filter.h"

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
