"""The checks that chapters 10 and 11 bring along, where nothing but the check's own cell is needed to run them."""

import pytest
import torch
from chapter_cells import check_cell, run_cell

from gptoss_edu import checks

READ = """
def read_tensor(file, name):
    length = int.from_bytes(file[:8], "little")
    entry = json.loads(file[8 : 8 + length])[name]
    start, stop = (8 + length + offset for offset in entry["data_offsets"])
    kind = {"BF16": torch.bfloat16, "U8": torch.uint8}[entry["dtype"]]
    return torch.frombuffer(bytearray(file[start:stop]), dtype=kind).view(entry["shape"])
"""
RED = """
def first_red(values, reference, tolerance):
    for name, value in values.items():
        right = reference[name]
        if not (value - right).abs().max() <= tolerance * right.abs().max():
            return name
    return ""
"""
DECODE = """
def decode(read, prompt, max_new_tokens, stops):
    generated, logits = [], read(prompt)
    for _ in range(max_new_tokens):
        generated.append(logits.argmax())
        if int(generated[-1]) in stops:
            break
        logits = read([int(generated[-1])])
    return generated
"""
ALONE = [  # chapter, exercise, solution, (what to exchange, by what) or None, words of the message or None: right
    ("10_assemble_and_load", "read_tensor", READ, None, None),
    ("10_assemble_and_load", "read_tensor", READ, ("torch.uint8", "torch.int8"), "0 to 255"),
    ("10_assemble_and_load", "read_tensor", READ, ('["shape"])', '["shape"]).float()'), "nothing is converted"),
    ("10_assemble_and_load", "read_tensor", READ, ("bfloat16", "float16"), "other bits"),
    ("10_assemble_and_load", "read_tensor", READ, ("return torch", "torch"), "is there a `return`"),
    ("10_assemble_and_load", "first_red", RED, None, None),
    ("10_assemble_and_load", "first_red", RED, (".max() <=", ".mean() <="), "The LARGEST difference"),
    ("10_assemble_and_load", "first_red", RED, ("* right.abs()", "* value.abs()"), "of the REFERENCE"),
    (
        "10_assemble_and_load", "first_red", RED,
        ("(value - right).abs().max() <= tolerance * right.abs().max()", "torch.allclose(value, right, tolerance, 0)"),
        "not value by value",
    ),
    ("11_cache_and_decoding", "decode", DECODE, None, None),
    ("11_cache_and_decoding", "decode", DECODE, ("in stops", "in stops and generated[1:]"), "the first included"),
    ("11_cache_and_decoding", "decode", DECODE, ("return generated", "return prompt + generated"), "the new tokens only"),
    ("11_cache_and_decoding", "decode", DECODE, ("    return generated", ""), "is there a `return`"),
    ("11_cache_and_decoding", "decode", DECODE, ("return generated", "return []"), "the new tokens only, here one"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "exercise", "solution", "exchanged", "says"), ALONE)
def test_a_check_that_stands_alone(name, exercise, solution, exchanged, says):
    names = {"torch": torch, "checks": checks, "Case": checks.Case}
    exec("import json\n" + (solution.replace(*exchanged) if exchanged else solution), names)
    result = run_cell(check_cell(name, exercise), names)
    assert result.passed == (says is None), result.message
    assert says is None or says in result.message
