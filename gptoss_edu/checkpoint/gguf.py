"""GGUF files, the format of llama.cpp, Ollama and LM Studio: hand-written header code, memory-mapped data.

A file is the magic "GGUF", a version, two counts, the metadata (typed keys and values), one entry per tensor (name,
shape with the fastest axis first, type, offset) and, after padding, the data. A large model may be split into files
NAME-00001-of-00003.gguf, each with a header of its own.

GGUF stores the same MXFP4 numbers as safetensors, in another order. A block is its scale followed by 16 bytes, and byte
j holds values j and j + 16, where safetensors has 2j and 2j + 1. `to_ggml_order` and `from_ggml_order` are lossless.

Source: https://github.com/ggml-org/ggml, docs/gguf.md; block_mxfp4 in src/ggml-common.h.
"""

import math
import mmap
import os
import re
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gptoss_edu import mxfp4
from gptoss_edu.errors import CheckpointError
from gptoss_edu.options import not_the_file

MAGIC = b"GGUF"
ALIGNMENT = 32  # bytes, unless the metadata says otherwise
MOST_STRING = 1 << 28  # bytes; a damaged length must not fill the memory
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
F32, F16, Q8_0, BF16, MXFP4 = 0, 1, 8, 30, 39
OLD_MXFP4 = 4  # Ollama's number before llama.cpp had one; its bytes are in the order of safetensors
TYPES = {  # number: (name, values in a block, bytes of a block)
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 4: ("MXFP4", 32, 17),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip
PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True)
class GgufTensor:
    """One entry of the header. shape : as in torch, the fastest axis last."""

    file: Path
    name: str
    type: int
    shape: tuple[int, ...]
    begin: int  # byte offset of its data in the file

    @property
    def type_name(self) -> str:
        return TYPES[self.type][0]

    @property
    def nbytes(self) -> int:
        return tensor_bytes(self.type, self.shape)


def tensor_bytes(kind: int, shape: tuple[int, ...]) -> int:
    """Return the size in bytes of a tensor of type number `kind`."""
    _, values, size = TYPES[kind]
    return math.prod(shape) // values * size


# ------------------------------------------------------------------------------------------------------------- blocks


def to_ggml_order(blocks: Tensor) -> Tensor:
    """Reorder (..., 16) bytes with values 2j and 2j + 1 to bytes with values j and j + 16."""
    early, late = blocks[..., :8], blocks[..., 8:]  # (..., 8): values 0 to 15, and 16 to 31
    return torch.stack(((early & 15) | (late << 4), (early >> 4) | (late & 240)), dim=-1).flatten(-2)  # (..., 16)


def from_ggml_order(blocks: Tensor) -> Tensor:
    """Reorder (..., 16) bytes with values j and j + 16 to bytes with values 2j and 2j + 1."""
    even, odd = blocks[..., 0::2], blocks[..., 1::2]  # (..., 8): values 2j and 2j + 16, 2j + 1 and 2j + 17
    return torch.cat(((even & 15) | (odd << 4), (even >> 4) | (odd & 240)), dim=-1)  # (..., 16)


def join_blocks(blocks: Tensor, scales: Tensor) -> Tensor:
    """Join blocks (..., G, 16) and scales (..., G) of safetensors to GGUF's bytes (..., G, 17)."""
    return torch.cat((scales[..., None], to_ggml_order(blocks)), dim=-1)


def split_blocks(raw: Tensor, kind: int = MXFP4) -> tuple[Tensor, Tensor]:
    """Split GGUF's bytes (..., G, 17) into blocks (..., G, 16) and scales (..., G) of safetensors."""
    blocks = raw[..., 1:]
    return (blocks.contiguous() if kind == OLD_MXFP4 else from_ggml_order(blocks)), raw[..., 0].contiguous()


def dequantise(raw: Tensor, tensor: GgufTensor, shape: tuple[int, ...]) -> Tensor:
    """Decode a tensor, or some of its experts: plain types keep their dtype, all others become float32.

    raw : its bytes, one axis. shape : of the result

    Errors: `CheckpointError` if the type needs the package `gguf` and it is not installed.
    """
    name, _, size = TYPES[tensor.type]
    if name in PLAIN:
        return raw.view(PLAIN[name]).view(shape)
    blocks = raw.view(-1, size)  # (N, bytes of a block)
    if name == "MXFP4":
        return mxfp4.unpack(*split_blocks(blocks, tensor.type)).view(shape)
    if name == "Q8_0":
        scale = blocks[:, :2].contiguous().view(torch.float16).float()  # (N, 1)
        return (scale * blocks[:, 2:].contiguous().view(torch.int8)).view(shape)
    try:
        from gguf import GGMLQuantizationType, quants
    except ImportError:
        raise CheckpointError(
            f"{tensor.file}: {tensor.name} is stored as {name}, which the package gguf decodes; install it with "
            "`pip install 'gptoss-edu[gguf]'`, or take the file with MXFP4 and BF16, F16 or Q8_0."
        ) from None
    numbers = quants.dequantize(blocks.numpy(), GGMLQuantizationType(tensor.type))
    return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32)).view(shape)


# ------------------------------------------------------------------------------------------------------------ reading


class _Cursor:
    """Read numbers and strings one after another; raises `EOFError` at the end of the file."""

    def __init__(self, data: mmap.mmap):
        self.data, self.place = data, 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.place:
            raise EOFError
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self, letter: str):
        return struct.unpack("<" + letter, self.take(struct.calcsize("<" + letter)))[0]

    def string(self) -> str:
        length = self.number("Q")
        if length > MOST_STRING:
            raise ValueError
        return self.take(length).decode("utf-8", "surrogateescape")

    def value(self, kind: int):
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            return self.number(SCALARS[kind])
        inner, count = self.number("I"), self.number("Q")
        if inner in SCALARS:
            return list(struct.unpack(f"<{count}{SCALARS[inner]}", self.take(count * struct.calcsize(SCALARS[inner]))))
        if count > len(self.data):
            raise ValueError
        return [self.value(inner) for _ in range(count)]


class GgufFile:
    """One file: `metadata`, `tensors` by name, and their bytes, memory-mapped.

    Errors: `CheckpointError` for a file that is not GGUF, or not complete.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.metadata: dict = {}
        self.tensors: dict[str, GgufTensor] = {}
        try:
            with self.path.open("rb") as file:
                start = file.read(64)
                if not start.startswith(MAGIC):
                    found = not_the_file(start) or "something else; fetch it again."
                    raise CheckpointError(f"{self.path}: expected a GGUF file, found {found}")
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except OSError as error:
            raise CheckpointError(
                f"{self.path}: cannot be read ({error.strerror}); check the path and its permissions."
            ) from None
        try:
            self._read(_Cursor(self.data))
        except EOFError:
            raise CheckpointError(
                f"{self.path}: truncated: the file ends inside its header, at byte {len(self.data):,}; fetch it again."
            ) from None
        except (ValueError, KeyError, struct.error, RecursionError, MemoryError):
            raise CheckpointError(
                f"{self.path}: damaged: the header of this GGUF file is not readable; fetch the file again."
            ) from None

    def _read(self, cursor: _Cursor) -> None:
        cursor.take(len(MAGIC))
        version = cursor.number("I")
        if version not in (2, 3):
            raise CheckpointError(
                f"{self.path}: expected GGUF version 2 or 3 in little-endian order, found {version}; convert it again."
            )
        tensors, keys = cursor.number("Q"), cursor.number("Q")
        for _ in range(keys):
            key = cursor.string()
            self.metadata[key] = cursor.value(cursor.number("I"))
        lines = []
        for _ in range(tensors):
            name, axes = cursor.string(), cursor.number("I")
            shape = tuple(reversed([cursor.number("Q") for _ in range(axes)]))
            lines.append((name, shape, cursor.number("I"), cursor.number("Q")))
        alignment = self.metadata.get("general.alignment", ALIGNMENT)
        data = -(-cursor.place // alignment) * alignment
        for name, shape, kind, offset in lines:
            if kind not in TYPES:
                raise CheckpointError(
                    f"{self.path}: {name} has type number {kind}, which is not known here; take the MXFP4 file."
                )
            tensor = GgufTensor(self.path, name, kind, shape, data + offset)
            if tensor.begin + tensor.nbytes > len(self.data):
                raise CheckpointError(
                    f"{self.path}: truncated: {name} should end at byte {tensor.begin + tensor.nbytes:,}, the file "
                    f"has {len(self.data):,}; fetch it again."
                )
            self.tensors[name] = tensor

    def raw(self, name: str) -> Tensor:
        """Return the bytes of a tensor, (nbytes,) uint8; changing them does not change the file."""
        tensor = self.tensors[name]
        return torch.frombuffer(self.data, dtype=torch.uint8, count=tensor.nbytes, offset=tensor.begin)


def is_gguf(path: Path) -> bool:
    """Return whether a file begins as GGUF does."""
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def all_parts(path: Path) -> list[Path]:
    """Return all files of one model, given any of them.

    Errors: `CheckpointError` that names a part that is missing.
    """
    match = PART.fullmatch(path.name)
    if match is None:
        return [path]
    count = int(match["count"])
    parts = [path.with_name(f"{match['stem']}-{i:05d}-of-{count:05d}.gguf") for i in range(1, count + 1)]
    if missing := [part.name for part in parts if not part.is_file()]:
        raise CheckpointError(
            f"{path.parent}: missing {missing[0]} ({len(missing)} of {count} parts are absent); fetch it too."
        )
    return parts


# ------------------------------------------------------------------------------------------------------------ writing

Entry = tuple[str, int, tuple[int, ...], Callable[[], Iterator[Tensor]]]  # name, type, shape, a producer of its data


def write_gguf(path: Path, metadata: dict, entries: Iterable[Entry], progress: Callable[[int], object]) -> None:
    """Stream one file, atomically.

    metadata : str, bool, int (as uint32), float (as float32), or lists of str or int (as int32)
    progress : called after each piece with its number of bytes
    """
    entries = list(entries)
    header = bytearray(MAGIC + struct.pack("<IQQ", 3, len(entries), len(metadata)))
    for key, value in metadata.items():
        header += _string(key) + _typed(value)
    offset = 0
    for name, kind, shape, _ in entries:
        header += _string(name) + struct.pack("<I", len(shape))
        header += struct.pack(f"<{len(shape)}QIQ", *reversed(shape), kind, offset)
        offset += _padded(tensor_bytes(kind, shape))
    header += bytes(_padded(len(header)) - len(header))
    with _new_file(path) as file:
        file.write(header)
        for name, kind, shape, produce in entries:
            begin, size = file.tell(), tensor_bytes(kind, shape)
            for piece in produce():
                data = piece.detach().contiguous().cpu().view(-1).view(torch.uint8)
                file.write(data.numpy().data)
                progress(data.numel())
            if file.tell() - begin != size:
                raise CheckpointError(f"{path}: {name} should have {size} bytes, {file.tell() - begin} were produced.")
            file.write(bytes(_padded(size) - size))


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _string(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(raw)) + raw


def _typed(value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
    return struct.pack(f"<IIQ{len(value)}i", ARRAY, 5, len(value), *value)


@contextmanager
def _new_file(path: Path):
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written ({error.strerror or error}); free some space or choose another place."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
