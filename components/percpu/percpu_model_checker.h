/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_model_checker.h - a model of rseq.h's pseudo-code and of stopping and resuming a shard
 * (shard.c), explored exhaustively: two threads that pop and push, a flusher, two CPUs, a shard and
 * an entry each, one class with arrays of two blocks, a depot. Every step of the pseudo-code is a
 * step of the model; between any two of them any thread may be put off its CPU, or onto another.
 * Memory is as if every store were seen at once.
 *
 *     kernel   a thread that is put off its CPU inside a sequence goes on behind it, in vain; a
 *              fence does that to those who run
 *     lost     at the end a token is nowhere
 *     twice    a thread gets a token that another has
 *
 * What each part is for is shown by leaving it out (enum Flaw): then the checker must find
 * something wrong.
 *
 *     no fence          a push on CPU 1 has read the header when the flusher stops the entry; it
 *                       commits after the flush has emptied the array, and its header counts blocks
 *                       that were given away
 *     no stop           a thread that refills holds the lock, but a pop on the same CPU needs none:
 *                       it is let in between the refill's reading of the header and its writing, and
 *                       the block it got is in the array again
 *     fence, then stopped   a sequence begins between the two, and finds the entry running
 *     lock freed early  the next to stop writes the entry, and the last one then resumes it
 *     no test of the id a stop after a move stops an entry of which another CPU runs a sequence
 *     id before arming  a pop that was moved in between arms on another CPU with the id of the
 *                       first
 *     no abort          a kernel that does not send pre-empted threads out (hence PercpuInterrupted, which
 *                       counts that it does)
 *     start anew        a thread that is put off at each of its steps never ends, as under a
 *                       debugger
 */

#ifndef CAIRN_PERCPU_MODEL_CHECKER_H
#define CAIRN_PERCPU_MODEL_CHECKER_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace percpu_testing {

enum Flaw {
    NONE,
    NO_FENCE,
    NO_STOPPED,
    NO_STOP,
    FENCE_THEN_STOPPED,
    LOCK_FREED_EARLY,
    NO_TEST_OF_ID,
    ID_BEFORE_ARMING,
    NO_ABORT,
    START_ANEW,
    FLAWS
};

inline const char *const FLAW_NAMES[] = {"none",
                                         "no fence",
                                         "not stopped",
                                         "no stop",
                                         "fence, then stopped",
                                         "lock freed early",
                                         "no test of the id",
                                         "id before arming",
                                         "no abort",
                                         "start anew"};

// Where a thread is. The sequences are the runs from _ID to _COMMIT.
enum Place : uint8_t {
    NEXT,
    POP_ARM,
    POP_ID,
    POP_ENTRY,
    POP_HEADER,
    POP_BLOCK,
    POP_COMMIT,
    PUSH_ARM,
    PUSH_ID,
    PUSH_ENTRY,
    PUSH_HEADER,
    PUSH_SLOT,
    PUSH_COMMIT,
    STOP_ARM,
    STOP_ID,
    STOP_COMMIT,
    STOP_FAILED,
    ALLOC_ID,
    ALLOC_BATCH,
    FREE_ID,
    TRY_LOCK,
    INSIDE, // the shard is this thread's: read the header
    FILL_SLOT,
    FILL_HEADER,
    FLUSH_MOVE,
    FLUSH_HEADER,
    PUT_SLOT,
    PUT_HEADER,
    RESUME_FIRST,
    RESUME_SECOND,
    GIVE,
    FLUSHER_LOCK,
    FLUSHER_FIRST,
    FLUSHER_SECOND,
    FLUSHER_THIRD,
    FLUSHER_READ,
    FLUSHER_HEADER,
    DONE
};

constexpr unsigned CPUS = 2, THREADS = 3, ROOM = 2, NOWHERE = CPUS;

enum Task : uint8_t { END, POP, PUSH, FLUSH_0, FLUSH_1 };

struct Thread {
    uint8_t place;
    uint8_t cpu;    // or NOWHERE
    uint8_t at;     // in its list of tasks
    uint8_t id;     // registers of the pseudo-code
    uint8_t entry;  // the shard is running
    uint8_t header; // the count
    uint8_t block;  // a bit
    uint8_t hand;   // tokens it has
    uint8_t batch;  // tokens on their way
};

struct State {
    uint8_t slots[CPUS][ROOM];
    uint8_t count[CPUS];
    uint8_t running[CPUS];
    uint8_t lock[CPUS];
    uint8_t depot;
    Thread threads[THREADS];
};

struct Scenario {
    Task tasks[THREADS][4];
    State start;
};

/* Hashes of states seen: 64 bits of each, so of ten million a pair is mistaken for one state once
   in 400,000 runs. */
class Seen {
  public:
    Seen() : table_(1u << 16, 0)
    {
    }

    /* False when it is in already. */
    bool add(const State &state)
    {
        uint64_t hash = hash_of(state);
        if (2 * count >= table_.size())
            grow();
        return insert(hash);
    }

    size_t count = 0;

  private:
    static uint64_t hash_of(const State &state)
    {
        uint64_t hash = 0x9e3779b97f4a7c15u;
        const auto *bytes = reinterpret_cast<const unsigned char *>(&state);
        for (size_t at = 0; at < sizeof(state); at += 8) {
            uint64_t piece = 0;
            memcpy(&piece, bytes + at, sizeof(state) - at < 8 ? sizeof(state) - at : 8);
            hash = (hash ^ piece) * 0xff51afd7ed558ccdu;
            hash ^= hash >> 32;
        }
        return hash != 0 ? hash : 1;
    }

    bool insert(uint64_t hash)
    {
        size_t at = hash & (table_.size() - 1);
        for (; table_[at] != 0; at = (at + 1) & (table_.size() - 1))
            if (table_[at] == hash)
                return false;
        table_[at] = hash;
        count++;
        return true;
    }

    void grow()
    {
        std::vector<uint64_t> old(2 * table_.size(), 0);
        old.swap(table_);
        count = 0;
        for (uint64_t hash : old)
            if (hash != 0)
                insert(hash);
    }

    std::vector<uint64_t> table_;
};

class ModelChecker {
  public:
    ModelChecker(const Scenario &scenario, Flaw flaw) : scenario_(scenario), flaw_(flaw)
    {
        all_ = tokens_of(scenario.start);
    }

    /* What is wrong with some order of steps, or nothing. */
    std::string explore()
    {
        std::vector<State> waiting = {scenario_.start};
        seen.add(scenario_.start);
        while (!waiting.empty() && wrong_.empty()) {
            const State state = waiting.back();
            waiting.pop_back();
            bool moved = false;
            for (unsigned who = 0; who < THREADS && wrong_.empty(); who++)
                moved |= follow(state, who, waiting);
            if (!moved)
                finish(state);
        }
        return wrong_;
    }

    /* True when each thread, running alone and put off after each of its steps, comes to its
       end. */
    bool ends_step_by_step()
    {
        State state = scenario_.start;
        for (uint8_t who = 0; who < THREADS; who++) {
            Thread &thread = state.threads[who];
            thread.cpu = who % CPUS;
            for (unsigned steps = 0; steps < 200 && thread.place != DONE; steps++) {
                step(state, thread, who);
                send_out(thread);
            }
            if (thread.place != DONE)
                return false;
        }
        finish(state);
        return wrong_.empty();
    }

    Seen seen;

  private:
    /* Everything that can happen to one thread; false when nothing can, because it is done. */
    bool follow(const State &state, unsigned who, std::vector<State> &waiting)
    {
        const Thread &thread = state.threads[who];
        if (thread.place == DONE)
            return false;
        if (thread.cpu == NOWHERE) {
            for (uint8_t cpu = 0; cpu < CPUS; cpu++)
                if (runner(state, cpu) == THREADS) {
                    State next = state;
                    next.threads[who].cpu = cpu;
                    add(next, waiting);
                }
            return true;
        }
        State off = state;
        off.threads[who].cpu = NOWHERE;
        send_out(off.threads[who]);
        add(off, waiting);
        State next = state;
        if (step(next, next.threads[who], static_cast<uint8_t>(who)))
            add(next, waiting);
        return true;
    }

    void add(const State &state, std::vector<State> &waiting)
    {
        if (seen.add(state))
            waiting.push_back(state);
    }

    static unsigned runner(const State &state, unsigned cpu)
    {
        unsigned who = 0;
        while (who < THREADS && state.threads[who].cpu != cpu)
            who++;
        return who;
    }

    /* The kernel's part. With the id before arming, the step that reads the entry arms first. */
    void send_out(Thread &thread)
    {
        const int early = flaw_ == ID_BEFORE_ARMING ? 2 : 0;
        if (flaw_ == NO_ABORT)
            return;
        if (thread.place >= POP_ID + early && thread.place <= POP_COMMIT)
            thread.place = flaw_ == START_ANEW ? POP_ARM : ALLOC_ID;
        if (thread.place >= PUSH_ID + early && thread.place <= PUSH_COMMIT)
            thread.place = flaw_ == START_ANEW ? PUSH_ARM : FREE_ID;
        if (thread.place >= STOP_ID && thread.place <= STOP_COMMIT)
            thread.place = flaw_ == START_ANEW ? STOP_ARM : STOP_FAILED;
    }

    void wrong(const char *what)
    {
        if (wrong_.empty())
            wrong_ = what;
    }

    static unsigned held_of(const State &state)
    {
        unsigned held = state.depot;
        for (const Thread &thread : state.threads)
            held |= thread.hand | thread.batch;
        return held;
    }

    static unsigned tokens_of(const State &state)
    {
        unsigned tokens = held_of(state);
        for (unsigned cpu = 0; cpu < CPUS; cpu++)
            for (unsigned at = 0; at < state.count[cpu]; at++)
                tokens |= state.slots[cpu][at];
        return tokens;
    }

    /* From an array into a hand or a batch. */
    void acquire(const State &state, uint8_t &to, uint8_t tokens)
    {
        if (held_of(state) & tokens)
            wrong("twice");
        to |= tokens;
    }

    void finish(const State &state)
    {
        if (tokens_of(state) != all_)
            wrong("lost");
        unsigned seen_tokens = held_of(state);
        for (unsigned cpu = 0; cpu < CPUS; cpu++) {
            if (!state.running[cpu] || state.lock[cpu])
                wrong("shut for ever");
            for (unsigned at = 0; at < state.count[cpu]; at++) {
                if (seen_tokens & state.slots[cpu][at])
                    wrong("twice at the end");
                seen_tokens |= state.slots[cpu][at];
            }
        }
    }

    static uint8_t lowest(uint8_t tokens)
    {
        return static_cast<uint8_t>(tokens & -tokens);
    }

    /* One step of the pseudo-code; false when the thread waits. */
    bool step(State &state, Thread &thread, uint8_t who)
    {
        if (thread.place <= POP_COMMIT)
            pop(state, thread, who);
        else if (thread.place <= PUSH_COMMIT)
            push(state, thread);
        else if (thread.place <= STOP_FAILED)
            stop(state, thread);
        else if (thread.place <= TRY_LOCK)
            slow(state, thread, who);
        else if (thread.place <= PUT_HEADER)
            inside(state, thread);
        else if (thread.place <= GIVE)
            resume(state, thread);
        else
            return flush_shard(state, thread, who);
        return true;
    }

    static bool allocates(const Thread &thread)
    {
        return thread.block == 0;
    }

    static void next_task(Thread &thread, Task task)
    {
        thread.id = thread.entry = thread.header = thread.block = 0;
        thread.at++;
        if (task == POP)
            thread.place = POP_ARM;
        if (task == PUSH) {
            thread.block = lowest(thread.hand);
            thread.place = thread.block != 0 ? PUSH_ARM : NEXT;
        }
        if (task == FLUSH_0 || task == FLUSH_1) {
            thread.id = task == FLUSH_1;
            thread.place = FLUSHER_LOCK;
        }
        if (task == END) {
            thread.place = DONE;
            thread.cpu = NOWHERE;
        }
    }

    void pop(State &state, Thread &thread, uint8_t who)
    {
        switch (thread.place) {
        case NEXT:
            next_task(thread, scenario_.tasks[who][thread.at]);
            return;
        case POP_ARM:
            break;
        case POP_ID:
            thread.id = thread.cpu;
            break;
        case POP_ENTRY:
            thread.entry = state.running[thread.id];
            break;
        case POP_HEADER:
            thread.header = thread.entry ? state.count[thread.id] : 0;
            break;
        case POP_BLOCK:
            if (thread.header == 0) {
                thread.place = ALLOC_ID;
                return;
            }
            thread.header--;
            break;
        default:
            acquire(state, thread.hand, state.slots[thread.id][thread.header]);
            state.count[thread.id] = thread.header;
            thread.place = NEXT;
            return;
        }
        thread.place++;
    }

    void push(State &state, Thread &thread)
    {
        switch (thread.place) {
        case PUSH_ARM:
            break;
        case PUSH_ID:
            thread.id = thread.cpu;
            break;
        case PUSH_ENTRY:
            thread.entry = state.running[thread.id];
            break;
        case PUSH_HEADER:
            thread.header = thread.entry ? state.count[thread.id] : ROOM;
            if (thread.header == ROOM) {
                thread.place = FREE_ID;
                return;
            }
            break;
        case PUSH_SLOT:
            state.slots[thread.id][thread.header] = thread.block;
            break;
        default:
            state.count[thread.id] = thread.header + 1;
            thread.hand &= static_cast<uint8_t>(~thread.block);
            thread.block = 0;
            thread.place = NEXT;
            return;
        }
        thread.place++;
    }

    void stop(State &state, Thread &thread)
    {
        switch (thread.place) {
        case STOP_ARM:
            thread.place = flaw_ == NO_STOP ? INSIDE : STOP_ID;
            return;
        case STOP_ID:
            thread.place =
                thread.cpu == thread.id || flaw_ == NO_TEST_OF_ID ? STOP_COMMIT : STOP_FAILED;
            return;
        case STOP_COMMIT:
            state.running[thread.id] = 0;
            thread.place = INSIDE;
            return;
        default:
            state.lock[thread.id] = 0;
            thread.place = GIVE;
        }
    }

    /* What percpu.c does behind a pop or push in vain. */
    void slow(State &state, Thread &thread, uint8_t who)
    {
        switch (thread.place) {
        case ALLOC_ID:
            thread.id = thread.cpu;
            thread.place = ALLOC_BATCH;
            return;
        case ALLOC_BATCH:
            take_batch(state, thread);
            return;
        case FREE_ID:
            thread.id = thread.cpu;
            thread.place = state.running[thread.id] ? TRY_LOCK : GIVE;
            return;
        default:
            thread.place = state.lock[thread.id] == 0 ? STOP_ARM : GIVE;
            if (state.lock[thread.id] == 0)
                state.lock[thread.id] = who + 1;
        }
    }

    /* One for the caller, one for its shard. */
    void take_batch(State &state, Thread &thread)
    {
        const uint8_t first = lowest(state.depot);
        state.depot &= static_cast<uint8_t>(~first);
        thread.hand |= first;
        thread.place = NEXT;
        if (!state.running[thread.id] || state.depot == 0)
            return;
        thread.batch = lowest(state.depot);
        state.depot &= static_cast<uint8_t>(~thread.batch);
        thread.place = TRY_LOCK;
    }

    void inside(State &state, Thread &thread)
    {
        uint8_t *slots = state.slots[thread.id];
        switch (thread.place) {
        case INSIDE:
            thread.header = state.count[thread.id];
            if (allocates(thread))
                thread.place = thread.header < ROOM ? FILL_SLOT : RESUME_FIRST;
            else
                thread.place = thread.header < ROOM ? PUT_SLOT : FLUSH_MOVE;
            return;
        case FILL_SLOT:
            slots[thread.header] = thread.batch;
            break;
        case FILL_HEADER:
            state.count[thread.id] = thread.header + 1;
            thread.batch = 0;
            thread.place = RESUME_FIRST;
            return;
        case FLUSH_MOVE:
            acquire(state, thread.batch, slots[0]);
            slots[0] = slots[1];
            break;
        case FLUSH_HEADER:
            state.count[thread.id] = --thread.header;
            break;
        case PUT_SLOT:
            slots[thread.header] = thread.block;
            break;
        default:
            state.count[thread.id] = thread.header + 1;
            thread.hand &= static_cast<uint8_t>(~thread.block);
            thread.block = 0;
            thread.place = RESUME_FIRST;
            return;
        }
        thread.place++;
    }

    void resume(State &state, Thread &thread)
    {
        const bool unlock_first = flaw_ == LOCK_FREED_EARLY;
        switch (thread.place) {
        case RESUME_FIRST:
        case RESUME_SECOND:
            if ((thread.place == RESUME_FIRST) != unlock_first)
                state.running[thread.id] = 1;
            else
                state.lock[thread.id] = 0;
            thread.place++;
            return;
        default:
            state.depot |= thread.batch | thread.block;
            thread.hand &= static_cast<uint8_t>(~thread.block);
            thread.batch = thread.block = 0;
            thread.place = NEXT;
        }
    }

    void stop_entry(State &state, unsigned id)
    {
        if (flaw_ != NO_STOPPED)
            state.running[id] = 0;
    }

    /* Of one CPU: they are interrupted one after the other. */
    void fence(State &state, unsigned cpu)
    {
        const unsigned who = runner(state, cpu);
        if (flaw_ != NO_FENCE && who < THREADS)
            send_out(state.threads[who]);
    }

    bool flush_shard(State &state, Thread &thread, uint8_t who)
    {
        const bool fence_first = flaw_ == FENCE_THEN_STOPPED;
        switch (thread.place) {
        case FLUSHER_LOCK:
            if (state.lock[thread.id] != 0)
                return false;
            state.lock[thread.id] = who + 1;
            break;
        case FLUSHER_FIRST:
            fence_first ? fence(state, 0) : stop_entry(state, thread.id);
            break;
        case FLUSHER_SECOND:
            fence(state, fence_first ? 1 : 0);
            break;
        case FLUSHER_THIRD:
            fence_first ? stop_entry(state, thread.id) : fence(state, 1);
            break;
        case FLUSHER_READ:
            thread.header = state.count[thread.id];
            break;
        default:
            for (unsigned at = 0; at < thread.header; at++)
                acquire(state, thread.batch, state.slots[thread.id][at]);
            state.count[thread.id] = 0;
            thread.place = RESUME_FIRST;
            return true;
        }
        thread.place++;
        return true;
    }

    const Scenario &scenario_;
    const Flaw flaw_;
    unsigned all_;
    std::string wrong_;
};

} // namespace percpu_testing

#endif
