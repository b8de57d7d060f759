"""A figure that was drawn on a light ground, in the colours of a dark one.

Every colour of a figure is one of the palette, a shade of one of its ramps, or one of these with the paper showing
through. Each of them is known in the other theme, so a stored light figure holds the dark one too.
"""

from __future__ import annotations

import base64
import io
import re
from functools import cache

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from . import style

HEX = re.compile(r"#[0-9a-fA-F]{6}\b")
PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
NEAR = 2.6 / 255  # a colour map has 256 shades and a stored one whole numbers: a shade lies this near its ramp
SHADES = 256  # of a picture without holes
ENOUGH = 0.9  # share of a picture's pixels whose colours must be known before it is recoloured
BLACKS = ("#000000", "#10141A")  # of words on a pale cell: in the dark they are as light as ink


@cache
def counterpart(color: str) -> str | None:
    """Return a light figure's colour as it is in a dark one, "#rrggbb"; None where it is not made of the palette."""
    found, known = counterparts(np.array([to_rgb(color)]))
    return to_hex(found[0]) if known[0] else None


def counterparts(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the counterparts of many colours at once.

    colors : (n, 3) float, each part from 0 to 1. Returns their counterparts (n, 3) and (n,) bool, which are known.
    Of the palette's own colours, its ramps and its colours on paper, the nearest counts.
    """
    found, nearest = colors.copy(), np.full(len(colors), NEAR)  # (n, 3), (n,)
    for light, dark in _lines():
        way = light[1] - light[0]
        part = np.clip((colors - light[0]) @ way / max(way @ way, 1e-12), 0, 1)[:, None]  # (n, 1)
        far = np.abs(light[0] + part * way - colors).max(-1)  # (n,)
        nearer = far < nearest
        found[nearer] = (dark[0] + part * (dark[1] - dark[0]))[nearer]
        nearest = np.where(nearer, far, nearest)
    return found, nearest < NEAR


@cache
def _lines() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return lines through the cube of colours, each in the light and in the dark, (2, 3)."""
    ink, (white, night) = style.COLORS["ink"][1], style.COLORS["paper"]
    own = dict.fromkeys([*style.COLORS.values(), *style.CYCLE, *((black, ink) for black in BLACKS)])
    lines = [((light, light), (dark, dark)) for light, dark in own]
    for light, dark in style.RAMPS.values():
        lines += [(light[i : i + 2], dark[i : i + 2]) for i in range(len(light) - 1)]
    lines += [((white, light), (night, dark)) for light, dark in own]
    return [(np.array([*map(to_rgb, light)]), np.array([*map(to_rgb, dark)])) for light, dark in lines]


def dark_picture(png: bytes) -> bytes | None:
    """Return a picture in the colours of the dark; None where most of its colours are not the palette's, as in viridis.

    Such a map has no ground: it is read alike on light and on dark paper.
    """
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGBA")
    if image.getcolors(SHADES) is None and image.getextrema()[3][0] == 255:  # soft edges: the main shades are enough
        image = image.convert("RGB").quantize(SHADES, dither=Image.Dither.NONE).convert("RGBA")
    pixels = np.array(image)  # (height, width, 4)
    flat = pixels.reshape(-1, 4)
    codes = flat[:, :3] @ np.array([1 << 16, 1 << 8, 1])  # (pixels,): sorted as numbers, which is quick
    codes, where = np.unique(codes, return_inverse=True)  # (n,), one index for each pixel
    found, known = counterparts(np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1) / 255)
    seen = flat[:, 3] > 0
    if known[where][seen].mean() < ENOUGH:
        return None
    flat[:, :3] = np.round(255 * found)[where]
    out = io.BytesIO()
    Image.fromarray(flat.reshape(pixels.shape)).save(out, format="png", optimize=len(flat) < 100_000)
    return out.getvalue()


def dark_data(data: str) -> str | None:
    """Apply `dark_picture` to base64, and return base64."""
    made = dark_picture(base64.b64decode(data))
    return base64.b64encode(made).decode("ascii") if made else None


def dark_svg(svg: str) -> str:
    """Return a stored SVG in the colours of the dark; colours that are not the palette's stay."""
    svg = PICTURE.sub(lambda match: "data:image/png;base64," + (dark_data(match[1]) or match[1]), svg)
    return HEX.sub(lambda match: counterpart(match[0]) or match[0], svg)
