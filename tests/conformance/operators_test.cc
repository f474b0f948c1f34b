// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Every replaceable form of operator new and delete. They are called as functions, for a compiler
// may leave out a new-expression whose result is deleted unseen.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>
#include <set>

// Clang declares the sized forms only when told to call them in delete-expressions.
void operator delete(void *block, std::size_t size) noexcept;
void operator delete[](void *block, std::size_t size) noexcept;
void operator delete(void *block, std::size_t size, std::align_val_t alignment) noexcept;
void operator delete[](void *block, std::size_t size, std::align_val_t alignment) noexcept;

namespace conformance {
namespace {

const size_t kSizes[] = {0, 1, 8, 16, 17, 100, 1000, 5000, 40000, 100000, 1 << 20, 5 << 20};

void *Null()
{
    return Opaque(static_cast<void *>(nullptr));
}

TEST(OperatorNew, GivesAlignedWritableBlocks)
{
    for (size_t size : kSizes) {
        for (void *block :
             {::operator new(size), ::operator new[](size), ::operator new(size, std::nothrow),
              ::operator new[](size, std::nothrow)}) {
            ASSERT_NE(block, nullptr);
            EXPECT_TRUE(IsAligned(block, size >= 16 ? 16 : 8)) << size;
            EXPECT_GE(malloc_usable_size(block), size)
                << "operator new is of another allocator than malloc?";
            Fill(block, size, size);
            EXPECT_TRUE(Holds(block, size, size));
            ::operator delete(block);
        }
    }
}

TEST(OperatorNew, GivesDistinctBlocksForSizeZero)
{
    std::set<void *> blocks;
    for (int i = 0; i < 100; i++)
        EXPECT_TRUE(blocks.insert(::operator new(Opaque(size_t{0}))).second);
    EXPECT_EQ(blocks.count(nullptr), 0u);
    for (void *block : blocks)
        ::operator delete(block);
}

TEST(OperatorNew, HonoursAlignments)
{
    for (size_t alignment = 1; alignment <= size_t{1} << 20; alignment *= 2) {
        std::align_val_t wanted{alignment};
        for (size_t size : {size_t{0}, size_t{24}, alignment, 3 * alignment, size_t{5000}}) {
            for (void *block : {::operator new(size, wanted), ::operator new[](size, wanted),
                                ::operator new(size, wanted, std::nothrow),
                                ::operator new[](size, wanted, std::nothrow)}) {
                ASSERT_NE(block, nullptr);
                EXPECT_TRUE(IsAligned(block, alignment)) << block << " for " << alignment;
                Fill(block, size, alignment);
                ::operator delete(block, wanted);
            }
        }
    }
}

TEST(OperatorDelete, TakesWhatTheMatchingNewGave)
{
    std::align_val_t wanted{64};
    for (size_t size : kSizes) {
        ::operator delete(::operator new(size), size);
        ::operator delete(::operator new(size), std::nothrow);
        ::operator delete[](::operator new[](size));
        ::operator delete[](::operator new[](size), size);
        ::operator delete[](::operator new[](size), std::nothrow);
        ::operator delete(::operator new(size, wanted), wanted);
        ::operator delete(::operator new(size, wanted), size, wanted);
        ::operator delete(::operator new(size, wanted), wanted, std::nothrow);
        ::operator delete[](::operator new[](size, wanted), wanted);
        ::operator delete[](::operator new[](size, wanted), size, wanted);
        ::operator delete[](::operator new[](size, wanted), wanted, std::nothrow);
    }
    SUCCEED() << "a crash is the failure";
}

TEST(OperatorDelete, TakesNull)
{
    std::align_val_t wanted{64};
    ::operator delete(Null());
    ::operator delete[](Null());
    ::operator delete (Null(), size_t{10});
    ::operator delete[](Null(), size_t{10});
    ::operator delete(Null(), wanted);
    ::operator delete[](Null(), wanted);
    ::operator delete (Null(), size_t{10}, wanted);
    ::operator delete[](Null(), size_t{10}, wanted);
    SUCCEED() << "a crash is the failure";
}

// Not SIZE_MAX itself: libstdc++'s aligned forms round a size up to the alignment, past zero,
// before they ask the allocator, which is no fault of the allocator.
const size_t kImpossible[] = {SIZE_MAX - 8192, SIZE_MAX / 4 * 3, size_t{PTRDIFF_MAX} + 1,
                              size_t{PTRDIFF_MAX}};

TEST(OperatorNew, ThrowsBadAllocForImpossibleSizes)
{
    std::align_val_t wanted{4096};
    for (size_t size : kImpossible) {
        EXPECT_THROW(Opaque(::operator new(Opaque(size))), std::bad_alloc) << size;
        EXPECT_THROW(Opaque(::operator new[](Opaque(size))), std::bad_alloc) << size;
        EXPECT_THROW(Opaque(::operator new(Opaque(size), wanted)), std::bad_alloc) << size;
        EXPECT_THROW(Opaque(::operator new[](Opaque(size), wanted)), std::bad_alloc) << size;
    }
}

TEST(OperatorNew, ReturnsNullForImpossibleSizesWhenItMayNotThrow)
{
    std::align_val_t wanted{4096};
    for (size_t size : kImpossible) {
        EXPECT_EQ(::operator new(Opaque(size), std::nothrow), nullptr) << size;
        EXPECT_EQ(::operator new[](Opaque(size), std::nothrow), nullptr) << size;
        EXPECT_EQ(::operator new(Opaque(size), wanted, std::nothrow), nullptr) << size;
        EXPECT_EQ(::operator new[](Opaque(size), wanted, std::nothrow), nullptr) << size;
    }
}

// The handlers below are plain functions, so what they count and hold is global.
int handler_calls;

struct HandlerGaveUp {};

void ThrowAtTheThirdCall()
{
    if (++handler_calls == 3)
        throw HandlerGaveUp();
}

void ThrowBadAllocAtOnce()
{
    handler_calls++;
    throw std::bad_alloc();
}

void RemoveItselfAtTheSecondCall()
{
    if (++handler_calls == 2)
        std::set_new_handler(nullptr);
}

class NewHandler : public testing::Test {
  protected:
    void SetUp() override
    {
        handler_calls = 0;
    }
    void TearDown() override
    {
        std::set_new_handler(nullptr);
    }
};

TEST_F(NewHandler, IsCalledAgainUntilItThrows)
{
    std::set_new_handler(ThrowAtTheThirdCall);
    EXPECT_THROW(Opaque(::operator new(Opaque(SIZE_MAX))), HandlerGaveUp);
    EXPECT_EQ(handler_calls, 3);
}

TEST_F(NewHandler, IsCalledForEveryForm)
{
    std::align_val_t wanted{4096};
    std::set_new_handler(ThrowBadAllocAtOnce);
    EXPECT_THROW(Opaque(::operator new(Opaque(SIZE_MAX))), std::bad_alloc);
    EXPECT_THROW(Opaque(::operator new[](Opaque(SIZE_MAX))), std::bad_alloc);
    EXPECT_THROW(Opaque(::operator new(Opaque(SIZE_MAX - 8192), wanted)), std::bad_alloc);
    EXPECT_THROW(Opaque(::operator new[](Opaque(SIZE_MAX - 8192), wanted)), std::bad_alloc);
    EXPECT_EQ(::operator new(Opaque(SIZE_MAX), std::nothrow), nullptr);
    EXPECT_EQ(::operator new[](Opaque(SIZE_MAX), std::nothrow), nullptr);
    EXPECT_EQ(handler_calls, 6);
}

TEST_F(NewHandler, MayRemoveItself)
{
    std::set_new_handler(RemoveItselfAtTheSecondCall);
    EXPECT_THROW(Opaque(::operator new(Opaque(SIZE_MAX))), std::bad_alloc);
    EXPECT_EQ(handler_calls, 2);
}

TEST_F(NewHandler, IsNotCalledWhenThereIsMemory)
{
    std::set_new_handler(ThrowBadAllocAtOnce);
    ::operator delete(::operator new (size_t{10} << 20));
    EXPECT_EQ(handler_calls, 0);
}

TEST_F(NewHandler, IsNotCalledByMalloc)
{
    std::set_new_handler(ThrowBadAllocAtOnce);
    EXPECT_EQ(malloc(Opaque(SIZE_MAX)), nullptr);
    EXPECT_EQ(handler_calls, 0);
}

} // namespace
} // namespace conformance
