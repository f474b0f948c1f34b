// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The mappings of a process as /proc/PID/smaps shows them, and which of them hold an allocator's
// metadata: writable ones that are left out of core dumps, as a program's own memory is not.
#ifndef CAIRN_TESTS_MEMORY_SMAPS_H_
#define CAIRN_TESTS_MEMORY_SMAPS_H_

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace cairn_test {

struct Mapping {
    uintptr_t base = 0;
    uintptr_t end = 0;
    std::string access; // "rw-p"
    std::string name;   // a path, "[heap]", or nothing
    std::string flags;  // "rd wr mr "

    bool has(const char *flag) const
    {
        return flags.find(std::string(flag) + " ") != std::string::npos;
    }
    bool is_writable() const
    {
        return access[1] == 'w' && access[3] == 'p';
    }
    bool is_metadata() const
    {
        return is_writable() && has("dd");
    }
    uintptr_t bytes() const
    {
        return end - base;
    }
};

inline std::ostream &operator<<(std::ostream &stream, const Mapping &mapping)
{
    return stream << std::hex << mapping.base << "-" << mapping.end << std::dec << " "
                  << mapping.access << " " << mapping.name << " (" << mapping.flags << ")";
}

inline std::vector<Mapping> ParseSmaps(const std::string &text)
{
    std::vector<Mapping> mappings;
    for (const std::string &line : Lines(text)) {
        Mapping mapping;
        char access[8] = "";
        int name_at = 0;
        if (sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*s %*u %n", &mapping.base,
                   &mapping.end, access, &name_at) == 3) {
            mapping.access = access;
            mapping.name = line.substr(static_cast<size_t>(name_at));
            mappings.push_back(mapping);
        } else if (line.rfind("VmFlags: ", 0) == 0 && !mappings.empty()) {
            mappings.back().flags = line.substr(9) + " ";
        }
    }
    return mappings;
}

// The bytes of the mappings for which `which` says true.
template <typename Which>
uintptr_t SumBytes(const std::vector<Mapping> &mappings, const Which &which)
{
    uintptr_t sum = 0;
    for (const Mapping &mapping : mappings)
        sum += which(mapping) ? mapping.bytes() : 0;
    return sum;
}

} // namespace cairn_test

#endif
