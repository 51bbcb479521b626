"""Distances on the globe."""

from __future__ import annotations

from math import asin, atan, atan2, cos, hypot, sin, sqrt, tan
from typing import Final, TypeAlias

Place: TypeAlias = tuple[float, float]
"""Longitude and latitude in radians."""

# WGS 84, which GeoJSON counts in (RFC 7946, section 4).
_EQUATOR_METRES: Final = 6_378_137.0
_FLATTENING: Final = 1 / 298.257223563
_POLE_METRES: Final = _EQUATOR_METRES * (1 - _FLATTENING)
_MEAN_METRES: Final = (2 * _EQUATOR_METRES + _POLE_METRES) / 3
_STEPS: Final = 100
_CLOSE_ENOUGH: Final = 1e-12


def metres_between(one: Place, other: Place) -> float:
    """Return the length of the shortest way, to less than a millimetre: T. Vincenty, Survey Review 23 (176), 1975, inverse formula.

    Between places almost opposite each other, where it does not converge, the globe counts as a sphere.
    """
    first, second = (atan((1 - _FLATTENING) * tan(latitude)) for _, latitude in (one, other))
    apart = angle = other[0] - one[0]
    for _ in range(_STEPS):
        sine = hypot(cos(second) * sin(angle), cos(first) * sin(second) - sin(first) * cos(second) * cos(angle))
        cosine = sin(first) * sin(second) + cos(first) * cos(second) * cos(angle)
        if sine == 0:
            return 0.0 if cosine > 0 else _on_sphere(one, other)
        arc = atan2(sine, cosine)
        azimuth_sine = cos(first) * cos(second) * sin(angle) / sine
        azimuth_cosine2 = 1 - azimuth_sine**2
        middle = cosine - 2 * sin(first) * sin(second) / azimuth_cosine2 if azimuth_cosine2 else 0.0
        c = _FLATTENING / 16 * azimuth_cosine2 * (4 + _FLATTENING * (4 - 3 * azimuth_cosine2))
        turned = arc + c * sine * (middle + c * cosine * (2 * middle**2 - 1))
        previous, angle = angle, apart + (1 - c) * _FLATTENING * azimuth_sine * turned
        if abs(angle - previous) < _CLOSE_ENOUGH:
            u2 = azimuth_cosine2 * (_EQUATOR_METRES**2 / _POLE_METRES**2 - 1)
            a = 1 + u2 / 16384 * (4096 + u2 * (u2 * (320 - 175 * u2) - 768))
            b = u2 / 1024 * (256 + u2 * (u2 * (74 - 47 * u2) - 128))
            bend = b / 6 * middle * (4 * sine**2 - 3) * (4 * middle**2 - 3)
            return _POLE_METRES * a * (arc - b * sine * (middle + b / 4 * (cosine * (2 * middle**2 - 1) - bend)))
    return _on_sphere(one, other)


def _on_sphere(one: Place, other: Place) -> float:
    half = sin((other[1] - one[1]) / 2) ** 2 + cos(one[1]) * cos(other[1]) * sin((other[0] - one[0]) / 2) ** 2
    return 2 * _MEAN_METRES * asin(min(sqrt(half), 1))
