// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#ifndef CAIRN_TESTS_SUPPORT_SEED_H_
#define CAIRN_TESTS_SUPPORT_SEED_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace cairn_test {

// The seed of this process's random tests: CAIRN_TEST_SEED if that is set, otherwise a new one. It is printed, so
// that a failure can be repeated. The generator of random numbers is std::mt19937_64 everywhere.
inline uint64_t test_seed()
{
    static const uint64_t seed = [] {
        const char *given = std::getenv("CAIRN_TEST_SEED");
        uint64_t chosen =
            given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
        std::printf("CAIRN_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
        std::fflush(stdout);
        return chosen;
    }();
    return seed;
}

} // namespace cairn_test

#endif
