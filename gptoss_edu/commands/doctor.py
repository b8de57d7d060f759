"""Check this machine for the course: Python, packages, Jupyter kernel, disk, memory, GPU, vocabulary, model.

    gptoss-edu doctor

Each line is ok, a note, or a fault with its fix. The exit code is 0 if there is no fault.
"""

import argparse
import os
import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distributions, requires, version

import psutil
from packaging.requirements import Requirement

from gptoss_edu.errors import GptOssError

OK, NOTE, FAULT = "ok", "note", "FAULT"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    faults = 0
    for check in (python, packages, torch_build, kernel, memory, disk, gpu, vocabulary, model, fused_step):
        for level, text in check():
            colour = {OK: "32", NOTE: "33", FAULT: "31"}[level]
            label = f"\033[{colour}m{level:>5}\033[0m" if sys.stdout.isatty() else f"{level:>5}"
            print(f"{label}  {text}")
            faults += level == FAULT
    return 2 if faults else 0


def python():
    yield OK, f"Python {platform.python_version()} at {sys.executable}"


def packages():
    """Yield a line per requirement of the installed package that is not met."""
    missing = []
    for line in requires("gptoss-edu") or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            missing.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            missing.append(f"{requirement.name} is {found}, expected {requirement.specifier}")
    for text in missing:
        yield FAULT, f"{text}: pip install -U '{text.split()[0]}'"
    if not missing:
        yield (
            OK,
            f"packages: numpy {version('numpy')}, tiktoken {version('tiktoken')}, jupyterlab {version('jupyterlab')}",
        )


def torch_build():
    """Yield which build of torch is installed (CUDA or CPU), its size, and whether it fits this machine."""
    import torch

    from gptoss_edu.checkpoint.sizes import GIB

    build = build_name(torch.version.cuda, torch.version.hip)
    text = f"torch {torch.__version__}: the {build} build, {installed_size() / GIB:.1f} GiB on the disk"
    if torch.version.cuda and not torch.cuda.is_available():
        yield NOTE, f"{text}; without an NVIDIA GPU the CPU build does the same and is smaller (README, Installation)"
    elif build == "CPU" and shutil.which("nvidia-smi"):
        yield NOTE, f"{text}, so the NVIDIA GPU is not used: pip install --force-reinstall torch"
    else:
        yield OK, text


def build_name(cuda: str | None, hip: str | None, system: str = sys.platform) -> str:
    """Return the name of a build of torch, from ``torch.version.cuda`` and ``torch.version.hip``."""
    if cuda:
        return f"CUDA {cuda}"
    return f"ROCm {hip}" if hip else "Metal" if system == "darwin" else "CPU"


def installed_size() -> int:
    """Return the bytes of torch and the libraries of its CUDA build, as recorded in their wheels."""
    ours = [item for item in distributions() if re.fullmatch("torch|triton|nvidia-.*", item.metadata["Name"] or "")]
    return sum(file.size or 0 for item in ours for file in item.files or ())


def kernel():
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager().find_kernel_specs()
    if "python3" not in specs:
        yield FAULT, "no Jupyter kernel named python3: python -m ipykernel install --sys-prefix"
    else:
        yield OK, f"Jupyter kernel python3 at {specs['python3']}"


def memory():
    from gptoss_edu.checkpoint.sizes import GIB

    total, free = psutil.virtual_memory().total / GIB, psutil.virtual_memory().available / GIB
    need = "gpt-oss-tiny needs 0.5, gpt-oss-20b 16"
    yield (  # loading gpt-oss-tiny, below, shows whether it really fits
        (OK if free > 2 else NOTE),
        f"memory: {free:.1f} of {total:.1f} GiB free ({need})"
        + ("" if free > 2 else "; close something before you run a notebook"),
    )


def disk():
    from gptoss_edu.checkpoint.sizes import GIB

    free = shutil.disk_usage(os.getcwd()).free / GIB
    yield (
        (OK if free > 1 else FAULT),
        f"disk: {free:.1f} GiB free here (the official gpt-oss-20b takes 13)" + ("" if free > 1 else "; make room"),
    )


def gpu():
    import torch

    from gptoss_edu.checkpoint.sizes import GIB

    if not torch.cuda.is_available():
        yield NOTE, "no CUDA GPU: everything runs on the processor; the official weights are slow there"
        return
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        bf16 = "" if card.major >= 8 else "; no native bfloat16, so the reference path runs"
        yield OK, f"GPU {index}: {card.name}, {card.total_memory / GIB:.0f} GiB{bf16}"
    try:
        yield OK, f"triton {version('triton')}: the fast path can run"
    except PackageNotFoundError:
        yield NOTE, "triton is missing, so the reference path runs on the GPU: pip install 'gptoss-edu[gpu]'"


def vocabulary():
    from gptoss_edu import load_tokenizer

    try:
        encoding = load_tokenizer()
        yield OK, f"vocabulary {encoding.name}: {encoding.n_vocab:,} ids, checksum right"
    except GptOssError as error:
        yield FAULT, str(error)


def model():
    from gptoss_edu import load_model

    try:
        loaded = load_model()
        yield OK, f"gpt-oss-tiny: {loaded.config.num_hidden_layers} layers, {loaded.config.num_experts} experts, loads"
    except GptOssError as error:
        yield FAULT, str(error)


def fused_step():
    """Yield whether gpt-oss-tiny decodes by one compiled function, which needs Numba."""
    try:
        from gptoss_edu.fast import step_kernel
    except ImportError:
        yield (
            NOTE,
            "numba is missing, so gpt-oss-tiny decodes at a third of the speed: pip install 'gptoss-edu[cpu]'",
        )
    except RuntimeError as error:
        yield NOTE, f"numba {version('numba')} finds no folder for compiled code, so the plain path decodes: {error}"
    else:
        kept = "is compiled" if step_kernel.is_compiled() else "will be compiled beside your first longer answer"
        yield OK, f"numba {version('numba')}: gpt-oss-tiny's decoding step {kept}"
