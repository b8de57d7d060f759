"""Set up what all tests share: no noise, no network, and small models to compare with."""

import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("GPTOSS_EDU_STEP", "plain")  # test_fused_step.py tests the compiled step

from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before triton is imported: its kernels then run on NumPy arrays

from gptoss_edu import ModelConfig, load_tokenizer
from gptoss_edu.errors import GptOssError

# nbformat imports it through jsonschema, which goes without it: its 38 grammars, for formats that no notebook
# uses, take seconds to compile in every process.
sys.modules.setdefault("rfc3987_syntax", None)


def pytest_collection_modifyitems(items):
    """Skip the GPU tests on a machine without a GPU, and say so."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))


@pytest.fixture(scope="session")
def small_config() -> ModelConfig:
    """Return a configuration of four layers, with window 8 and an expert width that differs from the hidden size."""
    return ModelConfig(
        num_hidden_layers=4, num_experts=8, experts_per_token=3, vocab_size=300, hidden_size=64, intermediate_size=96,
        head_dim=32, num_attention_heads=4, num_key_value_heads=2, sliding_window=8, initial_context_length=64,
        rope_theta=1e4, rope_scaling_factor=8.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def encoding():
    """Return the o200k_harmony encoding."""
    return load_tokenizer()


def close_figures() -> None:
    """Close open figures if pyplot was imported; importing it for a test that draws nothing would cost a second."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def drawing_settings() -> dict | None:
    """Return Matplotlib's settings without the backend, or None if Matplotlib is not loaded."""
    if "matplotlib" not in sys.modules:
        return None
    settings = dict(sys.modules["matplotlib"].rcParams.copy())
    settings.pop("backend", None)
    return settings


@pytest.fixture(autouse=True)
def every_test_begins_alike():
    """Start each test with gradients on, no open figure, and pytest's own colours, settings, threads and folder.

    Some tests run chapters in this process. Chapters switch gradients off, choose a style and leave figures open, and
    with several workers it differs from run to run which tests come after them.
    """
    folder, settings, threads = os.getcwd(), drawing_settings(), torch.get_num_threads()
    close_figures()
    yield
    torch.set_grad_enabled(True)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    close_figures()
    style = sys.modules.get("gptoss_edu.viz.style")
    if style is not None and style.theme() != "light":
        style.use("light")
    if settings is not None:
        dict.update(sys.modules["matplotlib"].rcParams, settings)
    elif "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rcdefaults()
    os.chdir(folder)


READ_BACK = "Canvas2D: Multiple readback operations"  # a warning of Chromium's about reading the pixels of a canvas


@pytest.fixture(scope="module")
def chromium():
    """Start a headless browser; tests that need it are skipped, with the reason, where there is none."""
    from gptoss_edu.benchmarks import explorer

    with ExitStack() as stack:
        try:
            browser = stack.enter_context(explorer.browser())
        except GptOssError as error:
            pytest.skip(str(error))
        yield browser


@pytest.fixture
def open_page(chromium, tmp_path):
    """Open an explorer, HTML or a file, as a reader with these preferences would; wait for `ready`.

    The test fails if the page reports an error or requests anything else (a file may request its neighbours).
    """
    trouble, pages = [], []

    def heard(message, in_the_book: bool):  # its theme logs messages
        if message.type == "error" or not (in_the_book or READ_BACK in message.text):
            trouble.append(f"console: {message.text}")

    def open_one(
        shown, width=1280, scheme="light", ready="html[data-ready]", *, query="", height=900, script=None, **preferences
    ):
        path = shown if isinstance(shown, Path) else tmp_path / f"page{len(pages)}.html"
        if path is not shown:
            path.write_text(shown if isinstance(shown, str) else shown.html, encoding="utf-8")
        allowed = ("file:" if path is shown else path.as_uri(), "data:", "blob:", "about:")
        page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, **preferences)
        pages.append(page)
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(allowed) else route.abort())
        page.on("request", lambda r: r.url.startswith(allowed) or trouble.append(f"asks for {r.url}"))
        page.on("requestfailed", lambda r: trouble.append(f"not there: {r.url}"))
        page.on("console", lambda m: heard(m, path is shown))
        page.on("pageerror", lambda e: trouble.append(f"script: {e}"))
        page.on("dialog", lambda d: (trouble.append(f"dialog: {d.message}"), d.dismiss()))
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri() + query)
        if ready:
            page.wait_for_selector(ready, timeout=30_000)
        return page

    yield open_one
    for page in pages:
        page.close()
    assert trouble == []
