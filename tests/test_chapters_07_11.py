"""The checks that chapters 07 to 11 bring along, where nothing but the check's own cell is needed to run them."""

import pytest
import torch
from chapter_cells import check_cell, run_cell

from gptoss_edu import checks
from gptoss_edu.moe import swiglu

EXPERT = """
def run_expert(x, w1, b1, w2, b2):
    act = swiglu(torch.einsum("nc,fc->nf", x, w1) + b1)
    return torch.einsum("nf,cf->nc", act, w2) + b2
"""
WEAVE = """
def interleave(gate, up):
    return torch.cat((gate, up), dim=1).view(-1, gate.shape[1])
"""
BITS = """
def bits_per_weight(code_bits, block, scale_bits):
    return torch.tensor((block * code_bits + scale_bits) / block)
"""
RING = """
def ring(n, slots):
    return [n - 1 - (n - 1 - slot) % slots if slot < n else -1 for slot in range(slots)]
"""
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
    ("07_swiglu_expert", "run_expert", EXPERT, None, None),
    ("07_swiglu_expert", "run_expert", EXPERT, ("nf,cf->nc", "nf,fc->nc"), "w2 is (c, f)"),
    ("07_swiglu_expert", "run_expert", EXPERT, ("return torch", "return x + torch"), "and nothing else"),
    ("07_swiglu_expert", "run_expert", EXPERT, (" + b1)", ") + b1[::2]"), "before the activation"),
    ("07_swiglu_expert", "interleave", WEAVE, None, None),
    ("07_swiglu_expert", "interleave", WEAVE, ("dim=1", "dim=0"), "NEW axis"),
    ("07_swiglu_expert", "interleave", WEAVE, ("(gate, up), ", "(up, gate), "), "the gate first"),
    ("09_mxfp4", "bits_per_weight", BITS, None, None),
    ("09_mxfp4", "bits_per_weight", BITS, ("+ scale_bits)", "+ 8)"), "Without a scale"),
    ("09_mxfp4", "bits_per_weight", BITS, ("(block * code_bits + scale_bits) / block", "code_bits + scale_bits / 32"), "twice the share"),
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
    ("11_cache_and_decoding", "ring", RING, None, None),
    ("11_cache_and_decoding", "ring", RING, ("slot < n", "slot <= n"), "every slot is empty"),
    ("11_cache_and_decoding", "ring", RING, ("n - 1 - (n - 1 - slot) % slots", "max(n - slots, 0) + slot"), "Only ONE slot"),
    ("11_cache_and_decoding", "decode", DECODE, None, None),
    ("11_cache_and_decoding", "decode", DECODE, ("in stops", "in stops and generated[1:]"), "the first included"),
    ("11_cache_and_decoding", "decode", DECODE, ("return generated", "return prompt + generated"), "the new tokens only"),
    ("11_cache_and_decoding", "decode", DECODE, ("    return generated", ""), "is there a `return`"),
    ("11_cache_and_decoding", "decode", DECODE, ("return generated", "return []"), "the new tokens only, here one"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "exercise", "solution", "exchanged", "says"), ALONE)
def test_a_check_that_stands_alone(name, exercise, solution, exchanged, says):
    names = {"torch": torch, "checks": checks, "Case": checks.Case, "swiglu": swiglu}
    exec("import json\n" + (solution.replace(*exchanged) if exchanged else solution), names)
    result = run_cell(check_cell(name, exercise), names)
    assert result.passed == (says is None), result.message
    assert says is None or says in result.message
