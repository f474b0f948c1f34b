// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#include "tests/conformance/model.h"

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

namespace conformance {

uint64_t Now()
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void *Actor::Call(size_t size, size_t &alignment)
{
    alignment = size >= 16 ? 16 : 8;
    switch (random_.below(8)) {
    case 0: {
        void *block = calloc(1, size);
        if (block != nullptr && !IsZero(block, size))
            Complain("calloc gave dirty memory", {block, size, 0, 0});
        return block;
    }
    case 1:
        return realloc(nullptr, size);
    case 2: {
        alignment = size_t{16} << random_.below(9);
        void *block = nullptr;
        return posix_memalign(&block, alignment, size) == 0 ? block : nullptr;
    }
    default:
        return malloc(size);
    }
}

Block Actor::Allocate()
{
    Block block;
    size_t alignment = 0;
    block.size = random_.size_of_bits(size_bits_);
    block.seed = random_();
    block.address = Call(block.size, alignment);
    block.born = Now();
    if (block.address == nullptr) {
        Complain("no memory", block);
        block.size = 0;
        return block;
    }
    if (!IsAligned(block.address, alignment))
        Complain("misaligned", block);
    if (malloc_usable_size(block.address) < block.size)
        Complain("usable size below the size", block);
    Fill(block.address, block.size, block.seed);
    return block;
}

void Actor::Resize(Block &block)
{
    Verify(block);
    size_t size = 1 + random_.size_of_bits(size_bits_);
    uint64_t before = Now();
    Block old = block;
    block.address = realloc(block.address, size);
    block.born = Now();
    block.size = size;
    Die(old, before);
    if (block.address == nullptr)
        return Complain("no memory", old);
    if (!HoldsPrefix(block.address, size, old.size, old.seed))
        Complain("realloc lost content", old);
    Fill(block.address, block.size, block.seed);
}

void Actor::Verify(const Block &block)
{
    if (block.address == nullptr)
        return;
    if (!Holds(block.address, block.size, block.seed))
        Complain("overwritten", block);
}

void Actor::Free(Block &block)
{
    Verify(block);
    Die(block, Now());
    free(block.address);
    block = Block();
}

void Actor::Die(const Block &block, uint64_t when)
{
    if (block.address == nullptr)
        return;
    uintptr_t first = reinterpret_cast<uintptr_t>(block.address);
    lives_.push_back({first, first + std::max(block.size, size_t{1}), block.born, when});
}

void Actor::Complain(const std::string &what, const Block &block)
{
    if (!complaint_.empty())
        return;
    std::ostringstream text;
    text << what << ": block at " << block.address << " of " << block.size << " bytes";
    complaint_ = text.str();
}

namespace {

struct Event {
    uint64_t when;
    bool birth;
    size_t life;
};

// At the same instant deaths come first: the death was stamped before its call, the birth after its
// own.
std::vector<Event> Chronicle(const std::vector<Life> &lives)
{
    std::vector<Event> events;
    for (size_t i = 0; i < lives.size(); i++) {
        events.push_back({lives[i].born, true, i});
        events.push_back({std::max(lives[i].died, lives[i].born + 1), false, i});
    }
    std::sort(events.begin(), events.end(), [](const Event &a, const Event &b) {
        return a.when != b.when ? a.when < b.when : a.birth < b.birth;
    });
    return events;
}

std::string Describe(const Life &a, const Life &b)
{
    std::ostringstream text;
    text << std::hex << "[0x" << a.first << ", 0x" << a.last << ") and [0x" << b.first << ", 0x"
         << b.last << ") were owned at the same time";
    return text.str();
}

} // namespace

std::string FindOverlap(std::vector<Life> lives)
{
    std::map<uintptr_t, size_t> living; // first byte -> life
    for (const Event &event : Chronicle(lives)) {
        const Life &life = lives[event.life];
        if (!event.birth) {
            living.erase(life.first);
            continue;
        }
        auto after = living.lower_bound(life.first);
        if (after != living.end() && lives[after->second].first < life.last) {
            return Describe(life, lives[after->second]);
        }
        if (after != living.begin() && lives[std::prev(after)->second].last > life.first) {
            return Describe(life, lives[std::prev(after)->second]);
        }
        living.emplace(life.first, event.life);
    }
    return "";
}

} // namespace conformance
