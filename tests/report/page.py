"""A page as a reader's program sees it: elements, attributes, identifiers, text."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "source", "col", "br", "line", "rect", "path", "circle", "link"}


class Page(HTMLParser):
    """Parses a page; `errors` lists what does not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.errors: list[str] = []
        self.words: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.errors += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self._open or self._open[-1] != tag:
            self.errors.append(f"</{tag}> closes {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data):
        self.words.append((self._open[-1] if self._open else "", data))

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str | None = None) -> str:
        """All words, or those directly inside elements of one kind, with single blanks."""
        return " ".join(
            "".join(
                w for t, w in self.words if t not in ("style", "script") and (tag is None or t == tag)
            ).split()
        )

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] for _, a in self.elements if attribute in a]
