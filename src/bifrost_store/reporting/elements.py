"""HTML and SVG as trees: whatever text is put in is escaped when the tree is written."""

from __future__ import annotations

from importlib import resources
from xml.etree.ElementTree import Element, SubElement, tostring

Child = Element | str | None


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """Return an element. Names of attributes have underscores for dashes; `class_` is the class."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    for child in children:
        _append(made, child)
    return made


def table(headings: list[str], rows: list[list[str]], *, caption: str) -> Element:
    """Return a table whose first column names its rows and whose others are figures."""
    head = element("tr", *(element("th", text, scope="col") for text in headings))
    body = [element("tr", element("th", first, scope="row"), *(element("td", text) for text in rest)) for first, *rest in rows]
    made = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    return element("div", made, class_="table", tabindex="0", role="region", aria_label=caption)


def page(title: str, *children: Child) -> bytes:
    """Return a whole page in UTF-8, with the style of reports in it."""
    head = element("head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": policy})
    SubElement(head, "meta", name="color-scheme", content="light dark")
    head.append(element("title", title))
    head.append(element("style", resources.files("bifrost_store.reporting").joinpath("style.css").read_text("utf-8")))
    html = element("html", head, element("body", element("main", *children)), lang="en")
    text = "<!doctype html>\n" + tostring(html, encoding="unicode", method="html") + "\n"
    return text.encode("utf-8", "replace")


def _append(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + _printable(child)
    else:
        parent.text = (parent.text or "") + _printable(child)


def _printable(text: str) -> str:
    """Return *text* without the control characters that no page may hold."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text)
