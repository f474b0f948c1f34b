# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Pieces of HTML for the page of bench/trace, which does not come from page.html yet."""

import html
from typing import Any, Dict, List, Optional, Sequence

from bench.harness import document, messages
from bench.harness.stats import Summary


def escape(value: Any) -> str:
    """Text that means itself, also inside of an attribute."""
    return html.escape(str(value), quote=True)


def tag(name: str, inside: str, **attributes: Optional[str]) -> str:
    """An element; `inside` is HTML, attributes are text, a trailing underscore is no part of a name."""
    given = "".join(' %s="%s"' % (key.rstrip("_").replace("_", "-"), escape(value))
                    for key, value in attributes.items() if value is not None)
    return "<%s%s>%s</%s>" % (name, given, inside, name)


def cell(said: str, worth: Optional[float] = None, kind: Optional[str] = None, hint: Optional[str] = None) -> str:
    """A cell of figures: what is read, and what it is sorted by."""
    return tag("td", escape(said), class_=kind, title=hint, data_sort="" if worth is None else "%.9g" % worth)


def word(said: str, kind: str = "word") -> str:
    """A cell of words."""
    return tag("td", escape(said), class_=kind, data_sort=said)


def table(caption: str, head: Sequence[str], body: Sequence[Sequence[str]], words_first: int = 1,
          long: bool = False) -> str:
    """A sortable table; the first columns hold words, the others figures."""
    heads = "".join(tag("th", escape(name), scope="col", class_="word sorter-text" if i < words_first
                        else "sorter-digit") for i, name in enumerate(head))
    lines = "\n".join(tag("tr", "".join(cells)) for cells in body)
    inside = tag("caption", escape(caption)) + tag("thead", tag("tr", heads)) + tag("tbody", lines)
    return tag("div", tag("table", inside, class_="sortable long" if long else "sortable"), class_="scroll")


def definitions(pairs: Sequence[Sequence[str]]) -> str:
    """Names and what they are."""
    return tag("dl", "".join(tag("dt", escape(name)) + tag("dd", escape(value)) for name, value in pairs))


def bullets(lines: Sequence[str]) -> str:
    """A list of sentences."""
    return tag("ul", "".join(tag("li", escape(line)) for line in lines))


def paragraphs(lines: Sequence[str], kind: Optional[str] = None) -> str:
    """Sentences, a paragraph each."""
    return "".join(tag("p", escape(line), class_=kind) for line in lines)


def machine(result: Dict[str, Any]) -> str:
    """The machine."""
    return definitions(messages.machine(result))


def subjects(summary: Summary) -> str:
    """What was compared, and exactly which build of it."""
    made = document.allocators(summary)
    body: List[List[str]] = [[word(one.text, "word " + one.mark) for one in line] for line in made.body]
    return table(made.caption, made.head, body, made.words)
