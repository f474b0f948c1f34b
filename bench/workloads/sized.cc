// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// sized.cc - what a C++ program does with the heap: containers, strings, objects behind a base.
//
// new and delete instead of malloc and free: delete is told the size, from the type or by a virtual
// destructor, and over-aligned types go through the aligned forms. The scenes take turns, each with
// a share of the objects; what they make dies at the end of the scene or in the middle of it.

#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/workloads/workload.h"

namespace {

uint64_t objects; // of a scene

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
        touch_block(corners_, sizeof corners_);
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

template <size_t kBytes> std::unique_ptr<Shape> Made(uint64_t area)
{
    return std::make_unique<Polygon<kBytes>>(area);
}

std::unique_ptr<Shape> RandomShape(rng &rng)
{
    using Maker = std::unique_ptr<Shape> (*)(uint64_t);
    static constexpr Maker kMakers[] = {Made<8>, Made<24>, Made<56>, Made<120>, Made<400>};
    uint64_t area = rng_next(&rng);
    return kMakers[area % 5](area);
}

// Some fit into the string itself, most do not.
std::string RandomText(rng &rng)
{
    return std::string(8 + rng_below(&rng, 56), 'x');
}

void Shapes(uint64_t count, rng &rng)
{
    std::vector<std::unique_ptr<Shape>> shapes;
    uint64_t area = 0;
    for (uint64_t i = 0; i < count; i++)
        shapes.push_back(RandomShape(rng));
    for (uint64_t i = 0; i < count / 2; i++)
        shapes[rng_below(&rng, count)].reset();
    for (const std::unique_ptr<Shape> &shape : shapes)
        area += shape != nullptr ? shape->Area() : 1;
    if (area < count)
        fail("a shape was lost");
}

void SortedMap(uint64_t count, rng &rng)
{
    std::map<uint64_t, std::string> map;
    for (uint64_t i = 0; i < count; i++)
        map[rng_below(&rng, count)] = RandomText(rng);
    for (uint64_t i = 0; i < count / 2; i++)
        map.erase(rng_below(&rng, count));
}

void HashMap(uint64_t count, rng &rng)
{
    std::unordered_map<std::string, uint64_t> map;
    for (uint64_t i = 0; i < count; i++)
        map[RandomText(rng) + std::to_string(i)] = i;
    for (uint64_t i = 0; i < count; i += 2)
        map.erase("x" + std::to_string(i));
}

void Texts(uint64_t count, rng &rng)
{
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < count; i++) {
        texts.push_back(RandomText(rng));
        if (i % 4 == 0)
            texts[rng_below(&rng, texts.size())] += texts.back();
    }
}

void Lanes(uint64_t count, rng &rng)
{
    std::vector<std::unique_ptr<Lane>> lanes(count / 8 + 1);
    for (uint64_t i = 0; i < count; i++) {
        std::unique_ptr<Lane> &place = lanes[rng_below(&rng, lanes.size())];
        place.reset(new Lane);
        touch_block(place.get(), sizeof(Lane));
        if (reinterpret_cast<uintptr_t>(place.get()) % alignof(Lane) != 0)
            fail("an object is not aligned to %zu bytes", alignof(Lane));
    }
}

// Buffers that the program sizes itself, as allocators of containers do.
void RawBuffers(uint64_t count, rng &rng)
{
    sizes = sizes_between(16, 4096);
    std::vector<std::pair<void *, size_t>> buffers(count / 8 + 1);
    for (uint64_t i = 0; i < count; i++) {
        std::pair<void *, size_t> &place = buffers[rng_below(&rng, buffers.size())];
        ::operator delete(place.first, place.second);
        size_t bytes = some_size(&rng);
        place = {::operator new(bytes), bytes};
        touch_block(place.first, bytes);
    }
    for (const std::pair<void *, size_t> &buffer : buffers)
        ::operator delete(buffer.first, buffer.second);
}

void Play(size_t thread)
{
    using Scene = void (*)(uint64_t, rng &);
    static constexpr Scene kScenes[] = {Shapes, SortedMap, HashMap, Texts, Lanes, RawBuffers};
    constexpr size_t kSceneCount = sizeof kScenes / sizeof kScenes[0];
    rng rng = rng_of(thread);
    size_t turn = 0;
    for (uint64_t left = ops; left > 0; turn++) {
        uint64_t count = left < objects ? left : objects;
        kScenes[turn % kSceneCount](count, rng);
        left -= count;
    }
}

const parameter parameters[] = {OPS(3000000), PARAMETER(objects, 5000, 1, TABLE_MOST), NO_MORE};

} // namespace

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "C++ containers, strings, objects behind a base, over-aligned types: new, and "
          "delete that is told the size (ops: objects)",
          parameters);
    try {
        return run(1, Play);
    } catch (const std::bad_alloc &) {
        out_of_memory();
    }
}
