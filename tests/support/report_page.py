"""A report's page, read as a browser reads it."""

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Reads a page into elements, texts and table cells, and refuses tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, list[str]] = {"style": [], "script": []}
        self.tables: list[list[list[str]]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"an attribute stands twice in {tag}"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> does not match"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.inside:
            self.inside[self.open[-1]].append(data)
            return
        self.texts.append(data)
        if {"td", "th"} & set(self.open) and "small" not in self.open:
            self.tables[-1][-1][-1] += data.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def numbers(self, first: str) -> list[list[str]]:
        """Rows of the first table whose first row begins with `first`."""
        return next(table for table in self.tables if table and table[0][0] == first)


def plain(text: str) -> int:
    """The whole number that a cell shows."""
    return int(re.sub(r"\D", "", text))
