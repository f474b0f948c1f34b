// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "bench/simulate/simulate.h"

#include <algorithm>
#include <deque>

namespace handovers {
namespace {

// splitmix64 (Steele, Lea, Flood 2014): the same numbers with every library.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed)
    {
    }
    unsigned Below(unsigned bound)
    {
        state_ += 0x9e3779b97f4a7c15u;
        uint64_t mixed = (state_ ^ (state_ >> 30)) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
        mixed ^= mixed >> 31;
        return static_cast<unsigned>(((mixed >> 32) * bound) >> 32);
    }

  private:
    uint64_t state_;
};

struct Block {
    void *address = nullptr;
    unsigned class_idx = 0;
};

struct Thread {
    unsigned cpu = 0;
    std::vector<Block> own;   // churn: a slot each, empty ones too
    std::deque<Block> queued; // pipeline: of the pair, with its consumer; exchange: the mailbox
};

struct Cpu {
    std::vector<unsigned> threads; // that run here, by number
    size_t running = 0;
    unsigned done = 0; // operations of the one that runs, in its slice
};

class World {
  public:
    explicit World(const Plan &plan);
    void Run(uint64_t operations);
    void ForgetCounts();
    Counts Finish();

  private:
    void Step();
    Cpu &NextCpu();
    void NextThread(Cpu &cpu);
    bool Operate(unsigned number);
    bool Churn(Thread &thread);
    bool Pipeline(unsigned number);
    bool Exchange(unsigned number);
    bool HasRoom(const Thread &thread) const;
    void Queue(const Thread &from, Thread &to);
    bool Dequeue(Thread &thread);
    void MaybeMigrate(unsigned number);
    Block Alloc(const Thread &thread);
    void Free(const Thread &thread, Block &block);

    Plan plan_;
    WatchedCaches caches_;
    Random random_;
    std::vector<Thread> threads_;
    std::vector<Cpu> cpus_;
    unsigned turn_ = 0;
    uint64_t operations_ = 0;
    uint64_t migrations_ = 0;
};

World::World(const Plan &plan)
    : plan_(plan), caches_(plan.shards, plan.block_bytes), random_(plan.seed),
      threads_(plan.threads), cpus_(plan.cpus)
{
    bool is_churn = plan.shape == Shape::kChurn || plan.shape == Shape::kMigrate;
    for (unsigned number = 0; number < plan.threads; number++) {
        threads_[number].cpu = number % plan.cpus;
        threads_[number].own.resize(is_churn ? plan.blocks_per_thread : 0);
        cpus_[number % plan.cpus].threads.push_back(number);
    }
}

Block World::Alloc(const Thread &thread)
{
    Block block;
    block.class_idx = random_.Below(static_cast<unsigned>(plan_.block_bytes.size()));
    block.address = caches_.Alloc(thread.cpu, block.class_idx);
    return block;
}

void World::Free(const Thread &thread, Block &block)
{
    caches_.Free(thread.cpu, block.class_idx, block.address);
    block.address = nullptr;
}

bool World::Churn(Thread &thread)
{
    Block &slot = thread.own[random_.Below(plan_.blocks_per_thread)];
    if (slot.address != nullptr)
        Free(thread, slot);
    else
        slot = Alloc(thread);
    return true;
}

bool World::HasRoom(const Thread &thread) const
{
    return thread.queued.size() < plan_.blocks_per_thread;
}

void World::Queue(const Thread &from, Thread &to)
{
    to.queued.push_back(Alloc(from));
}

bool World::Dequeue(Thread &thread)
{
    if (thread.queued.empty())
        return false;
    Free(thread, thread.queued.front());
    thread.queued.pop_front();
    return true;
}

bool World::Pipeline(unsigned number)
{
    if (number % 2 != 0)
        return Dequeue(threads_[number]);
    Thread &consumer = threads_[number + 1];
    if (!HasRoom(consumer))
        return false;
    Queue(threads_[number], consumer);
    return true;
}

bool World::Exchange(unsigned number)
{
    Thread &receiver = threads_[random_.Below(plan_.threads)];
    if (random_.Below(2) == 0 || !HasRoom(receiver))
        return Dequeue(threads_[number]);
    Queue(threads_[number], receiver);
    return true;
}

bool World::Operate(unsigned number)
{
    switch (plan_.shape) {
    case Shape::kPipeline:
        return Pipeline(number);
    case Shape::kExchange:
        return Exchange(number);
    case Shape::kChurn:
    case Shape::kMigrate:
        break;
    }
    return Churn(threads_[number]);
}

Cpu &World::NextCpu()
{
    if (plan_.turns == Turns::kAtRandom)
        return cpus_[random_.Below(plan_.cpus)];
    Cpu &cpu = cpus_[turn_];
    turn_ = (turn_ + 1) % plan_.cpus;
    return cpu;
}

void World::NextThread(Cpu &cpu)
{
    cpu.running = cpu.threads.empty() ? 0 : (cpu.running + 1) % cpu.threads.size();
    cpu.done = 0;
}

// The thread goes to the end of another CPU's queue; its blocks go with it, the cached ones stay.
void World::MaybeMigrate(unsigned number)
{
    if (plan_.shape != Shape::kMigrate || plan_.cpus == 1 ||
        random_.Below(1000) >= plan_.migrations_per_1000)
        return;
    Thread &thread = threads_[number];
    Cpu &from = cpus_[thread.cpu];
    from.threads.erase(std::find(from.threads.begin(), from.threads.end(), number));
    from.running = from.running < from.threads.size() ? from.running : 0;
    from.done = 0;
    thread.cpu = (thread.cpu + 1 + random_.Below(plan_.cpus - 1)) % plan_.cpus;
    cpus_[thread.cpu].threads.push_back(number);
    migrations_++;
}

void World::Step()
{
    Cpu &cpu = NextCpu();
    if (cpu.threads.empty())
        return;
    unsigned number = cpu.threads[cpu.running];
    if (!Operate(number)) {
        NextThread(cpu);
        return;
    }
    operations_++;
    if (++cpu.done >= plan_.slice)
        NextThread(cpu);
    MaybeMigrate(number);
}

void World::Run(uint64_t operations)
{
    for (uint64_t end = operations_ + operations; operations_ < end;)
        Step();
}

void World::ForgetCounts()
{
    caches_.ForgetTraffic();
    operations_ = 0;
    migrations_ = 0;
}

Counts World::Finish()
{
    Counts counts;
    counts.operations = operations_;
    counts.migrations = migrations_;
    counts.shards = caches_.Shards();
    counts.source = caches_.Source();
    for (unsigned class_idx = 0; class_idx < plan_.block_bytes.size(); class_idx++)
        counts.depot.push_back(caches_.Depot(class_idx));

    for (Thread &thread : threads_) {
        for (Block &block : thread.own)
            if (block.address != nullptr)
                Free(thread, block);
        while (Dequeue(thread))
            continue;
    }
    counts.blocks_lost = caches_.Finish();
    return counts;
}

} // namespace

const char *NameOf(Shape shape)
{
    switch (shape) {
    case Shape::kChurn:
        return "churn";
    case Shape::kPipeline:
        return "pipeline";
    case Shape::kExchange:
        return "exchange";
    case Shape::kMigrate:
        return "migrate";
    }
    return "unknown";
}

Traffic Counts::DepotSum() const
{
    Traffic sum;
    for (const Traffic &one : depot) {
        sum.acquisitions += one.acquisitions;
        sum.handovers += one.handovers;
    }
    return sum;
}

Counts Simulate(const Plan &plan)
{
    World world(plan);
    world.Run(plan.warm_up);
    world.ForgetCounts();
    world.Run(plan.operations);
    return world.Finish();
}

} // namespace handovers
