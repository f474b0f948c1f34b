// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The states that operations reach, breadth first. A state depends on what its key tells, not on
// how it came about: this is required of every bit of it, and it is what keeps a walk finite.

#ifndef CAIRN_BUDDY_WALK_H
#define CAIRN_BUDDY_WALK_H

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "buddy_pair.h"

namespace buddy_fixture {

class StateWalk {
  public:
    explicit StateWalk(const cairn_buddy_config &config)
        : duel_(config, nullptr), steps_at_(StepsAt(config))
    {
    }
    virtual ~StateWalk() = default;

    // Returns how many different states there are.
    std::size_t Run(unsigned depth_max)
    {
        Note();
        for (unsigned depth = 0; depth < depth_max && !next_.empty(); depth++) {
            std::vector<Pair::Saved> frontier;

            frontier.swap(next_);
            for (const Pair::Saved &from : frontier)
                Visit(from);
        }
        return seen_.size();
    }
    bool IsComplete() const
    {
        return next_.empty();
    }
    std::size_t operation_count() const
    {
        return operation_count_;
    }

  protected:
    virtual std::string Key() const = 0;
    virtual void Visit(const Pair::Saved &from) = 0;

    template <typename Operation> void Try(const Pair::Saved &from, Operation operation)
    {
        duel_.Restore(from);
        operation();
        Note();
    }

    Pair duel_;

  private:
    // Where the record of steps lies: what a run that came and went has changed.
    static std::size_t StepsAt(const cairn_buddy_config &config)
    {
        Placed fresh(config);
        std::vector<char> before = fresh.state().Bytes();
        std::size_t at = 0;

        cairn_buddy_free(fresh.get(), cairn_buddy_alloc(fresh.get(), 1, 1, nullptr), 1);
        for (std::vector<char> after = fresh.state().Bytes(); before[at] == after[at];)
            at++;
        return at;
    }

    // All state but the record of steps.
    std::size_t Hash() const
    {
        std::string bytes(duel_.state().data(), duel_.state().size());

        bytes.replace(steps_at_, sizeof(std::uint64_t), sizeof(std::uint64_t), '\0');
        return std::hash<std::string>()(bytes);
    }

    void Note()
    {
        std::size_t hash = Hash();

        operation_count_++;
        duel_.CompareBriefly();
        auto known = seen_.insert({Key(), hash});
        Require(known.first->second == hash, "one state for equal keys");
        if (!known.second)
            return;
        duel_.Compare();
        next_.push_back(duel_.Save());
    }

    std::size_t steps_at_;
    std::map<std::string, std::size_t> seen_;
    std::vector<Pair::Saved> next_;
    std::size_t operation_count_ = 0;
};

} // namespace buddy_fixture

#endif
