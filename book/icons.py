"""The few icons that the pages show, drawn on 16 × 16 by name of the theme's."""

LINES = (
    '<path d="{}" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/>'
)
ICONS = {
    "bars": LINES.format("M2 4h12M2 8h12M2 12h12"),
    "list": LINES.format("M6 4h8M6 8h8M6 12h8M2 4h.5M2 8h.5M2 12h.5"),
    "magnifying-glass": LINES.format("M10.5 10.5L14 14M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10z"),
    "angle-left": LINES.format("M10 3L5 8l5 5"),
    "angle-right": LINES.format("M6 3l5 5-5 5"),
    "chevron-down": LINES.format("M3 6l5 5 5-5"),
    "chevron-right": LINES.format("M6 3l5 5-5 5"),
    "arrow-up": LINES.format("M8 14V2M3 7l5-5 5 5"),
    "arrow-up-right-from-square": LINES.format("M9 2h5v5M14 2L7 9M12 9v5H2V4h5"),
    "xmark": LINES.format("M3 3l10 10M13 3L3 13"),
    "circle-half-stroke": (
        LINES.format("M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z") + '<path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor"/>'
    ),
    "sun": LINES.format(
        "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1"
    ),
    "moon": LINES.format("M13 10A6 6 0 0 1 6 3a5.5 5.5 0 1 0 7 7z"),
    "link": LINES.format("M6.5 9.5l3-3M7 4.5l2-2a3 3 0 0 1 4.5 4.5l-2 2M9 11.5l-2 2A3 3 0 0 1 2.500 9l2-2"),
}
