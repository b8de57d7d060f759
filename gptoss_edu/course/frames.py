"""Show a process as frames: a picture for each step, with a play button and a slider.

The frames are drawn once. In a live notebook, ipywidgets' `Play` shows them one after the other; in a stored notebook
and in the book, a few lines of JavaScript do. Without either, and in print, some of the frames are shown as stills.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape

from gptoss_edu.checks.display import Shown
from gptoss_edu.errors import GptOssError

from . import buttons

COLOURS = 32  # in a frame's palette: enough for flat figures, and a third of the bytes
STYLE = """
.frames img { display: none; max-width: 100%; height: auto }
.frames img.shown { display: block }
.frames-controls { display: flex; gap: .8em; align-items: center; max-width: 34em; margin: .4em 0 }
.frames-controls[hidden] { display: none }
.frames-controls button { min-width: 6em; min-height: 2.2em; cursor: pointer }
.frames-controls input { flex: 1; min-width: 6em; min-height: 2.2em }
.frames .caption { min-height: 3em; margin: 0 }
@media print {
  .frames-controls, .frames .caption { display: none }
  .frames img.shown { display: none }
  .frames img.still { display: inline-block; width: auto; max-width: 49% }
  .frames.one img.still { max-width: 100% }
}
"""
# Who asked for less motion gets a button that goes on by one frame.
SCRIPT = """
for (const box of document.querySelectorAll(".frames:not([data-ready])")) {
  box.dataset.ready = "1";
  const pictures = [...box.querySelectorAll("img")], caption = box.querySelector(".caption");
  const controls = box.querySelector(".frames-controls"), [button, slider] = controls.children;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const last = Number(slider.max);
  let timer = 0;
  const show = (number) => {
    const of = pictures.filter((picture) => Number(picture.dataset.frame) === number); // one, or one per theme
    pictures.forEach((picture) => picture.classList.toggle("shown", of.includes(picture)));
    caption.textContent = of[0].alt;
    slider.value = number;
    slider.setAttribute("aria-valuetext", of[0].alt);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = still.matches ? "Next" : "Play";
  };
  const next = () => {
    const now = Number(slider.value);
    show(now === last ? 0 : now + 1);
    if (now + 1 >= last) stop();
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    next();
    if (still.matches || Number(slider.value) === last) return;
    button.textContent = "Pause";
    timer = setInterval(() => (box.isConnected ? next() : stop()), 1000 * box.dataset.seconds);
  });
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  still.addEventListener("change", stop);
  stop();
  controls.hidden = false;
}
"""


class Frames(Shown):
    """An ordered list of pictures, each with a caption.

    Attributes: `pictures`, one PNG per frame; `captions`, one per frame; `stills`, the frames shown in print, the last
    of which is shown first; `seconds` per frame.
    """

    def __init__(self, pictures: list[bytes], captions: list[str], stills: Sequence[int], seconds: float):
        self.pictures = pictures
        self.captions = captions
        self.stills = sorted({range(len(pictures))[number] for number in stills})
        self.seconds = seconds
        super().__init__(self._page(), f"{len(pictures)} frames, from {captions[0]!r} to {captions[-1]!r}")

    def _page(self) -> str:
        first, last = self.stills[-1], len(self.pictures) - 1
        images = []
        for number, (picture, words) in enumerate(zip(self.pictures, self.captions, strict=True)):
            kind = " ".join(["shown"] * (number == first) + ["still"] * (number in self.stills))
            data = base64.b64encode(picture).decode()
            told = f'class="{kind}" data-frame="{number}" alt="{escape(words)}"'
            images.append(f'<img {told} src="data:image/png;base64,{data}">')
        one = " one" if len(self.stills) == 1 else ""
        return (
            f'<div class="frames{one} tex2jax_ignore" role="group" aria-label="A process, frame by frame" '
            f'data-seconds="{self.seconds:g}"><style>{STYLE}</style>{"".join(images)}'
            f'<div class="frames-controls" hidden><button type="button">Play</button>'
            f'<input type="range" min="0" max="{last}" value="{first}" aria-label="frame"></div>'
            f'<p class="caption">{escape(self.captions[first])}</p><script>{SCRIPT}</script></div>'
        )

    def player(self):
        """Return an ipywidgets player: `Play`, linked to a slider, which moves the picture."""
        import ipywidgets as widgets

        last = len(self.pictures) - 1
        play = widgets.Play(min=0, max=last, interval=int(1000 * self.seconds))
        slider = widgets.IntSlider(min=0, max=last, description="frame", readout=False)
        picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
        caption = widgets.HTML()

        def show(_=None) -> None:
            picture.value = self.pictures[slider.value]
            caption.value = escape(self.captions[slider.value])

        widgets.jslink((play, "value"), (slider, "value"))
        slider.observe(show, "value")
        show()
        return widgets.VBox([picture, widgets.HBox([play, slider]), caption])

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """Return HTML, and a player that a live front end prefers."""
        bundle = {"text/plain": self.text, "text/html": self.html}
        return self.player()._repr_mimebundle_() | bundle if buttons.live() else bundle


def play(
    draw: Callable,
    values: Iterable,
    words: Callable[..., str],
    *,
    stills: Sequence[int] = (-1,),
    seconds: float = 0.9,
    dpi: int = 100,
) -> Frames:
    """Draw a frame for each of `values`, all of one size.

    Parameters
    ----------
    draw : value -> Figure. It does not call `plt.show`.
    values : what the frames show, in order; at least two.
    words : value -> what its frame shows, in a sentence: the caption, and what a screen reader says.
    stills : numbers of the frames that print shows; the last of them is seen first.
    seconds : per frame, while it plays.

    Returns
    -------
    Frames

    Raises
    ------
    GptOssError : for fewer than two frames, frames of different sizes, or a still that is not there.
    """
    values = list(values)
    if len(values) < 2:
        raise GptOssError(f"play: expected at least two frames, found {len(values)}; show one figure with plt.show().")
    if not stills or not all(-len(values) <= number < len(values) for number in stills):
        raise GptOssError(f"play: expected stills among {len(values)} frames, found {tuple(stills)}; name some.")
    drawn = [_png(draw(value), dpi) for value in values]
    if len({size for _, size in drawn}) > 1:
        found = ", ".join(sorted({"x".join(map(str, size)) for _, size in drawn}))
        raise GptOssError(f"play: expected frames of one size, found {found}; give every figure the same figsize.")
    return Frames([picture for picture, _ in drawn], [words(value) for value in values], stills, seconds)


def _png(figure, dpi: int) -> tuple[bytes, tuple[int, int]]:
    """Return a figure as a PNG with a small palette, and its size in pixels; the figure is closed."""
    import matplotlib.pyplot as plt
    from PIL import Image  # Matplotlib writes its own PNGs with it

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi, facecolor=figure.get_facecolor(), bbox_inches=None)
    plt.close(figure)
    picture = Image.open(full).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue(), picture.size
