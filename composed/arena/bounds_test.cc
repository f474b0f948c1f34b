/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bounds_test.cc - not a byte outside the buffer is touched.
 *
 *     | no access |.slack.|=== the buffer ===|.slack.| no access |
 *
 * Each size stands once hard against the end and, at every misalignment, near the beginning; the
 * slack that pages leave is filled with a pattern. Each time the heap is filled with blocks of many
 * sizes and alignments, and used.
 */

#include <cairn/arena.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include <gtest/gtest.h>

#include "shadow.h"

namespace {

using cairn_test::Shadow;

constexpr unsigned char kSlack = 0x5c;

class Fenced {
  public:
    explicit Fenced(size_t bytes_max)
        : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))),
          inner_bytes_((bytes_max + 64 + page_ - 1) / page_ * page_)
    {
        void *mapping = mmap(NULL, inner_bytes_ + 2 * page_, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        inner_ = static_cast<unsigned char *>(mapping) + page_;
        EXPECT_EQ(mprotect(inner_, inner_bytes_, PROT_READ | PROT_WRITE), 0);
        memset(inner_, kSlack, inner_bytes_);
    }

    ~Fenced()
    {
        munmap(inner_ - page_, inner_bytes_ + 2 * page_);
    }

    unsigned char *at_end(size_t bytes)
    {
        return inner_ + inner_bytes_ - bytes;
    }

    unsigned char *at_beginning(size_t misalign_bytes)
    {
        return inner_ + misalign_bytes;
    }

    /* True when all but the buffer is as it was; then the buffer is, too. */
    bool restore(unsigned char *buffer, size_t bytes)
    {
        bool kept = is_slack(inner_, buffer) && is_slack(buffer + bytes, inner_ + inner_bytes_);

        memset(buffer, kSlack, bytes);
        return kept;
    }

  private:
    static bool is_slack(const unsigned char *from, const unsigned char *to)
    {
        for (; from < to; from++)
            if (*from != kSlack)
                return false;
        return true;
    }

    size_t page_;
    size_t inner_bytes_;
    unsigned char *inner_;
};

/* Uses a heap there; the sentence that was broken, or NULL. */
const char *use(Shadow *shadow_space, unsigned char *buffer, size_t bytes, size_t step_count)
{
    struct cairn_arena *arena = cairn_arena_init(buffer, bytes);
    const char *broken = NULL;

    if ((arena == NULL) != (bytes < CAIRN_ARENA_BYTES_MIN))
        return "the wrong sizes are refused";
    if (arena == NULL)
        return NULL;
    Shadow *shadow = new (shadow_space) Shadow(arena, bytes, Shadow::kBlocksMax);

    for (size_t align = CAIRN_ARENA_ALIGN_MAX; align > 0 && broken == NULL; align /= 2)
        broken = shadow->allocate(bytes / 64, align);
    for (size_t step = 0; step < step_count && broken == NULL; step++)
        broken = shadow->step(bytes / 8);
    for (size_t size = bytes / 4; size > 0 && broken == NULL; size /= 2) /* to the last byte */
        for (size_t i = 0; i < 4 && broken == NULL; i++)
            broken = shadow->allocate(size, 1);
    if (broken == NULL)
        broken = shadow->audit();
    cairn_arena_reset(arena);
    return broken;
}

class ArenaBounds : public testing::Test {
  protected:
    void expect_within(Fenced &fenced, unsigned char *buffer, size_t bytes, size_t step_count)
    {
        ASSERT_STREQ(use(space_.get(), buffer, bytes, step_count), nullptr) << bytes;
        ASSERT_TRUE(fenced.restore(buffer, bytes)) << bytes;
    }

    std::unique_ptr<Shadow> space_ = std::make_unique<Shadow>(nullptr, 0, 0);
};

TEST_F(ArenaBounds, HoldForEverySizeHardAgainstTheEnd)
{
    Fenced fenced(20000);

    for (size_t bytes = 0; bytes <= 20000; bytes += bytes < CAIRN_ARENA_BYTES_MIN ? 61 : 3)
        expect_within(fenced, fenced.at_end(bytes), bytes, 60);
    for (size_t bytes = CAIRN_ARENA_BYTES_MIN - 70; bytes <= CAIRN_ARENA_BYTES_MIN + 70; bytes++)
        expect_within(fenced, fenced.at_end(bytes), bytes, 60);
}

TEST_F(ArenaBounds, HoldForEveryMisalignmentAtTheBeginning)
{
    Fenced fenced(20000);

    for (size_t misalign = 0; misalign < 64; misalign++)
        for (size_t bytes = CAIRN_ARENA_BYTES_MIN; bytes <= 20000; bytes += 401)
            expect_within(fenced, fenced.at_beginning(misalign), bytes, 60);
}

TEST_F(ArenaBounds, HoldForBuffersThatHaveSlabs)
{
    Fenced fenced(6000000);

    for (size_t bytes = 250000; bytes <= 6000000; bytes += bytes / 5 + 77) {
        expect_within(fenced, fenced.at_end(bytes), bytes, 600);
        expect_within(fenced, fenced.at_beginning(bytes % 64), bytes, 600);
    }
}

} // namespace
