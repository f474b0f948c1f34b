/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * fake_os.h - a kernel for tests: real memory, simulated addresses, any page size, failing on
 * command.
 *
 * One large real mapping stands for the address space: its first quarter is the data segment, the
 * rest is for mappings, handed out from the top. The fake knows for every page whether it is mapped
 * and whether it may be touched (the real page is closed, too), so it notices a double unmap, an
 * unmap of what was never mapped, a purge outside, and a break lowered over other code's data. Such
 * misuses are collected in `misuses`; a test expects it to stay empty.
 *
 * Calls that can fail are numbered from 0; those whose number is in `failing` do. Before a call
 * takes effect, `during` runs once if it is that call's: what happens while the lock is not held.
 *
 * Threads: safe but for the public members.
 */

#ifndef CAIRN_PAGESOURCE_FAKE_OS_H
#define CAIRN_PAGESOURCE_FAKE_OS_H

#include <cairn/os.h>

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

class FakeOs {
  public:
    static constexpr size_t kSpacePages = 16384;

    explicit FakeOs(size_t page_bytes)
        : space_bytes(kSpacePages * page_bytes), page_bytes_(page_bytes),
          pages_(kSpacePages, kUnmapped)
    {
        real_ = mmap(nullptr, 2 * space_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        base_ = (reinterpret_cast<uintptr_t>(real_) + space_bytes - 1) & ~(space_bytes - 1);
        maps_ = base_ + space_bytes / 4;
        break_ = floor_ = base_ + page_bytes;
        break_limit = maps_;
    }
    ~FakeOs()
    {
        munmap(real_, 2 * space_bytes);
    }
    FakeOs(const FakeOs &) = delete;
    FakeOs &operator=(const FakeOs &) = delete;

    struct cairn_os os()
    {
        return {&ops_, this};
    }

    /* As another user of the data segment. The old break, 0 when refused. */
    uintptr_t other_sbrk(intptr_t delta)
    {
        uintptr_t old_break = break_;
        if (!move_break(delta))
            return 0;
        was_lowered = was_lowered || delta < 0;
        if (delta > 0)
            others_.push_back({old_break, break_});
        while (!others_.empty() && others_.back().first >= break_)
            others_.pop_back();
        if (!others_.empty() && others_.back().second > break_)
            others_.back().second = break_;
        return old_break;
    }

    uint64_t clock_ms = 0;

    uintptr_t now() const
    {
        return break_;
    }
    uintptr_t floor() const
    {
        return floor_;
    }
    size_t page_bytes() const
    {
        return page_bytes_;
    }
    bool is_backed(uintptr_t base, size_t length) const
    {
        if (base < maps_)
            return base >= floor_ && base + length <= break_ && count(base, length, kClosed) == 0;
        return count(base, length, kOpen) == length / page_bytes_;
    }
    size_t mapped_bytes() const
    {
        return mapped_pages_ * page_bytes_;
    }
    /* Mapped or beneath the break, but nothing may touch it. */
    bool is_closed(uintptr_t base, size_t length) const
    {
        return count(base, length, kClosed) == length / page_bytes_;
    }
    size_t vma_count() const
    {
        size_t runs = 0;
        for (size_t idx = kSpacePages / 4; idx < pages_.size(); idx++)
            runs += pages_[idx] != kUnmapped && pages_[idx] != pages_[idx - 1];
        return runs;
    }

    const size_t space_bytes;
    std::set<size_t> failing;    /* numbers of calls that are refused */
    size_t calls = 0;            /* how many that can fail were made */
    size_t page_size_calls = 0;  /* these cannot */
    size_t vma_limit = SIZE_MAX; /* unmap fails where it would need more */
    uintptr_t break_limit;       /* like RLIMIT_DATA, for sbrk */
    size_t map_limit = SIZE_MAX; /* like RLIMIT_AS, for mappings, in bytes */
    bool refuses_purge = false, refuses_unmap = false, refuses_map = false, refuses_sbrk = false;
    bool refuses_protect = false;
    bool was_lowered = false;     /* by other code, perhaps over our guard */
    bool was_unprotected = false; /* a protect was refused, perhaps of the guard */
    bool misaligns = true;     /* leave a page between mappings, so that none is aligned by luck */
    bool refuses_look = false; /* not even sbrk(0) */
    std::function<void()> before_sbrk; /* runs once: other code that is quicker */
    std::pair<std::string, std::function<void()>> during; /* runs once, in the call of that name */
    std::vector<std::string> misuses;
    std::vector<std::string> log;
    std::vector<std::pair<uintptr_t, size_t>> marked; /* as metadata */

  private:
    enum State : uint8_t { kUnmapped, kOpen, kClosed };

    static FakeOs *self_of(void *self)
    {
        return static_cast<FakeOs *>(self);
    }

    bool must_fail(const char *name)
    {
        log.push_back(name);
        return failing.count(calls++) != 0;
    }
    void interfere(const char *name)
    {
        std::function<void()> other;
        {
            std::lock_guard<std::recursive_mutex> guard(mutex_);
            if (during.first == name)
                std::swap(other, during.second);
            if (other)
                during.first.clear();
        }
        if (other)
            other();
    }
    size_t index(uintptr_t address) const
    {
        return (address - base_) / page_bytes_;
    }
    size_t count(uintptr_t base, size_t length, State state) const
    {
        size_t pages = 0;
        for (uintptr_t at = base; at < base + length; at += page_bytes_)
            pages += at >= base_ && at < base_ + space_bytes && pages_[index(at)] == state;
        return pages;
    }
    size_t count_mapped(uintptr_t base, size_t length) const
    {
        return count(base, length, kOpen) + count(base, length, kClosed);
    }
    void mark(uintptr_t base, size_t length, State state)
    {
        bool was_closed = count(base, length, kClosed) != 0;
        if (base >= maps_)
            mapped_pages_ +=
                (state != kUnmapped ? length / page_bytes_ : 0) - count_mapped(base, length);
        for (uintptr_t at = base; at < base + length; at += page_bytes_)
            pages_[index(at)] = state;
        if (state == kClosed || was_closed)
            mprotect(reinterpret_cast<void *>(base), length,
                     state == kClosed ? PROT_NONE : PROT_READ | PROT_WRITE);
    }
    static void empty(uintptr_t base, size_t length)
    {
        if (length != 0)
            madvise(reinterpret_cast<void *>(base), length, MADV_DONTNEED);
    }
    void require(bool holds, const char *misuse)
    {
        if (!holds)
            misuses.push_back(misuse);
    }
    uintptr_t find_hole(size_t length) const
    {
        size_t pages = length / page_bytes_ + (misaligns ? 1 : 0);
        size_t run = 0;
        for (size_t idx = pages_.size(); idx-- > kSpacePages / 4;) {
            run = pages_[idx] != kUnmapped ? 0 : run + 1;
            if (run == pages)
                return base_ + idx * page_bytes_;
        }
        return 0;
    }
    uintptr_t do_map(size_t length, State state)
    {
        require(length != 0 && length % page_bytes_ == 0, "map of no whole pages");
        if (refuses_map || length > space_bytes || mapped_bytes() + length > map_limit)
            return 0;
        uintptr_t base = find_hole(length);
        if (base != 0)
            mark(base, length, state);
        return base;
    }
    int do_unmap(uintptr_t base, size_t length)
    {
        require(length != 0 && (base | length) % page_bytes_ == 0, "unmap of no whole pages");
        require(base >= maps_, "unmap in the data segment");
        require(count_mapped(base, length) == length / page_bytes_, "unmap of what is not mapped");
        if (refuses_unmap || (vma_limit != SIZE_MAX && vma_count_without(base, length) > vma_limit))
            return -ENOMEM;
        mark(base, length, kUnmapped);
        empty(base, length);
        return 0;
    }
    size_t vma_count_without(uintptr_t base, size_t length)
    {
        std::vector<uint8_t> saved = pages_;
        std::fill_n(pages_.begin() + static_cast<ptrdiff_t>(index(base)), length / page_bytes_,
                    kUnmapped);
        size_t vmas = vma_count();
        pages_.swap(saved);
        return vmas;
    }
    bool move_break(intptr_t delta)
    {
        uintptr_t target = break_ + static_cast<uintptr_t>(delta);
        if (target < floor_ || target > break_limit)
            return false;
        uintptr_t end = (break_ + page_bytes_ - 1) & ~(page_bytes_ - 1);
        uintptr_t cut = (target + page_bytes_ - 1) & ~(page_bytes_ - 1);
        if (cut < end) {
            mark(cut, end - cut, kUnmapped);
            empty(cut, end - cut);
        }
        break_ = target;
        return true;
    }

    static size_t op_page_bytes(void *self)
    {
        self_of(self)->page_size_calls++;
        return self_of(self)->page_bytes_;
    }
    static void *op_map(void *self, size_t length, bool is_accessible)
    {
        FakeOs *fake = self_of(self);
        fake->interfere("map");
        std::lock_guard<std::recursive_mutex> guard(fake->mutex_);
        if (fake->must_fail("map"))
            return nullptr;
        return reinterpret_cast<void *>(fake->do_map(length, is_accessible ? kOpen : kClosed));
    }
    static int op_unmap(void *self, void *base, size_t length)
    {
        FakeOs *fake = self_of(self);
        fake->interfere("unmap");
        std::lock_guard<std::recursive_mutex> guard(fake->mutex_);
        if (fake->must_fail("unmap"))
            return -ENOMEM;
        return fake->do_unmap(reinterpret_cast<uintptr_t>(base), length);
    }
    static int op_protect(void *self, void *where, size_t length, bool is_accessible)
    {
        FakeOs *fake = self_of(self);
        uintptr_t base = reinterpret_cast<uintptr_t>(where);
        std::lock_guard<std::recursive_mutex> guard(fake->mutex_);
        if (fake->must_fail("protect") || fake->refuses_protect) {
            fake->was_unprotected = true;
            return -ENOMEM;
        }
        fake->require(base < fake->maps_
                          ? fake->is_backed(base, length)
                          : fake->count_mapped(base, length) == length / fake->page_bytes_,
                      "protect outside");
        fake->mark(base, length, is_accessible ? kOpen : kClosed);
        return 0;
    }
    static void op_mark_metadata(void *self, void *where, size_t length)
    {
        FakeOs *fake = self_of(self);
        uintptr_t base = reinterpret_cast<uintptr_t>(where);
        std::lock_guard<std::recursive_mutex> guard(fake->mutex_);
        size_t page = fake->page_bytes_;
        fake->require(fake->is_closed(base, page) && fake->is_closed(base + length - page, page) &&
                          fake->is_backed(base + page, length - 2 * page),
                      "mark outside");
        fake->marked.push_back({base, length});
    }
    static int op_purge(void *self, void *base, size_t length)
    {
        FakeOs *fake = self_of(self);
        fake->interfere("purge");
        std::lock_guard<std::recursive_mutex> guard(fake->mutex_);
        if (fake->must_fail("purge") || fake->refuses_purge)
            return -EINVAL;
        fake->require(fake->is_backed(reinterpret_cast<uintptr_t>(base), length), "purge outside");
        empty(reinterpret_cast<uintptr_t>(base), length);
        return 0;
    }
    static void *op_remap(void *self, void *where, size_t old_bytes, size_t new_bytes,
                          bool may_move)
    {
        FakeOs *fake = self_of(self);
        uintptr_t base = reinterpret_cast<uintptr_t>(where);
        std::lock_guard<std::recursive_mutex> guard(fake->mutex_);
        if (fake->must_fail("remap"))
            return nullptr;
        fake->require(base >= fake->maps_ && fake->is_backed(base, old_bytes),
                      "remap of what is not mapped");
        if (base + new_bytes <= fake->base_ + fake->space_bytes &&
            fake->count_mapped(base + old_bytes, new_bytes - old_bytes) == 0) {
            fake->mark(base + old_bytes, new_bytes - old_bytes, kOpen);
            return where;
        }
        uintptr_t moved = may_move ? fake->do_map(new_bytes, kOpen) : 0;
        if (moved == 0)
            return nullptr;
        std::memcpy(reinterpret_cast<void *>(moved), where, old_bytes);
        fake->mark(base, old_bytes, kUnmapped);
        empty(base, old_bytes);
        return reinterpret_cast<void *>(moved);
    }
    static int op_make_huge(void *, void *, size_t, void *, bool)
    {
        return -ENOSYS; // which no page source calls
    }
    static uint64_t op_now_ms(void *self)
    {
        return static_cast<FakeOs *>(self)->clock_ms;
    }
    static void *op_sbrk(void *self, intptr_t delta)
    {
        FakeOs *fake = self_of(self);
        std::lock_guard<std::recursive_mutex> guard(fake->mutex_);
        uintptr_t old_break = fake->break_;
        if (delta == 0)
            return fake->refuses_look ? nullptr : reinterpret_cast<void *>(old_break);
        if (fake->before_sbrk) {
            std::function<void()> quicker = std::move(fake->before_sbrk);
            fake->before_sbrk = nullptr;
            quicker();
            old_break = fake->break_;
        }
        if (fake->must_fail(delta > 0 ? "sbrk+" : "sbrk-") || fake->refuses_sbrk ||
            !fake->move_break(delta))
            return nullptr;
        fake->require(fake->others_.empty() || fake->break_ >= fake->others_.back().second,
                      "break lowered over other code's data");
        return reinterpret_cast<void *>(old_break);
    }

    static constexpr struct cairn_os_ops ops_ = {
        "fake",   op_page_bytes, op_map,   op_unmap, op_protect, op_mark_metadata,
        op_purge, op_make_huge,  op_remap, op_sbrk,  op_now_ms};
    std::recursive_mutex mutex_;
    size_t page_bytes_;
    std::vector<uint8_t> pages_; /* State; of the data segment only what is closed */
    size_t mapped_pages_ = 0;
    void *real_;
    uintptr_t base_, maps_, break_, floor_;
    std::vector<std::pair<uintptr_t, uintptr_t>> others_;
};

#endif
