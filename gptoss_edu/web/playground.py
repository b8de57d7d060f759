"""The lab: a page in which a small gpt-oss answers, shows what happens inside, and can be changed while it decodes.

The model, its tokenizer and its weights travel in the page (or in a script beside it), so that neither a server nor a
network is needed: a double click on the file opens it.
"""

from __future__ import annotations

import base64
import html
import json
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from gptoss_edu.checkpoint import convert
from gptoss_edu.checkpoint.layouts import CheckpointReader, original_shapes
from gptoss_edu.checkpoint.sizes import parameter_counts, size_text
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError, TokenizerError
from gptoss_edu.options import write_text
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.refusals import REFUSAL, TOO_LONG
from gptoss_edu.tokenizer import META_FILE, RANKS_FILE, load_tokenizer, save_tokenizer

from .modules import bundle
from .payload import palette

LARGEST = 60 << 20  # bytes of weights that a page may carry
TEXTS = Path(__file__).with_name("playground.toml")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' file: blob:; worker-src blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class ModelFiles:
    """What a page needs of a checkpoint.

    Attributes
    ----------
    name : "gpt-oss-tiny", or that of the checkpoint's folder.
    bundled : whether it is the course's own model, for which there are examples.
    config : its shape.
    ranks, meta : the text of tokenizer.tiktoken, and the JSON of tokenizer.meta.json.
    weights : the bytes of one safetensors file in the layout of the released `original/` files.
    """

    name: str
    bundled: bool
    config: ModelConfig
    ranks: str = field(repr=False)
    meta: dict = field(repr=False)
    weights: bytes = field(repr=False)

    @classmethod
    def read(cls, folder=None) -> ModelFiles:
        """Return the files of a checkpoint's folder, in any layout; None: the bundled gpt-oss-tiny.

        Raises
        ------
        CheckpointError : the weights are more than a page may carry, or their experts were never packed.
        TokenizerError : the folder holds no tokenizer.
        """
        bundled = folder is None
        folder = data_path("gpt-oss-tiny") if bundled else Path(folder).resolve()
        reader = CheckpointReader(folder)
        if reader.shards.nbytes > LARGEST:
            raise CheckpointError(
                f"{folder}: expected at most {size_text(LARGEST)} of weights, which is what a page can carry, found "
                f"{size_text(reader.shards.nbytes)}; take a smaller model."
            )
        if not reader.is_packed:
            raise CheckpointError(
                f"{folder}: expected experts in MXFP4, found dense ones; pack them first: gptoss-edu convert {folder} "
                "NEW_FOLDER --layout original --rounding best."
            )
        encoding = load_tokenizer(folder)
        if encoding is None:
            raise TokenizerError(
                f"{folder}: expected {RANKS_FILE} and {META_FILE} beside the weights, found neither; a page asks "
                "questions in text, so copy the tokenizer of this model there."
            )
        with tempfile.TemporaryDirectory() as scratch:
            save_tokenizer(encoding, scratch)
            ranks = (Path(scratch) / RANKS_FILE).read_text(encoding="utf-8")
            meta = json.loads((Path(scratch) / META_FILE).read_text(encoding="utf-8"))
            weights = _original(reader, Path(scratch) / "original")
        return cls(folder.name, bundled, reader.config, ranks, meta, weights)

    def to_json(self) -> str:
        """Return what the worker is handed: {name, config, ranks, meta, weights}, the weights in base64."""
        files = {"name": self.name, "config": self.config.to_dict(), "ranks": self.ranks, "meta": self.meta}
        return _json(files | {"weights": base64.b64encode(self.weights).decode()})

    def script(self) -> str:
        """Return the same as a script to put beside a page: a page from file:// may load a script, and nothing else."""
        return f"gptossModel({self.to_json()})\n"


def _original(reader: CheckpointReader, scratch: Path) -> bytes:
    """Return one safetensors file in the original layout: the folder's own, or a lossless conversion of it."""
    if reader.layout == "original" and len(reader.shards.files) == 1:
        return Path(reader.shards.files[0]).read_bytes()
    convert(reader.folder, scratch, layout="original")
    (file,) = scratch.glob("*.safetensors")
    return file.read_bytes()


class Lab:
    """The lab as a page.

    Parameters
    ----------
    files : the model that answers.
    weights : None to carry the weights in the page itself, or the address of a file that holds `files.script()`.
    title : the page's heading; None names the model.
    home : the address of the site that the page belongs to, if it belongs to one.
    chapters : the address of each chapter there, by its number in two digits.

    Attributes
    ----------
    refusals : the sentences with which this model declines; an answer that is one of them is marked as a refusal.
    """

    def __init__(
        self,
        files: ModelFiles,
        weights: str | None = None,
        title: str | None = None,
        home: str | None = None,
        chapters: dict[str, str] | None = None,
    ):
        self.files, self.weights, self.home, self.chapters = files, weights, home, chapters or {}
        self.title = title or f"{files.name} in this page"
        self.refusals = [REFUSAL, TOO_LONG] if files.bundled else []

    def settings(self) -> dict:
        """Return what the page's script is told: the model's shape, texts, examples, colours."""
        texts = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
        return {
            "title": self.title,
            "home": self.home,
            "chapters": self.chapters,
            "about": about(self.files.config),
            "limits": texts["limits"] if self.files.bundled else texts["other_limits"],
            "steps": texts["steps"],
            "examples": texts["examples"] if self.files.bundled else [],
            "refusals": self.refusals,
            "config": self.files.config.to_dict(),
            "large": ModelConfig.gpt_oss_20b().to_dict(),
            "palette": palette(),
        }

    @property
    def html(self) -> str:
        """The whole page. Texts and weights stand in it as data, so no word of theirs is ever part of the markup."""
        if self.weights is None:
            files, source = self.files.to_json(), 'async () => JSON.parse(document.getElementById("files").textContent)'
        else:
            files, source = "null", f"() => filesFromScript({json.dumps(self.weights)})"
        data = {"settings": _json(self.settings()), "worker": _inside_script(worker_source()), "files": files}
        scripts = "".join(f'<script id="{name}" type="text/plain">{text}</script>' for name, text in data.items())
        start = (
            "const held = (id) => document.getElementById(id).textContent;\n"
            'window.lab = mountLab(document.getElementById("lab"), JSON.parse(held("settings")), '
            f'{{ worker: held("worker"), files: {source}, '
            'kernel: new URLSearchParams(location.search).get("kernel") ?? "auto" });\n'
            'document.documentElement.dataset.ready = "1";\n'
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{html.escape(self.title)}</title>'
            "<style>body{margin:0;background:Canvas;color-scheme:light dark}</style></head>"
            '<body><main id="lab"></main><noscript>This page needs JavaScript: the model runs in it.</noscript>'
            f'{scripts}<script type="module">{_inside_script(lab_source() + start)}</script></body></html>'
        )

    def save(self, path) -> Path:
        """Write the page whole or not at all; the script of the weights, if it is a file of its own, is not written."""
        path = Path(path)
        write_text(path, self.html)
        return path


def lab_source() -> str:
    """Return the lab, the explorer included, as one ES module: mountLab and filesFromScript."""
    return bundle("lab/lab.js", "lab/client.js")


def worker_source() -> str:
    """Return the model's worker as one script."""
    return bundle("model/worker.js")


def about(config: ModelConfig) -> str:
    """Return one line on the model: parameters, layers, experts."""
    total = parameter_counts(original_shapes(config), config)["total"]
    shown = f"{total / 1e6:.1f} million" if total < 1e9 else f"{total / 1e9:.1f} billion"
    return (
        f"{shown} parameters, {config.num_hidden_layers} layers of {config.num_attention_heads} heads and "
        f"{config.num_experts} experts, {config.experts_per_token} per token. It needs neither a server nor a network."
    )


def _json(value) -> str:
    """Return JSON that is safe in a script element: without "<", which could end it or begin a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _inside_script(source: str) -> str:
    """Return JavaScript that is safe in a script element: "</" would end it, and in strings "<\\/" means the same."""
    assert "<!--" not in source and "<script" not in source
    return source.replace("</", "<\\/")
