"""`read_tensor` (chapter 10): one tensor of a safetensors file, by hand."""

import json

import torch
from safetensors.torch import save

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(read_tensor, file: bytes, name: str, what: str = "values"):
    """Return the tensor, or the name of its dtype."""
    found = read_tensor(file, name)
    return str(getattr(found, "dtype", type(found))) if what == "dtype" else found


CHECK = CaseCheck("read_tensor", "(file bytes, name) -> tensor", through)
BANK = Bank("read_tensor")


@CHECK.cases
def cases():
    made = {
        "a": torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.25, 8.0]]).bfloat16(),
        "b": torch.tensor([0, 1, 2, 127, 128, 255], dtype=torch.uint8),
        "c": torch.tensor([7.0]).bfloat16(),
    }
    file = save(made)
    return [
        Case(
            "a tensor of bytes",
            (file, "b"),
            made["b"],
            "Offsets count from the end of the header, that is, from byte 8 + n. U8 is one byte per number, 0 to 255.",
        ),
        Case(
            "one number",
            (file, "c"),
            made["c"],
            "BF16 is torch.bfloat16, two bytes per number; float16 has the same size but other bits.",
        ),
        Case("two axes", (file, "a"), made["a"], "The bytes are in row-major order: .view(shape), nothing transposed."),
        Case(
            "its own dtype",
            (file, "a", "dtype"),
            "torch.bfloat16",
            "The tensor keeps the dtype that the header names: nothing is converted.",
        ),
    ]


@BANK.right("header, offsets, frombuffer")
def read_tensor(file, name):
    dtypes = {"BF16": torch.bfloat16, "U8": torch.uint8}
    length = int.from_bytes(file[:8], "little")
    entry = json.loads(file[8 : 8 + length])[name]
    start, stop = entry["data_offsets"]
    data = file[8 + length :]
    return torch.frombuffer(bytearray(data[start:stop]), dtype=dtypes[entry["dtype"]]).view(entry["shape"])


BANK.wrong("a tensor of bytes", "signed bytes", ("torch.uint8", "torch.int8"))
BANK.wrong("a tensor of bytes", "offsets from the beginning of the file", ("data = file[8 + length :]", "data = file"))
BANK.wrong(
    "a tensor of bytes",
    "offsets from the end of the header, its length's 8 bytes forgotten",
    ("file[8 + length :]", "file[length:]"),
)
BANK.wrong("a tensor of bytes", "the length read big-endian", ('"little"', '"big"'))
BANK.wrong("its own dtype", "converted to float32", ('entry["shape"])', 'entry["shape"]).float()'))
BANK.wrong("one number", "float16 for bfloat16", ("torch.bfloat16", "torch.float16"))
BANK.wrong("two axes", "the shape left out", ('.view(entry["shape"])', ""))
BANK.wrong("two axes", "the axes exchanged", ('.view(entry["shape"])', '.view(entry["shape"][::-1])'))
BANK.wrong(
    "two axes",
    "transposed",
    ("return torch.frombuffer(", "flat = torch.frombuffer("),
    ('.view(entry["shape"])', '\n    return flat.view(entry["shape"][::-1]).mT if len(entry["shape"]) > 1 else flat'),
)
BANK.wrong("a tensor of bytes", "nothing returned", ("return torch", "torch"))
