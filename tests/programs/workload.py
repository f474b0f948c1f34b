# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Objects of all sizes, threads, processes and large buffers: what python asks of a malloc."""
import array
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import threading
import zlib

random.seed(4711)


def digest(value):
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def buffers(seed, count):
    chooser = random.Random(seed)
    kept = [b""] * 300
    total = hashlib.sha256()
    for number in range(count):
        slot = chooser.randrange(len(kept))
        total.update(kept[slot][-64:])
        size = chooser.choice((10, 700, 5000, 40000, 200000)) * chooser.randrange(1, 5)
        kept[slot] = bytearray([number % 256]) * size
    return total.hexdigest()[:16]


table = {str(number * 7919 % 50021): [number] * (number % 7) for number in range(100000)}
print("dict", len(table), digest(sorted(table.items())[:2000]))

text = " ".join(str(random.randrange(10**6)) for _ in range(200000))
print("regex", len(re.findall(r"1(\d)\1", text)), digest(re.sub(r"(\d)(\d+)", r"\2\1", text)))

rows = [{"id": number, "tags": [str(number)] * 3, "inner": {"x": number / 7}} for number in range(30000)]
print("json", digest(json.loads(json.dumps(rows))))

numbers = array.array("d", (random.random() for _ in range(500000)))
for _ in range(20):
    numbers.extend(numbers[:50000])
print("array", len(numbers), round(sum(numbers), 6))

packed = zlib.compress(text.encode() * 5, 6)
print("zlib", digest(zlib.decompress(packed)))

answers = [None] * 16


def work(number):
    answers[number] = buffers(number, 600)


threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("threads", answers)

children = []
for number in range(10):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, buffers(number, 150).encode())
        os._exit(0)
    os.close(writer)
    children.append((child, reader))
for child, reader in children:
    print("child", os.read(reader, 100).decode(), os.waitpid(child, 0)[1])

code = "print(sum(len(bytes(n)) for n in range(3000)))"
print("subprocess", subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True).stdout.strip())

fibonacci = 1, 1
for _ in range(60000):
    fibonacci = fibonacci[1], sum(fibonacci)
print("integer", fibonacci[1].bit_length(), digest(fibonacci[1] % (1 << 2000)))
