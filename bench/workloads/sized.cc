// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// sized.cc - what a C++ program does with the heap: containers, strings, objects behind a base.
//
// new and delete instead of malloc and free: delete is told the size, from the type or by a virtual
// destructor, and over-aligned types go through the aligned forms. The scenes take turns, each with a
// share of the objects; what they make dies at the end of the scene or in the middle of it.

#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/workloads/workload.h"

namespace {

uint64_t ops = 3000000;
uint64_t objects = 5000; // of a scene

const workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("objects", &objects, 1, WORKLOAD_TABLE_MOST),
    WORKLOAD_END,
};

// Objects behind a base: delete learns the size from the destructor.

class Shape {
  public:
    virtual ~Shape() = default;
    virtual uint64_t Area() const = 0;
};

template <size_t kBytes> class Polygon final : public Shape {
  public:
    explicit Polygon(uint64_t area)
    {
        corners_[0] = static_cast<unsigned char>(area | 1);
        workload_touch(corners_, sizeof corners_);
    }
    uint64_t Area() const override
    {
        return corners_[0];
    }

  private:
    unsigned char corners_[kBytes];
};

// A cache line of its own, as counters of threads have it.
struct alignas(64) Lane {
    uint64_t numbers[8];
};

std::unique_ptr<Shape> RandomShape(workload_random &random)
{
    uint64_t area = workload_random_next(&random);
    switch (area % 5) {
    case 0:
        return std::make_unique<Polygon<8>>(area);
    case 1:
        return std::make_unique<Polygon<24>>(area);
    case 2:
        return std::make_unique<Polygon<56>>(area);
    case 3:
        return std::make_unique<Polygon<120>>(area);
    default:
        return std::make_unique<Polygon<400>>(area);
    }
}

// Some fit into the string itself, most do not.
std::string RandomText(workload_random &random)
{
    return std::string(8 + workload_random_below(&random, 56), 'x');
}

void Shapes(uint64_t count, workload_random &random)
{
    std::vector<std::unique_ptr<Shape>> shapes;
    uint64_t area = 0;
    for (uint64_t i = 0; i < count; i++)
        shapes.push_back(RandomShape(random));
    for (uint64_t i = 0; i < count / 2; i++)
        shapes[workload_random_below(&random, count)].reset();
    for (const std::unique_ptr<Shape> &shape : shapes)
        area += shape != nullptr ? shape->Area() : 1;
    if (area < count)
        workload_fail("a shape was lost");
}

void SortedMap(uint64_t count, workload_random &random)
{
    std::map<uint64_t, std::string> map;
    for (uint64_t i = 0; i < count; i++)
        map[workload_random_below(&random, count)] = RandomText(random);
    for (uint64_t i = 0; i < count / 2; i++)
        map.erase(workload_random_below(&random, count));
}

void HashMap(uint64_t count, workload_random &random)
{
    std::unordered_map<std::string, uint64_t> map;
    for (uint64_t i = 0; i < count; i++)
        map[RandomText(random) + std::to_string(i)] = i;
    for (uint64_t i = 0; i < count; i += 2)
        map.erase("x" + std::to_string(i));
}

void Texts(uint64_t count, workload_random &random)
{
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < count; i++) {
        texts.push_back(RandomText(random));
        if (i % 4 == 0)
            texts[workload_random_below(&random, texts.size())] += texts.back();
    }
}

void Lanes(uint64_t count, workload_random &random)
{
    std::vector<std::unique_ptr<Lane>> lanes(count / 8 + 1);
    for (uint64_t i = 0; i < count; i++) {
        std::unique_ptr<Lane> &place = lanes[workload_random_below(&random, lanes.size())];
        place.reset(new Lane);
        workload_touch(place.get(), sizeof(Lane));
        if (reinterpret_cast<uintptr_t>(place.get()) % alignof(Lane) != 0)
            workload_fail("an object is not aligned to %zu bytes", alignof(Lane));
    }
}

// Buffers that the program sizes itself, as allocators of containers do.
void RawBuffers(uint64_t count, workload_random &random)
{
    workload_sizes sizes = workload_sizes_between(16, 4096);
    std::vector<std::pair<void *, size_t>> buffers(count / 8 + 1);
    for (uint64_t i = 0; i < count; i++) {
        std::pair<void *, size_t> &place = buffers[workload_random_below(&random, buffers.size())];
        ::operator delete(place.first, place.second);
        place = {nullptr, 0};
        size_t bytes = workload_size(&sizes, &random);
        place = {::operator new(bytes), bytes};
        workload_touch(place.first, bytes);
    }
    for (const std::pair<void *, size_t> &buffer : buffers)
        ::operator delete(buffer.first, buffer.second);
}

void Play(size_t thread)
{
    using Scene = void (*)(uint64_t, workload_random &);
    static constexpr Scene kScenes[] = {Shapes, SortedMap, HashMap, Texts, Lanes, RawBuffers};
    constexpr size_t kSceneCount = sizeof kScenes / sizeof kScenes[0];
    workload_random random = workload_random_of(thread);
    size_t turn = 0;
    for (uint64_t left = ops; left > 0; turn++) {
        uint64_t count = left < objects ? left : objects;
        kScenes[turn % kSceneCount](count, random);
        left -= count;
    }
}

} // namespace

int main(int argument_count, char **arguments)
{
    workload_begin("sized",
                   "C++ containers, strings, objects behind a base, over-aligned types: new, and "
                   "delete that is told the size (ops: objects)",
                   parameters, argument_count, arguments);
    try {
        workload_threads(1, Play);
    } catch (const std::bad_alloc &) {
        workload_out_of_memory();
    }
    return workload_report(ops);
}
