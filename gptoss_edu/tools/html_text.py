"""HTML on standard input, Markdown on standard output, by html2text; started by file name in a process of its own.

Some HTML takes html2text hours (a hundred thousand nested lists, for one), so whoever calls this sets a time limit.
"""

import sys


def convert(html: str) -> str:
    """No images and no line breaks of its own; link targets stand in angle brackets."""
    import html2text

    converter = html2text.HTML2Text(bodywidth=0)
    converter.ignore_images = converter.ignore_emphasis = converter.unicode_snob = True
    converter.protect_links = True
    converter.mark_code = False
    return converter.handle(html)


if __name__ == "__main__":
    sys.stdout.buffer.write(convert(sys.stdin.buffer.read().decode("utf-8", "replace")).encode("utf-8", "replace"))
