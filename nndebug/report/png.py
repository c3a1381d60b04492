"""Tiny palette PNGs, one pixel a cell, as `data:` addresses; needs nothing but zlib."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

Colour = tuple[int, int, int, int]

LEVELS = 16
"""Shades of a ramp: cells hold 0 (least) to LEVELS - 1 (most)."""

WRONG = LEVELS
"""Cell of what is wrong, as a unit that never fires."""

EMPTY = LEVELS + 1
"""Cell that shows the background."""


def _mix(low: Colour, high: Colour, count: int) -> list[Colour]:
    return [
        (
            round(low[0] + (high[0] - low[0]) * i / (count - 1)),
            round(low[1] + (high[1] - low[1]) * i / (count - 1)),
            round(low[2] + (high[2] - low[2]) * i / (count - 1)),
            round(low[3] + (high[3] - low[3]) * i / (count - 1)),
        )
        for i in range(count)
    ]


_NOTHING = (0, 0, 0, 0)
_BLUE, _AMBER = (31, 84, 153, 255), (166, 98, 0, 255)

PALETTES: dict[str, tuple[list[Colour], list[Colour]]] = {
    # name: (light theme, dark theme); the last two colours are WRONG and EMPTY
    "activity": (
        [*_mix((217, 225, 236, 255), _BLUE, LEVELS), (179, 38, 30, 255), _NOTHING],
        [*_mix((44, 54, 66, 255), (138, 180, 248, 255), LEVELS), (255, 138, 128, 255), _NOTHING],
    ),
    "density": (
        [*_mix((236, 240, 246, 255), _BLUE, LEVELS), (179, 38, 30, 255), _NOTHING],
        [*_mix((34, 40, 48, 255), (138, 180, 248, 255), LEVELS), (255, 138, 128, 255), _NOTHING],
    ),
    # Weights: blue below 0, background at 0, amber above; the same on both themes.
    "signed": (
        [
            *_mix((47, 111, 196, 255), (47, 111, 196, 0), LEVELS // 2),
            *_mix((200, 124, 20, 0), (200, 124, 20, 255), LEVELS // 2),
            (179, 38, 30, 255),
            _NOTHING,
        ],
    )
    * 2,
    # Samples: as a picture on a screen, 0 black.
    "grey": ([*_mix((0, 0, 0, 255), (255, 255, 255, 255), LEVELS), (179, 38, 30, 255), _NOTHING],) * 2,
}


def write(cells: Sequence[Sequence[int]], palette: Sequence[Colour]) -> bytes:
    """An indexed PNG.

    Args:
        cells: (rows, columns) of palette indices.
        palette: red, green, blue, alpha of each index, at most 256.
    """
    height, width = len(cells), len(cells[0]) if cells else 0
    bits = 4 if len(palette) <= 16 else 8
    lines = bytearray()
    for row in cells:
        line = bytes(row)
        if bits == 4:
            line += b"\0" * (len(line) % 2)
            line = bytes(a << 4 | b for a, b in zip(line[::2], line[1::2]))
        lines += b"\0" + line
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)),
        (b"PLTE", b"".join(bytes(colour[:3]) for colour in palette)),
        (b"tRNS", bytes(colour[3] for colour in palette)),
        (b"IDAT", zlib.compress(bytes(lines), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def address(cells: Sequence[Sequence[int]], palette: str, dark: bool = False) -> str:
    """The picture as a `data:` address for the `src` of an image.

    Args:
        cells: (rows, columns) of palette indices.
        palette: a name in `PALETTES`.
        dark: colours for the dark theme.
    """
    colours = PALETTES[palette][dark]
    used = sorted({cell for row in cells for cell in row})
    place = {cell: i for i, cell in enumerate(used)}  # few colours: 4 bits a pixel instead of 8
    small = [[place[cell] for cell in row] for row in cells]
    data = write(small, [colours[cell] for cell in used] or [_NOTHING])
    return "data:image/png;base64," + base64.b64encode(data).decode()


def themed(palette: str) -> bool:
    """Whether the dark theme has other colours."""
    light, dark = PALETTES[palette]
    return light != dark


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
