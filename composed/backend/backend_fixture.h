// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A backend in a test: with tables of its own, and an end that finds what a test forgot to give
// back.

#ifndef CAIRN_COMPOSED_BACKEND_FIXTURE_H
#define CAIRN_COMPOSED_BACKEND_FIXTURE_H

#include <cairn/stack.h>

extern "C" {
#include "composed/backend/backend.h"
}

#include <gtest/gtest.h>

#include <sys/mman.h>

// Zeroed tables for a pagemap over the whole address space.
struct Tables {
    Tables()
    {
        void *all = mmap(nullptr, kRootBytes + kEmptyBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        EXPECT_NE(all, MAP_FAILED);
        root = static_cast<char *>(all);
        empty = root + kRootBytes;
    }
    ~Tables()
    {
        munmap(root, kRootBytes + kEmptyBytes);
    }
    Tables(const Tables &) = delete;
    Tables &operator=(const Tables &) = delete;

    static constexpr size_t kRootBytes = CAIRN_PAGEMAP_ROOT_BYTES(14);
    static constexpr size_t kEmptyBytes = CAIRN_PAGEMAP_EMPTY_BYTES;
    char *root;
    char *empty;
};

cairn_backend_config Config(const Tables &tables)
{
    cairn_backend_config config = {};
    config.policy = CAIRN_PAGESOURCE_MMAP; // the break belongs to the test's own malloc
    config.runs = &cairn_stack_runs;
    config.class_count = cairn_classes_default.count;
    config.bounds.decay_ms = CAIRN_BACKEND_RETAIN_MS;
    config.map_root = tables.root;
    config.map_empty = tables.empty;
    return config;
}

class Backend : public testing::Test {
  protected:
    void SetUp() override
    {
        cairn_backend_config config = Config(tables_);
        config.has_medium = has_medium_;
        config.bounds.limit_bytes = limit_bytes_;
        ASSERT_EQ(cairn_backend_init(&backend_, &config), 0);
        EXPECT_EQ(backend_.map.shape, CAIRN_PAGEMAP_TREE);
    }

    // Every test gives back what it took: the end of the backend says so.
    void TearDown() override
    {
        cairn_backend_check(&backend_);
        cairn_backend_trim(&backend_);
        EXPECT_EQ(Outstanding(), 0u);
        EXPECT_EQ(cairn_backend_stats(&backend_).huge_count, 0u);
        if (!HasFailure())
            cairn_backend_fini(&backend_);
        EXPECT_EQ(HasFailure() ? 0 : backend_.leaf_bytes, 0u);
    }

    char *Alloc(size_t size_bytes, size_t align_bytes = 1, bool *is_zeroed = nullptr)
    {
        return static_cast<char *>(
            cairn_backend_alloc(&backend_, size_bytes, align_bytes, is_zeroed));
    }
    char *Resize(void *block, size_t new_bytes)
    {
        return static_cast<char *>(cairn_backend_resize(&backend_, block, new_bytes));
    }
    uint16_t Tag(const void *block)
    {
        return cairn_pagemap_tag(&backend_.map, block);
    }
    size_t Usable(const void *block)
    {
        return cairn_backend_usable_bytes(&backend_, block, "test");
    }
    void Free(void *block)
    {
        cairn_backend_free(&backend_, block, "free");
    }
    size_t Outstanding()
    {
        return cairn_backend_stats(&backend_).runs.used_bytes;
    }
    // What is free and perhaps resident, in runs.
    size_t Dirty()
    {
        return cairn_backend_stats(&backend_).runs.free_dirty_bytes;
    }

    bool has_medium_ = false;
    size_t limit_bytes_ = 0;
    Tables tables_;
    cairn_backend backend_ = {};
};

// Under a cache that tells large blocks by their length.
class BackendMedium : public Backend {
  protected:
    BackendMedium()
    {
        has_medium_ = true;
    }

    void SetUp() override
    {
        Backend::SetUp();
        if (!backend_.has_medium)
            GTEST_SKIP() << "granules are not of 16 KiB here";
    }

    size_t MediumOf(const void *block)
    {
        return reinterpret_cast<uintptr_t>(block) % backend_.granule_bytes != 0
                   ? size_t{CAIRN_MEDIUM_COUNT}
                   : size_t{Tag(block)} - backend_.medium_kind;
    }
};

#endif
