"""Convert HTML on standard input to Markdown on standard output with html2text, as a separate process.

Some HTML takes html2text hours (for example, a hundred thousand nested lists), so callers set a time limit.
"""

import sys


def convert(html: str) -> str:
    """Convert HTML without images or added line breaks; link targets are in angle brackets."""
    import html2text

    converter = html2text.HTML2Text(bodywidth=0)
    converter.ignore_images = converter.ignore_emphasis = converter.unicode_snob = True
    converter.protect_links = True
    converter.mark_code = False
    return converter.handle(html)


if __name__ == "__main__":
    sys.stdout.buffer.write(convert(sys.stdin.buffer.read().decode("utf-8", "replace")).encode("utf-8", "replace"))
