// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The model that random tests compare the allocator with: a block is an address, a size and a seed,
// and must hold its pattern until it is freed. A history of blocks is judged after the fact: no two
// blocks may share a byte at the same time.
#ifndef CAIRN_TESTS_CONFORMANCE_MODEL_H_
#define CAIRN_TESTS_CONFORMANCE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/conformance/surface.h"

namespace conformance {

struct Block {
    void *address = nullptr;
    size_t size = 0;
    uint64_t seed = 0;
    uint64_t born = 0; // when the call that gave it had returned
};

// One life of one block: [born, died) is the time in which nobody else may own [first, last).
struct Life {
    uintptr_t first;
    uintptr_t last;
    uint64_t born;
    uint64_t died;
};

uint64_t Now();

// Makes random calls on blocks and checks all that can be checked on the spot. Not for sharing
// between threads; blocks may be handed from one Actor to another.
class Actor {
  public:
    Actor(uint64_t seed, unsigned size_bits) : random_(seed), size_bits_(size_bits)
    {
    }

    Block Allocate();          // by malloc, calloc, realloc or an aligned function
    void Resize(Block &block); // by realloc
    void Free(Block &block);   // by free
    void Verify(const Block &block);

    Random &random()
    {
        return random_;
    }
    const std::vector<Life> &lives() const
    {
        return lives_;
    }
    const std::string &complaint() const
    {
        return complaint_;
    } // the first thing found wrong, or ""

  private:
    void *Call(size_t size, size_t &alignment);
    void Complain(const std::string &what, const Block &block);
    void Die(const Block &block, uint64_t when);
    Random random_;
    unsigned size_bits_;
    std::vector<Life> lives_;
    std::string complaint_;
};

// "" when no two lives overlap in space and time, else a sentence that names two that do.
std::string FindOverlap(std::vector<Life> lives);

} // namespace conformance

#endif
