"""Safetensors files, single or sharded by an index: hand-checked headers, memory-mapped data, streamed writes.

The format is 8 bytes with the header's length (little-endian), a JSON header {name: {dtype, shape, data_offsets}}, and
the data.

Source: https://github.com/huggingface/safetensors, section "Format".
"""

import json
import math
import os
import shutil
import struct
import uuid
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gptoss_edu.errors import CheckpointError
from gptoss_edu.options import not_the_file

from . import foreign

DTYPES = {
    "BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64, "U8": torch.uint8,
    "I8": torch.int8, "I32": torch.int32, "I64": torch.int64, "BOOL": torch.bool,
}  # fmt: skip
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class TensorInfo:
    """One entry of a header: a tensor's place, dtype and shape."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    begin: int  # byte offset of its data in the file


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Read names, dtypes and shapes of one file, after checking that all promised bytes are there."""
    with _readable(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
        if not 0 < length <= size - 8:
            raise CheckpointError(f"{path}: {_what_it_is(start + file.read(56), length, size)}")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            infos = {name: _info(path, name, entry, 8 + length) for name, entry in header.items()}
            end = _end_of_data(path, header)
        except CheckpointError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise CheckpointError(
                f"{path}: damaged: the safetensors header is not readable; fetch the file again."
            ) from None
    if size != 8 + length + end:
        raise CheckpointError(
            f"{path}: {'truncated' if size < 8 + length + end else 'damaged'}: its header promises {8 + length + end:,}"
            f" bytes, found {size:,}; fetch it again."
        )
    return infos


@contextmanager
def _readable(path: Path):
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror}); fetch it again or check its permissions."
        ) from None


def _end_of_data(path: Path, header: dict) -> int:
    """Return how many bytes of data the header promises; tensors must follow each other without gap or overlap."""
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, following = entry["data_offsets"]
        if begin != end:
            raise CheckpointError(
                f"{path}: damaged: the data of {name} should begin at byte {end}, the header says {begin}; fetch the"
                " file again."
            )
        end = following
    return end


def _what_it_is(start: bytes, length: int, size: int) -> str:
    """Say what a file that cannot be safetensors is, by its first bytes."""
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return "this is a pickle (torch.save), which can run code when it is read; fetch the safetensors file instead."
    if start.startswith(b"GGUF"):
        return "this is a GGUF file; name it so that it ends in .gguf, and keep it in a folder of its own."
    if what := not_the_file(start):
        return f"this is {what}"
    return f"not a whole safetensors file: its header should be {length} bytes, the file has {size}; fetch it again."


def _info(path: Path, name: str, entry: dict, data: int) -> TensorInfo:
    begin, end = entry["data_offsets"]
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    if dtype == "F8_E8M0" and name.endswith("scales"):
        dtype = "U8"  # another dtype name for the bytes of MXFP4's scales
    if dtype in DTYPES and end - begin != math.prod(shape) * DTYPES[dtype].itemsize:
        raise CheckpointError(
            f"{path}: damaged: {name} is {dtype} {list(shape)} but has {end - begin} bytes; fetch the file again."
        )
    return TensorInfo(path, dtype, shape, end - begin, data + begin)


class Shards:
    """All tensors of a checkpoint folder, across its files. `shards[name]` is a memory-mapped tensor."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.infos: dict[str, TensorInfo] = {}
        self.index = _index(self.folder) if self.folder.is_dir() else None
        for file in _data_files(self.folder, self.index):
            for name, info in read_header(file).items():
                if name in self.infos:
                    raise CheckpointError(
                        f"{self.folder}: tensor {name} is in both {self.infos[name].file.name} and {file.name}; keep"
                        " one layout per folder."
                    )
                self.infos[name] = info
        self._check_index()
        self._open: dict[Path, object] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.infos

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._handle(name).get_tensor(name)  # private pages: changing the tensor does not change the file
        return tensor.view(torch.uint8) if tensor.dtype == torch.float8_e8m0fnu else tensor  # MXFP4's scales

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Return part of a tensor along its first axis, without reading the rest."""
        return self._handle(name).get_slice(name)[start:stop]

    def _handle(self, name: str):
        path = self.infos[name].file
        if path not in self._open:
            try:
                self._open[path] = safe_open(path, framework="pt", device="cpu")
            except (SafetensorError, OSError) as error:
                raise CheckpointError(f"{path}: damaged: safetensors refuses it ({error}); fetch it again.") from None
        return self._open[path]

    @property
    def nbytes(self) -> int:
        return sum(info.nbytes for info in self.infos.values())

    @property
    def files(self) -> list[Path]:
        return sorted({info.file for info in self.infos.values()})

    def _check_index(self) -> None:
        if self.index is None:
            return
        promised = _read_index(self.index)
        missing = [name for name in promised if name not in self.infos]
        if missing:
            raise CheckpointError(
                f"{self.index}: names {missing[0]}, which {promised[missing[0]]} does not hold ({len(missing)} in all);"
                " fetch that file again."
            )
        astray = [n for n, file in promised.items() if self.infos[n].file.name != file]
        if astray:
            raise CheckpointError(
                f"{self.index}: says that {astray[0]} is in {promised[astray[0]]}, found in"
                f" {self.infos[astray[0]].file.name}; fetch index and files from the same source."
            )


def _index(folder: Path) -> Path | None:
    """Find the index that says which files belong to the checkpoint.

    The name that transformers uses comes first, otherwise the only index.
    """
    found = sorted(folder.glob("[!.]*.safetensors.index.json"))  # skips macOS's companion files, ._NAME
    if len(found) > 1 and folder / INDEX not in found:
        raise CheckpointError(
            f"{folder}: holds {len(found)} indexes ({found[0].name}, {found[1].name}); keep the one that belongs to the"
            " model."
        )
    return folder / INDEX if folder / INDEX in found else next(iter(found), None)


def _read_index(path: Path) -> dict[str, str]:
    try:
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        if not all(isinstance(file, str) for file in weight_map.values()):
            raise TypeError
        return weight_map
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found = not_the_file(_first_bytes(path)) or "something else; fetch it again."
        raise CheckpointError(f'{path}: expected {{"weight_map": {{tensor: file}}}}, found {found}') from None


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b""


def _data_files(folder: Path, index: Path | None) -> list[Path]:
    """Return the files to read: those that the index names, or all if there is no index."""
    if not folder.is_dir():
        raise foreign.not_a_folder(folder)
    foreign.refuse_adapter(folder)
    if index is None:
        files = sorted(folder.glob("[!.]*.safetensors"))
        if not files:
            raise foreign.holds_no_weights(folder)
        return files
    named = sorted(set(_read_index(index).values()))
    absent = [file for file in named if not (folder / file).is_file()]
    if absent:
        raise CheckpointError(
            f"{folder}: missing shard {absent[0]} ({len(absent)} of {len(named)} named by {index.name} are absent);"
            " fetch it again; `gptoss-edu download` resumes."
        )
    return [folder / file for file in named]


@contextmanager
def new_folder(folder):
    """Create a folder atomically: yield a hidden sibling and rename it when the block succeeds.

    Errors: `CheckpointError` if the folder is in use, or the disk refuses (full, read-only).
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(
            f"{folder}: expected a new or empty folder to write to, found one in use; choose another or empty it."
        )
    if folder.exists() and folder.samefile("."):  # renaming onto it would leave the shell in a deleted folder
        raise CheckpointError(f"{folder}: expected a new folder, found the current one; name a folder inside it.")
    partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():  # empty, as checked above; Windows does not rename onto it
            folder.rmdir()
        os.replace(partial, folder)
    except (SafetensorError, OSError) as error:  # safetensors raises no OSError for a full disk
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(
            f"{folder}: cannot be written ({why}); nothing was left behind. Free some space or choose another place."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def save_whole(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors in memory to one file, atomically.

    Raises
    ------
    CheckpointError : the disk refuses (full, read-only); names the file. An earlier file stays.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(tensors, partial, metadata=metadata)
        os.replace(partial, path)
    except (SafetensorError, OSError) as error:  # safetensors raises no OSError for a full disk
        raise CheckpointError(
            f"{path}: cannot be written ({error}); free some space or choose another place."
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def write_file(
    path: Path, entries: Iterable[tuple[str, torch.dtype, tuple[int, ...]]], chunks: Iterable[Tensor]
) -> None:
    """Stream one safetensors file.

    entries : (name, dtype, shape) of every tensor, in order; chunks : their data in the same order, in pieces of any
    size. The file is written under a temporary name and renamed at the end.
    """
    header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, dtype, shape in entries:
        nbytes = math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": DTYPE_NAMES[dtype], "shape": list(shape), "data_offsets": [offset, offset + nbytes]}
        offset += nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for chunk in chunks:
                file.write(chunk.detach().contiguous().cpu().view(torch.uint8).numpy().data.cast("B"))
            written = file.tell() - 8 - len(text)
        if written != offset:
            raise CheckpointError(f"{path}: the header promises {offset} bytes of data, {written} were produced.")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
