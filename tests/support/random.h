// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#ifndef CAIRN_TESTS_SUPPORT_RANDOM_H_
#define CAIRN_TESTS_SUPPORT_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace cairn_test {

// The seed of this process's random tests: CAIRN_TEST_SEED if that is set, otherwise a new one. It
// is printed, so that a failure can be repeated.
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

// The one generator of the tests, and what they draw from it.
class Random : public std::mt19937_64 {
  public:
    using std::mt19937_64::mt19937_64;

    size_t below(size_t bound)
    {
        return static_cast<size_t>((*this)() % bound);
    }

    // Small sizes often, large ones seldom: the logarithm is uniform up to `bits`.
    size_t size_of_bits(unsigned bits)
    {
        return below((size_t{1} << below(bits + 1)) + 1);
    }

    // Every magnitude up to `max` is as likely as every other.
    size_t size_up_to(size_t max)
    {
        size_t bound = size_t{1} << below(41);
        return below((bound < max ? bound : max) + 1);
    }
};

} // namespace cairn_test

#endif
