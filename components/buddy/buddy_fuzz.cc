// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Bytes as a configuration and a history, played against the oracle. With libFuzzer, or fed by
// fuzz_test.cc.

#include <cstddef>
#include <cstdint>

#include "buddy_duel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

using buddy_rig::ChunkYard;
using buddy_rig::Duel;
using buddy_rig::Hard;
using buddy_rig::OverRange;
using buddy_rig::OverSource;
using buddy_rig::Region;

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

// Any grain or half grain held, and some beyond; any length.
void Misuse(Bytes *bytes, Duel *duel, std::size_t grain)
{
    const auto &segments = duel->oracle().segments;
    std::size_t pick = bytes->Next();
    std::size_t place = bytes->Next();
    std::size_t length = bytes->Next() * grain / 4;

    if (segments.empty())
        return;
    const auto &segment = segments[pick % segments.size()];
    const void *pointer = reinterpret_cast<const void *>(segment.address + place * grain / 2);
    if (!duel->IsLive(pointer, length))
        duel->Misuse(pointer, length);
}

void Chunks(Bytes *bytes, Duel *duel, std::size_t operation)
{
    if (operation % 4 == 0)
        duel->Move(duel->chunk_count_max() * (4 + bytes->Next() % 4) / 5);
    else if (duel->IsByHand() && operation % 4 != 1)
        duel->Feed();
    else if (duel->IsByHand())
        duel->Shed(bytes->Next() % 4);
}

void Rarely(Bytes *bytes, Duel *duel, std::size_t operation, std::size_t grain)
{
    std::size_t length = bytes->Next() * grain / 8;

    switch (operation % 8) {
    case 0:
        duel->Purge(length, static_cast<unsigned>(bytes->Next() % 4));
        break;
    case 1:
        Misuse(bytes, duel, grain);
        break;
    case 2:
    case 3:
        duel->PurgeBegin(length, bytes->Next() * grain, bytes->Next() % 8);
        break;
    case 4:
    case 5:
        if (!duel->stretches.empty())
            duel->PurgeEnd(bytes->Next() % duel->stretches.size(), length % (2 * grain) == 0);
        break;
    default:
        if (duel->chunk_count_max() != 0)
            Chunks(bytes, duel, operation / 8);
    }
}

void Operate(Bytes *bytes, Duel *duel, ChunkYard *yard, std::size_t grain)
{
    std::size_t operation = bytes->Next();
    std::size_t length = bytes->Next() * grain / 4;

    if (yard != nullptr) {
        yard->is_dry = operation >= 240;
        yard->is_zeroed = operation / 8 % 2 == 0;
    }
    switch (operation % 8) {
    case 0:
    case 1:
    case 2:
        duel->Alloc(length / 4, grain << (operation / 8 % 4));
        break;
    case 3:
        duel->Alloc(length, grain << (operation / 8 % 8));
        break;
    case 4:
    case 5:
        if (!duel->runs.empty())
            duel->Free(bytes->Next() % duel->runs.size());
        break;
    case 6:
        if (!duel->runs.empty())
            duel->Resize(bytes->Next() % duel->runs.size(), length);
        break;
    default:
        Rarely(bytes, duel, operation / 8, grain);
    }
    duel->CompareBriefly();
}

void Play(Bytes *bytes, Duel *duel, ChunkYard *yard, std::size_t grain)
{
    while (!bytes->IsEmpty())
        Operate(bytes, duel, yard, grain);
    duel->Compare();
    duel->End();
}

void PlayRange(Bytes *bytes, std::size_t grain)
{
    Region region(300 * grain, grain << 8);
    std::size_t offset = bytes->Next() * grain / 8;
    std::size_t grains = bytes->Next() % 200 + 2;
    std::size_t align = grain << bytes->Next() % 9;
    Duel duel(OverRange(region.At(offset), grains * grain, grain, align), nullptr, Hard::kBack);

    Play(bytes, &duel, nullptr, grain);
}

void PlaySource(Bytes *bytes, std::size_t grain)
{
    std::size_t chunk = grain << bytes->Next() % 7;
    std::size_t count = bytes->Next() % 12 + 1;
    ChunkYard yard(chunk, bytes->Next() % 40 + 1, bytes->Next());
    cairn_buddy_config config = OverSource(yard.AsSource(), chunk, count, grain);

    config.chunk_keep_count = bytes->Next() % 4;
    if (bytes->Next() % 2 == 0)
        config.source.ops = nullptr;
    config.chunk_is_zeroed = ChunkYard::IsZeroed;
    config.chunk_is_zeroed_self = &yard;
    Duel duel(config, &yard, Hard::kFront);
    Play(bytes, &duel, &yard, grain);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    Bytes bytes(data, size);
    std::size_t first = bytes.Next();
    std::size_t grain = static_cast<std::size_t>(16) << (first / 2 % 9);

    if (first % 2 == 0)
        PlayRange(&bytes, grain);
    else
        PlaySource(&bytes, grain);
    return 0;
}
