"""Plots as SVG: bars that grow with the page beside labels that do not. Each has its figures as text too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from bifrost_store.reporting.elements import element

_WIDTH: Final = 1000.0
_HEIGHT: Final = 20.0
_LEAST: Final = 6.0
"""What is there at all is seen, however little it is."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar.

    Attributes:
        kind: Says its colour, by the style's class of this name.
        value: What it stands for; nothing is drawn of 0.
        label: Its name in the legend.
    """

    kind: str
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a plot, with what is written before and behind it."""

    label: str
    parts: Sequence[Part]
    figure: str


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted from *start* to *end*."""

    label: str
    kind: str
    start: datetime
    end: datetime
    figure: str


def bars(rows: Sequence[Bar], *, label: str, is_share: bool = False) -> Element:
    """Return bars on one scale, or with *is_share* each as long as the others, and a legend of the parts that occur.

    Args:
        label: What the plot shows, for those who do not see it.
    """
    sums = [sum(part.value for part in row.parts) for row in rows]
    longest = max(sums, default=0.0)
    drawn = [
        _row(row.label, _stacked(row, whole if is_share else longest), row.figure) for row, whole in zip(rows, sums, strict=True)
    ]
    shown = {part.kind: part.label for row in rows for part in row.parts if part.value > 0}
    return element("figure", element("div", *drawn, class_="plot", role="img", aria_label=label), _legend(shown))


def spans(rows: Sequence[Span], *, label: str) -> Element:
    """Return a line for each span on one axis of time."""
    start, end = min(row.start for row in rows), max(row.end for row in rows)
    whole = max((end - start).total_seconds(), 1.0)
    drawn = []
    for row in rows:
        width = max((row.end - row.start).total_seconds() / whole * _WIDTH, _LEAST)
        x = min((row.start - start).total_seconds() / whole * _WIDTH, _WIDTH - width)
        drawn.append(_row(row.label, [_rectangle(x, width, row.kind)], row.figure))
    axis = element("div", element("span", f"{start:%Y-%m-%d %H:%M}"), element("span", f"{end:%Y-%m-%d %H:%M} UTC"), class_="axis")
    return element("figure", element("div", *drawn, class_="plot", role="img", aria_label=label), axis)


def _row(label: str, rectangles: Sequence[Element], figure: str) -> Element:
    track = element("rect", x="0", y="0", width=f"{_WIDTH:g}", height=f"{_HEIGHT:g}", class_="track")
    view = {"viewBox": f"0 0 {_WIDTH:g} {_HEIGHT:g}", "preserveAspectRatio": "none", "aria-hidden": "true"}
    drawing = element("svg", track, *rectangles)
    drawing.attrib.update(view)
    return element("div", element("span", label, class_="name"), drawing, element("span", figure, class_="figure"), class_="row")


def _stacked(row: Bar, whole: float) -> list[Element]:
    widths = [max(part.value / whole * _WIDTH, _LEAST) if part.value > 0 and whole else 0.0 for part in row.parts]
    shrink = min(1.0, _WIDTH / sum(widths)) if sum(widths) else 1.0
    drawn, x = [], 0.0
    for part, width in zip(row.parts, widths, strict=True):
        if width:
            drawn.append(_rectangle(x, width * shrink, part.kind))
            x += width * shrink
    return drawn


def _rectangle(x: float, width: float, kind: str) -> Element:
    return element("rect", x=f"{x:.2f}", y="0", width=f"{width:.2f}", height=f"{_HEIGHT:g}", class_=kind)


def _legend(shown: dict[str, str]) -> Element:
    keys = [element("li", element("span", class_=f"key {kind}", aria_hidden="true"), label) for kind, label in shown.items()]
    return element("ul", *keys, class_="legend")
