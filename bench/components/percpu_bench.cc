// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// percpu: the caches in each mode. Blocks are invented addresses: no layer touches them.
//
//   pair     a block taken and given on a warm cache, beside 0 to 63 others
//   burst    many taken, then all given: batches go through the depot
//   refill   only taken: each batch-th one is a miss that goes down to the source
//   flush    only given: arrays overflow into the depot, and that into the source
//   cross    one thread takes, another gives: all blocks go through the depot; the row `ring` is
//            the queue between the two alone
//   by_way   a pair, by where the CPU id comes from; cpu_id is the id alone
//
// A mode that is not to be had here is reported as an error with the reason, not as lock mode's
// figures under another name. Ways to an id that are not to be had (own_rseq, where libc has its
// own) are left out.

#include <cairn/percpu.h>

#include <sched.h>

#include <atomic>
#include <memory>
#include <string>

#include "bench/components/memory.h"

namespace {

struct Caches {
    Caches(cairn_percpu_mode mode, uint32_t block_bytes, cairn_cpu_id_method way = CAIRN_CPU_AUTO)
    {
        cairn_percpu_config config = {};
        config.block_bytes = &block_bytes;
        config.class_count = 1;
        config.mode = mode;
        config.cpu_id_method = way;
        config.source = Invented::Source();
        config.state_bytes = cairn_percpu_state_bytes(&config);
        state = std::make_unique<Memory>(config.state_bytes);
        config.state = state->base;
        Require(cairn_percpu_init(&percpu, &config) == 0, "cairn_percpu_init");
    }
    ~Caches()
    {
        cairn_percpu_fini(&percpu);
    }
    void Pairs(State &run)
    {
        for (auto _ : run) {
            void *block = cairn_percpu_alloc(&percpu, 0);
            Keep(block);
            cairn_percpu_free(&percpu, 0, block);
        }
    }

    std::unique_ptr<Memory> state;
    cairn_percpu percpu = {};
};

Caches *g_caches;

// True, and the benchmark is over, when the caches are not in the mode that was asked for.
bool Refused(State &state, cairn_percpu_mode mode)
{
    struct cairn_percpu_stats stats = cairn_percpu_stats(&g_caches->percpu);
    state.SetLabel(cairn_percpu_mode_name(stats.mode));
    if (stats.mode == mode)
        return false;
    std::string message =
        std::string(cairn_percpu_mode_name(mode)) + " mode is not to be had: " + stats.reason;
    state.SkipWithError(message.c_str());
    return true;
}

template <cairn_percpu_mode kMode> void Open(const State &state)
{
    g_caches = new Caches(kMode, static_cast<uint32_t>(Arg(state)));
}
void Close(const State &)
{
    delete g_caches;
}

void Pair(State &state)
{
    g_caches->Pairs(state);
    if (state.thread_index() == 0)
        Tell(state, "contended", cairn_percpu_stats(&g_caches->percpu).contended);
}

void Burst(State &state)
{
    constexpr int kBurst = 4096;
    void *blocks[kBurst];
    for (auto _ : state) {
        for (void *&block : blocks)
            block = cairn_percpu_alloc(&g_caches->percpu, 0);
        for (void *block : blocks)
            cairn_percpu_free(&g_caches->percpu, 0, block);
    }
    state.SetItemsProcessed(state.iterations() * kBurst);
}

void Refill(State &state)
{
    for (auto _ : state)
        Keep(cairn_percpu_alloc(&g_caches->percpu, 0));
    Tell(state, "batch", g_caches->percpu.classes[0].batch);
}

// Addresses come round again after a million, long after they have left for the source.
void Flush(State &state)
{
    constexpr uintptr_t kBase = uintptr_t{1} << 41;
    uintptr_t number = 0;
    for (auto _ : state)
        cairn_percpu_free(&g_caches->percpu, 0,
                          reinterpret_cast<void *>(kBase + (number++ % (1 << 20) << 16)));
    Tell(state, "batch", g_caches->percpu.classes[0].batch);
}

// One producer, one consumer; whoever has to wait lets others run.
class Ring {
  public:
    void Put(void *block)
    {
        size_t at = put_.load(std::memory_order_relaxed);
        while (at - got_.load(std::memory_order_acquire) == kSlots)
            sched_yield();
        slots_[at % kSlots] = block;
        put_.store(at + 1, std::memory_order_release);
    }
    void *Get()
    {
        size_t at = got_.load(std::memory_order_relaxed);
        while (put_.load(std::memory_order_acquire) == at)
            sched_yield();
        void *block = slots_[at % kSlots];
        got_.store(at + 1, std::memory_order_release);
        return block;
    }

  private:
    static constexpr size_t kSlots = 1024;
    void *slots_[kSlots];
    alignas(128) std::atomic<size_t> put_{0};
    alignas(128) std::atomic<size_t> got_{0};
};

Ring g_rings[4]; // a pair of threads each; left empty by equal numbers of iterations

template <typename Make, typename Drop> void PassOn(State &state, Make make, Drop drop)
{
    Ring &ring = g_rings[state.thread_index() / 2];
    bool is_producer = state.thread_index() % 2 == 0;
    for (auto _ : state)
        if (is_producer)
            ring.Put(make());
        else
            drop(ring.Get());
}

void Cross(State &state)
{
    PassOn(
        state, [] { return cairn_percpu_alloc(&g_caches->percpu, 0); },
        [](void *block) { cairn_percpu_free(&g_caches->percpu, 0, block); });
}

void RingAlone(State &state)
{
    PassOn(
        state, [] { return &g_rings; }, [](void *block) { Keep(block); });
}
BENCHMARK(RingAlone)->Name("percpu/cross/ring")->Threads(2)->Threads(8)->UseRealTime();

void ByWay(State &state, cairn_cpu_id_method way)
{
    Caches(CAIRN_PERCPU_LOCK, 64, way).Pairs(state);
}

void CpuId(State &state, cairn_cpu_id_method way)
{
    cairn_cpu cpu;
    const cairn_cpu_config config = {way, nullptr, nullptr};
    Require(cairn_cpu_init(&cpu, &config) == 0, "cairn_cpu_init");
    for (auto _ : state)
        Keep(cairn_cpu_current(&cpu));
}

template <cairn_percpu_mode kMode>
benchmark::internal::Benchmark *Register(const char *what, void (*run)(State &))
{
    std::string name = std::string("percpu/") + what + "/" + cairn_percpu_mode_name(kMode);
    auto unless_refused = [run](State &state) {
        if (!Refused(state, kMode))
            run(state);
    };
    return benchmark::RegisterBenchmark(name.c_str(), unless_refused)
        ->ArgName("bytes")
        ->Setup(Open<kMode>)
        ->Teardown(Close);
}

template <cairn_percpu_mode kMode> void RegisterMode()
{
    Register<kMode>("pair", Pair)->Arg(64)->ThreadRange(1, 64)->UseRealTime();
    Register<kMode>("burst", Burst)->Arg(64)->Apply(BesideOthers);
    Register<kMode>("refill", Refill)->Arg(64)->Arg(512)->Arg(4096);
    Register<kMode>("flush", Flush)->Arg(64)->Arg(512)->Arg(4096);
    Register<kMode>("cross", Cross)->Arg(64)->Threads(2)->Threads(8)->UseRealTime();
}

void RegisterWay(const char *name, cairn_cpu_id_method way)
{
    cairn_cpu cpu;
    const cairn_cpu_config config = {way, nullptr, nullptr};
    Require(cairn_cpu_init(&cpu, &config) == 0, "cairn_cpu_init");
    if (cpu.method != way)
        return;
    benchmark::RegisterBenchmark((std::string("percpu/cpu_id/") + name).c_str(),
                                 [way](State &state) { CpuId(state, way); });
    benchmark::RegisterBenchmark((std::string("percpu/by_way/") + name).c_str(),
                                 [way](State &state) { ByWay(state, way); });
}

const bool g_registered = [] {
    RegisterWay("libc_rseq", CAIRN_CPU_LIBC_RSEQ);
    RegisterWay("own_rseq", CAIRN_CPU_OWN_RSEQ);
    RegisterWay("getcpu", CAIRN_CPU_GETCPU);
    RegisterMode<CAIRN_PERCPU_LOCK>();
    RegisterMode<CAIRN_PERCPU_RSEQ>();
    return true;
}();

} // namespace
