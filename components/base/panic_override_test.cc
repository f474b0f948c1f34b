// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// cairn_panic is weak: a guest that wants another end defines its own. A binary of its own shows
// that.

#include <cairn/base/check.h>
#include <cairn/base/lock.h>

#include <csetjmp>
#include <string>

#include <gtest/gtest.h>

namespace {

std::jmp_buf escape;
std::string last_words;

} // namespace

void cairn_panic(const char *what, const void *, const char *where)
{
    last_words = std::string(what) + " in " + where;
    std::longjmp(escape, 1);
}

namespace {

TEST(Panic, CanBeReplacedByTheGuest)
{
    if (setjmp(escape) == 0) {
        CAIRN_CHECK(false, "bad size", nullptr, "give");
        FAIL() << "a check that fails does not go on";
    }
    EXPECT_EQ(last_words, "bad size in give");
}

TEST(Panic, IsReplacedInsideTheLibraryToo)
{
    cairn_lock lock = CAIRN_LOCK_INIT(CAIRN_RANK_PAGES);

    last_words.clear();
    if (setjmp(escape) == 0)
        cairn_lock_rank_leave(&lock);
    EXPECT_EQ(last_words.find("unlock of a lock"), CAIRN_DEBUG ? 0 : std::string::npos);
}

} // namespace
