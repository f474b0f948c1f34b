// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Bytes as a configuration and a history, played against the oracle. With libFuzzer, or fed by
// fuzz_test.cc.

#include <cstddef>
#include <cstdint>

#include "buddy_pair.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

using buddy_fixture::ChunkFixture;
using buddy_fixture::Hard;
using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Pair;
using buddy_fixture::Region;

class Bytes {
  public:
    Bytes(const std::uint8_t *data, std::size_t size) : data_(data), left_(size)
    {
    }

    bool IsEmpty() const
    {
        return left_ == 0;
    }
    std::size_t Next() // 0 when there is no more
    {
        if (left_ == 0)
            return 0;
        left_--;
        return *data_++;
    }

  private:
    const std::uint8_t *data_;
    std::size_t left_;
};

// Any granule or half granule held, and some beyond; any length.
void Misuse(Bytes *bytes, Pair *pair, std::size_t granule)
{
    const auto &segments = pair->oracle().segments;
    std::size_t pick = bytes->Next();
    std::size_t place = bytes->Next();
    std::size_t length = bytes->Next() * granule / 4;

    if (segments.empty())
        return;
    const auto &segment = segments[pick % segments.size()];
    const void *pointer = reinterpret_cast<const void *>(segment.address + place * granule / 2);
    if (!pair->IsLive(pointer, length))
        pair->Misuse(pointer, length);
}

void Chunks(Bytes *bytes, Pair *pair, std::size_t operation)
{
    if (operation % 4 == 0)
        pair->Move(pair->chunk_count_max() * (4 + bytes->Next() % 4) / 5);
    else if (pair->IsByHand() && operation % 4 != 1)
        pair->Feed();
    else if (pair->IsByHand())
        pair->Shed(bytes->Next() % 4);
}

void Rarely(Bytes *bytes, Pair *pair, std::size_t operation, std::size_t granule)
{
    std::size_t length = bytes->Next() * granule / 8;

    switch (operation % 8) {
    case 0:
        pair->Purge(length, static_cast<unsigned>(bytes->Next() % 4));
        break;
    case 1:
        Misuse(bytes, pair, granule);
        break;
    case 2:
    case 3:
        pair->PurgeBegin(length, bytes->Next() * granule, bytes->Next() % 8);
        break;
    case 4:
    case 5:
        if (!pair->stretches.empty())
            pair->PurgeEnd(bytes->Next() % pair->stretches.size(), length % (2 * granule) == 0);
        break;
    default:
        if (pair->chunk_count_max() != 0)
            Chunks(bytes, pair, operation / 8);
    }
}

void Operate(Bytes *bytes, Pair *pair, ChunkFixture *chunks, std::size_t granule)
{
    std::size_t operation = bytes->Next();
    std::size_t length = bytes->Next() * granule / 4;

    if (chunks != nullptr) {
        chunks->is_dry = operation >= 240;
        chunks->is_zeroed = operation / 8 % 2 == 0;
    }
    switch (operation % 8) {
    case 0:
    case 1:
    case 2:
        pair->Alloc(length / 4, granule << (operation / 8 % 4));
        break;
    case 3:
        pair->Alloc(length, granule << (operation / 8 % 8));
        break;
    case 4:
    case 5:
        if (!pair->runs.empty())
            pair->Free(bytes->Next() % pair->runs.size());
        break;
    case 6:
        if (!pair->runs.empty())
            pair->Resize(bytes->Next() % pair->runs.size(), length);
        break;
    default:
        Rarely(bytes, pair, operation / 8, granule);
    }
    pair->CompareBriefly();
}

void Play(Bytes *bytes, Pair *pair, ChunkFixture *chunks, std::size_t granule)
{
    while (!bytes->IsEmpty())
        Operate(bytes, pair, chunks, granule);
    pair->Compare();
    pair->End();
}

void PlayRange(Bytes *bytes, std::size_t granule)
{
    Region region(300 * granule, granule << 8);
    std::size_t offset = bytes->Next() * granule / 8;
    std::size_t granules = bytes->Next() % 200 + 2;
    std::size_t align = granule << bytes->Next() % 9;
    Pair pair(OverRange(region.At(offset), granules * granule, granule, align), nullptr,
              Hard::kBack);

    Play(bytes, &pair, nullptr, granule);
}

void PlaySource(Bytes *bytes, std::size_t granule)
{
    std::size_t chunk = granule << bytes->Next() % 7;
    std::size_t count = bytes->Next() % 12 + 1;
    ChunkFixture chunks(chunk, bytes->Next() % 40 + 1, bytes->Next());
    cairn_buddy_config config = OverSource(chunks.AsSource(), chunk, count, granule);

    config.chunk_keep_count = bytes->Next() % 4;
    if (bytes->Next() % 2 == 0)
        config.source.ops = nullptr;
    config.chunk_is_zeroed = ChunkFixture::IsZeroed;
    config.chunk_is_zeroed_self = &chunks;
    Pair pair(config, &chunks, Hard::kFront);
    Play(bytes, &pair, &chunks, granule);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    Bytes bytes(data, size);
    std::size_t first = bytes.Next();
    std::size_t granule = static_cast<std::size_t>(16) << (first / 2 % 9);

    if (first % 2 == 0)
        PlayRange(&bytes, granule);
    else
        PlaySource(&bytes, granule);
    return 0;
}
