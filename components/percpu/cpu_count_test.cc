// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// How many CPUs there could be: the list as text, as a file, and on the machine at hand.

#include <cairn/cpu.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <sched.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "cpu_internal.h"

namespace {

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

unsigned parse(const std::string &text, size_t piece_bytes)
{
    cpu_list list = {};
    for (size_t at = 0; at < text.size(); at += piece_bytes) {
        std::string piece = text.substr(at, piece_bytes);
        cairn_cpu_list_feed(&list, piece.data(), piece.size());
    }
    return cairn_cpu_list_end(&list);
}

TEST(CpuCount, ReadsListsOfRangesCutAnywhere)
{
    const std::pair<const char *, unsigned> texts[] = {
        {"0\n", 1},
        {"0", 1},
        {"0-3\n", 4},
        {"0-3,8-11\n", 12},
        {"8-11,0-3\n", 12},
        {"5\n", 6},
        {"0,2,4\n", 5},
        {"0-127", 128},
        {"0-8191\n", 8192},
        {"1048575", 1048576},
        {"0-3\n\n", 4},
        // malformed, empty, absurd
        {"", 0},
        {"\n", 0},
        {"-3\n", 0},
        {"0-\n", 0},
        {"0,,1\n", 0},
        {"all\n", 0},
        {"0-3 \n", 0},
        {"0x3\n", 0},
        {"1048576", 0},
        {"99999999999999999999999999", 0},
        {",", 0},
        {"0-", 0},
        {"1\n2\n", 3},
    };
    for (auto &text : texts)
        for (size_t piece_bytes = 1; piece_bytes <= strlen(text.first) + 1; piece_bytes++)
            EXPECT_EQ(parse(text.first, piece_bytes), text.second) << text.first;
}

TEST(CpuCount, ReadsALongFileInPieces)
{
    char path[] = "/tmp/cairn_cpu_count_XXXXXX";
    int fd = mkstemp(path);
    ASSERT_GE(fd, 0);
    std::string text;
    for (int cpu = 0; cpu < 4000; cpu += 2)
        text += (cpu != 0 ? "," : "") + std::to_string(cpu);
    text += "\n";
    ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(cairn_cpu_count_file(path), 3999u);
    ASSERT_EQ(ftruncate(fd, 0), 0);
    EXPECT_EQ(cairn_cpu_count_file(path), 0u);
    close(fd);
    unlink(path);
    EXPECT_EQ(cairn_cpu_count_file(path), 0u);
    EXPECT_EQ(cairn_cpu_count_file("/"), 0u); // opens, but does not read
}

TEST(CpuCount, LeavesNoFileOpen)
{
    int before = dup(0);
    close(before);
    for (int round = 0; round < 10; round++) {
        cairn_cpu_possible_count();
        cairn_cpu_count_file("/");
    }
    int after = dup(0);
    close(after);
    EXPECT_EQ(after, before);
}

TEST(CpuCount, CoversEveryCpuOfTheAffinityMask)
{
    std::vector<int> cpus = allowed_cpus();
    EXPECT_EQ(cairn_cpu_count_affinity(), static_cast<unsigned>(cpus.back()) + 1);
    EXPECT_GE(cairn_cpu_possible_count(), static_cast<unsigned>(cpus.back()) + 1);
    EXPECT_GE(cairn_cpu_possible_count(), static_cast<unsigned>(sysconf(_SC_NPROCESSORS_CONF)));
}

} // namespace
