"""The trace file: one header, then little-endian chunks that can be memory-mapped.

Layout, version 1
-----------------
========  ==================================================================================================
bytes     meaning
========  ==================================================================================================
0 – 7     magic: `GPTOSSTR`
8 – 11    version, uint32 little-endian
12 – 15   CRC-32 of the header's bytes, uint32 little-endian
16 – 23   length of the header in bytes, uint64 little-endian
24 – …    header: UTF-8 JSON, {"meta": {…}, "chunks": [{name, dtype, shape, offset, nbytes, crc32}, …]}
…         zero bytes up to a multiple of 64, then the chunks, each starting at a multiple of 64
========  ==================================================================================================

`offset` counts from the first chunk's start; `dtype` is NumPy's string with its byte order ("<f2", "|u1").
A reader refuses another magic, a newer version, a wrong checksum or a file that ends too early, each with its own
error. Unknown chunks and unknown keys in `meta` are kept and ignored, so the version only changes when a chunk changes
its meaning.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np

from gptoss_edu.errors import TraceError
from gptoss_edu.options import named_in_errors

from .record import Trace

MAGIC = b"GPTOSSTR"
VERSION = 1
ALIGN = 64
_PREFIX = struct.Struct("<8sIIQ")
_DTYPES = {"|u1", "|i1", "|b1", "<u2", "<i2", "<u4", "<i4", "<i8", "<f2", "<f4", "<f8"}


class TraceFileError(TraceError):
    """A trace file cannot be read."""


class ForeignTraceError(TraceFileError):
    """The file is not a trace."""


class TraceVersionError(TraceFileError):
    """The file was written by another version of the format."""


class DamagedTraceError(TraceFileError):
    """The file is a trace, but bytes of it are missing or changed."""


def save(trace: Trace, path) -> Path:
    """Write a trace atomically: to a temporary file beside it first, which is then renamed.

    Parameters
    ----------
    trace : Trace
    path : where to write; by convention it ends in `.trace`.
    """
    path = Path(path)
    chunks, arrays, offset = [], [], 0
    for name, array in trace.arrays.items():
        array = np.ascontiguousarray(array)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.str not in _DTYPES:
            raise TraceFileError(f"array {name!r} has dtype {array.dtype}, which a trace file cannot hold.")
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data) if array.size else 0
        chunks.append(
            {
                "name": name,
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "offset": offset,
                "nbytes": array.nbytes,
                "crc32": crc,
            }
        )
        arrays.append(array)
        offset += _padded(array.nbytes)
    header = json.dumps({"meta": trace.meta, "chunks": chunks}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    try:
        with named_in_errors(path), os.fdopen(handle, "wb") as out:
            out.write(_PREFIX.pack(MAGIC, VERSION, zlib.crc32(header), len(header)) + header)
            out.write(b"\0" * (_padded(out.tell()) - out.tell()))
            for array in arrays:
                out.write(array.reshape(-1).view(np.uint8).data if array.size else b"")
                out.write(b"\0" * (_padded(array.nbytes) - array.nbytes))
            out.flush()
            os.fsync(out.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return path


def load(path, mmap: bool = False, verify: bool = True) -> Trace:
    """Read a trace file.

    Parameters
    ----------
    path : the file.
    mmap : map the chunks into memory instead of reading them (for traces larger than memory).
    verify : compare every chunk's checksum; switch it off to open a large mapped file at once.

    Raises
    ------
    ForeignTraceError, TraceVersionError, DamagedTraceError : with what was expected and what was found.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise TraceFileError(
            f"no trace file at {path}: {error.strerror}. Write one with trace.save(trace, path)."
        ) from None
    with open(path, "rb") as source:
        header, start = _read_header(source, path, size)
    return Trace(header["meta"], {c["name"]: _read_chunk(path, size, start, c, mmap, verify) for c in header["chunks"]})


def _read_header(source, path: Path, size: int) -> tuple[dict, int]:
    prefix = source.read(_PREFIX.size)
    if prefix[:8] != MAGIC[: len(prefix[:8])] or not prefix:
        raise ForeignTraceError(f"{path} is no trace: it starts with {prefix[:8]!r}, a trace with {MAGIC!r}.")
    if len(prefix) < _PREFIX.size:
        raise DamagedTraceError(f"{path} ends after {size} bytes, inside the header; write or copy it again.")
    _, version, crc, length = _PREFIX.unpack(prefix)
    if version != VERSION:
        raise TraceVersionError(
            f"{path} is a trace of format version {version}; this package reads version {VERSION}. "
            + ("Update gptoss_edu." if version > VERSION else "Capture the run again.")
        )
    if _PREFIX.size + length > size:
        raise DamagedTraceError(
            f"{path} should have a header of {length} bytes and has {size} bytes in all; write or copy it again."
        )
    raw = source.read(length)
    if zlib.crc32(raw) != crc:
        raise DamagedTraceError(f"{path}: the header does not match its checksum; write or copy the file again.")
    return json.loads(raw.decode("utf-8", "surrogatepass")), _padded(_PREFIX.size + length)


def _read_chunk(path: Path, size: int, start: int, chunk: dict, mmap: bool, verify: bool) -> np.ndarray:
    name, shape, offset, nbytes = chunk["name"], tuple(chunk["shape"]), start + chunk["offset"], chunk["nbytes"]
    dtype = np.dtype(chunk["dtype"])
    if chunk["dtype"] not in _DTYPES or int(np.prod(shape)) * dtype.itemsize != nbytes:
        raise DamagedTraceError(f"{path}: chunk {name!r} claims {nbytes} bytes for {chunk['dtype']} of shape {shape}.")
    if offset + nbytes > size:
        raise DamagedTraceError(
            f"{path}: chunk {name!r} should end at byte {offset + nbytes}, the file at {size}; write or copy it again."
        )
    if nbytes == 0:
        return np.zeros(shape, dtype)
    flat = np.memmap(path, dtype, "r", offset, shape)
    array = flat if mmap else np.array(flat)
    if verify and zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data) != chunk["crc32"]:
        raise DamagedTraceError(f"{path}: chunk {name!r} does not match its checksum; write or copy the file again.")
    return array


def _padded(count: int) -> int:
    return -(-count // ALIGN) * ALIGN
