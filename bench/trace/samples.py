# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""From what the replayer noted of every call (replayer.c, struct note) to pictures of the heap.

    {"granule_bytes": 65536, "samples": [{"calls": 8192, "live_kib": 10, "resident_kib": 30,
                                          "space": [granule, live_kib, granule, live_kib, ...]}, ...],
     "classes": [[from_bytes, to_bytes, blocks, asked_bytes, usable_bytes], ...]}

A granule is an aligned piece of the heap's addresses. Classes are 1, 2, ... 16 bytes, then eighths of powers of two.
"""

import pathlib
from typing import Any, Dict, List

try:
    import numpy

    MISSING = None
    NOTE = numpy.dtype([(name, "u8") for name in ("address", "size", "usable", "resident")]
                       + [("slot", "u4"), ("unused", "u4")])
except ImportError:
    numpy = None
    MISSING = "numpy is missing, so there is no waste by size: apt-get install python3-numpy"

LEAST_GRANULE_BYTES, GRANULES_AT_PEAK = 65536, 1024


def _space(address: Any, size: Any, granule_bytes: int) -> List[int]:
    """The granules in which blocks live, each with how much; a block may lie in several."""
    first = address // granule_bytes
    spans = (address + size - 1) // granule_bytes - first + 1
    block = numpy.repeat(numpy.arange(len(size)), spans)
    nth = numpy.arange(len(block)) - numpy.repeat(numpy.cumsum(spans) - spans, spans)
    granule = first[block] + nth
    begin = numpy.maximum(address[block], granule * granule_bytes)
    end = numpy.minimum((address + size)[block], (granule + 1) * granule_bytes)
    granules, place = numpy.unique(granule, return_inverse=True)
    kib = numpy.ceil(numpy.bincount(place, end - begin, len(granules)) / 1024).astype(int)
    return numpy.stack([granules, kib], axis=1).ravel().tolist()


def _classes(allocations: Any) -> List[List[int]]:
    """What was asked for, and what was given for it, by the class of the size."""
    last = numpy.maximum(allocations["size"].astype("i8"), 1) - 1
    step = numpy.maximum(2.0 ** (numpy.frexp(last)[1] - 4), 1).astype("i8")
    ends, place = numpy.unique((last // step + 1) * step, return_inverse=True)
    least = numpy.zeros(len(ends), "i8")
    least[place] = (last // step) * step
    sums = [numpy.bincount(place, allocations[name], len(ends)) for name in ("size", "usable")]
    columns = [least, ends, numpy.bincount(place, minlength=len(ends)), *sums]
    return numpy.stack(columns, axis=1).astype("i8").tolist()


def read(path: pathlib.Path, peak_bytes: int) -> Dict[str, Any]:
    """The report of a run, in which so many bytes were live at most."""
    granule_bytes = LEAST_GRANULE_BYTES
    while granule_bytes < peak_bytes // GRANULES_AT_PEAK:
        granule_bytes *= 2
    notes = numpy.fromfile(path, NOTE)
    address, size = numpy.zeros((2, int(notes["slot"].max()) + 1), "i8")
    samples, done = [], 0
    for calls in (numpy.flatnonzero(notes["resident"]) + 1).tolist():
        part = notes[done:calls]
        done = calls
        address[part["slot"]] = part["address"]  # of several calls on a slot, the last counts
        size[part["slot"]] = part["size"]
        samples.append({"calls": calls, "live_kib": int(size.sum()) // 1024,
                        "resident_kib": int(part["resident"][-1]) - 1,
                        "space": _space(address[size > 0], size[size > 0], granule_bytes)})
    return {"granule_bytes": granule_bytes, "samples": samples,
            "classes": _classes(notes[notes["address"] != 0])}
