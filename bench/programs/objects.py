# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A year of a small shop in Python: objects, dictionaries, text, and the garbage between them.

objects.py ORDERS prints one line that depends on every step.
"""

import json
import random
import re
import sys
import zlib


class Order:
    """A line of the book; without __slots__, so that each has a dictionary."""

    def __init__(self, number, customer, items):
        self.number = number
        self.customer = customer
        self.items = items
        self.note = "order %d for %s: %s" % (number, customer, ", ".join(sorted(items)))

    def total(self):
        """In cents."""
        return sum(count * price for count, price in self.items.values())


def make_orders(numbers, chance):
    """Fresh orders with one to eight items each."""
    for number in numbers:
        items = {"item-%d" % chance.randrange(2000): (chance.randrange(1, 9), chance.randrange(100, 10000))
                 for _ in range(chance.randrange(1, 9))}
        yield Order(number, "customer-%d" % chance.randrange(500), items)


def change_a_third(book, chance):
    """Old orders go, new ones come into their places."""
    places = chance.sample(range(len(book)), len(book) // 3)
    for place, order in zip(places, make_orders(range(len(book), len(book) + len(places)), chance)):
        book[place] = order


def by_customer(book):
    """Totals and notes of each customer."""
    customers = {}
    for order in book:
        customers.setdefault(order.customer, []).append((order.total(), order.note))
    return {customer: sorted(lines) for customer, lines in sorted(customers.items())}


def main():
    """Fills the book, changes it, and writes it out."""
    chance = random.Random(20260)
    book = list(make_orders(range(int(sys.argv[1])), chance))
    for _ in range(3):
        change_a_third(book, chance)
    text = json.dumps(by_customer(book))
    again = json.loads(text)
    words = re.findall(r"item-\d+", text)
    print("orders %d, customers %d, items %d, text %d, check %08x"
          % (len(book), len(again), len(set(words)), len(text), zlib.crc32(text.encode())))


main()
