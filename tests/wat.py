"""Assemble the WebAssembly text of gptoss_edu/web/model/kernel.wat: folded expressions, a memory, functions with loops.

It supports what that file uses and refuses everything else.

Source: WebAssembly Core Specification 2.0, chapters Binary Format and Text Format.
"""

import re
import struct

TYPES = {"i32": 0x7F, "i64": 0x7E, "f32": 0x7D, "v128": 0x7B}
MEMORY = {  # name -> (opcode bytes, natural alignment as a power of two)
    "f32.load": (b"\x2a", 2), "f32.store": (b"\x38", 2), "i32.load8_u": (b"\x2d", 0),
    "v128.load": (b"\xfd\x00", 4), "v128.load32_splat": (b"\xfd\x09", 2),
}  # fmt: skip
PLAIN = {"i32.add": 0x6A, "i32.shl": 0x74, "i32.lt_u": 0x49, "f32.add": 0x92}
VECTOR = {
    "i8x16.swizzle": 14, "v128.and": 78, "i8x16.shr_u": 109, "i16x8.extend_low_i8x16_s": 135,
    "i16x8.extend_high_i8x16_s": 136, "i32x4.extend_low_i16x8_s": 167,
    "i32x4.extend_high_i16x8_s": 168,
    "f32x4.add": 228,
    "f32x4.mul": 230, "f32x4.convert_i32x4_s": 250,
}  # fmt: skip
LANES = {"i8x16": (16, "b"), "i32x4": (4, "i")}


def unsigned(value: int) -> bytes:
    """Encode a number as LEB128."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def signed(value: int) -> bytes:
    """Encode a number as signed LEB128."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        done = (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40)
        out.append(byte | (0 if done else 0x80))
        if done:
            return bytes(out)


def parsed(text: str) -> list:
    """Parse the text into nested lists of words."""
    stack: list[list] = [[]]
    for word in re.findall(r'\(|\)|"[^"]*"|[^\s()]+', re.sub(r";;.*", "", text)):
        if word == "(":
            stack.append([])
        elif word == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(word)
    (module,) = stack[0]
    assert module[0] == "module" and len(stack) == 1
    return module[1:]


class Function:
    """Hold one function: its exported name, parameters, locals and code."""

    def __init__(self, form: list):
        self.names: dict[str, int] = {}
        self.parameters, self.locals, self.labels, body = [], [], [], []
        for item in form[1:]:
            if item[0] == "export":
                self.export = item[1].strip('"')
            elif item[0] in ("param", "local"):
                self.names[item[1]] = len(self.names)
                (self.parameters if item[0] == "param" else self.locals).append(TYPES[item[2]])
            else:
                body.append(item)
        self.code = b"".join(map(self.expression, body)) + b"\x0b"

    def expression(self, form: list) -> bytes:
        """Assemble one instruction after its operands."""
        name, *rest = form
        if name == "loop":
            self.labels.append(rest[0])
            inside = b"".join(map(self.expression, rest[1:]))
            self.labels.pop()
            return b"\x03\x40" + inside + b"\x0b"
        immediates = [item for item in rest if not isinstance(item, list)]
        operands = b"".join(self.expression(item) for item in rest if isinstance(item, list))
        return operands + self.instruction(name, immediates)

    def instruction(self, name: str, given: list[str]) -> bytes:
        if name in ("local.get", "local.set"):
            return (b"\x20" if name == "local.get" else b"\x21") + unsigned(self.names[given[0]])
        if name == "br_if":
            return b"\x0d" + unsigned(self.labels[::-1].index(given[0]))
        if name == "i32.const":
            return b"\x41" + signed(int(given[0]))
        if name == "v128.const":
            count, code = LANES[given[0]]
            return b"\xfd\x0c" + struct.pack(f"<{count}{code}", *map(int, given[1:]))
        if name == "i8x16.shuffle":
            return b"\xfd\x0d" + bytes(map(int, given))
        if name == "f32x4.extract_lane":
            return b"\xfd\x1f" + bytes([int(given[0])])
        if name in MEMORY:
            opcode, alignment = MEMORY[name]
            offset = int(given[0].removeprefix("offset=")) if given else 0
            return opcode + unsigned(alignment) + unsigned(offset)
        assert not given, (name, given)
        return bytes([PLAIN[name]]) if name in PLAIN else b"\xfd" + unsigned(VECTOR[name])

    @property
    def body(self) -> bytes:
        groups: list[list[int]] = []  # runs of locals of one type
        for kind in self.locals:
            if groups and groups[-1][1] == kind:
                groups[-1][0] += 1
            else:
                groups.append([1, kind])
        entries = vector([unsigned(count) + bytes([kind]) for count, kind in groups])
        return unsigned(len(entries + self.code)) + entries + self.code


def vector(items: list[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


def named(text: str) -> bytes:
    return unsigned(len(text)) + text.encode()


def assemble(text: str) -> bytes:
    """Return the module's bytes."""
    (_, module, name, (_, least)), *forms = parsed(text)  # (import "js" "memory" (memory 1))
    functions = [Function(form) for form in forms]
    signatures = [b"\x60" + vector([bytes([kind]) for kind in f.parameters]) + b"\x00" for f in functions]
    types = list(dict.fromkeys(signatures))
    sections = {
        1: vector(types),
        2: vector([named(module.strip('"')) + named(name.strip('"')) + b"\x02\x00" + unsigned(int(least))]),
        3: vector([unsigned(types.index(signature)) for signature in signatures]),
        7: vector([named(f.export) + b"\x00" + unsigned(i) for i, f in enumerate(functions)]),
        10: vector([f.body for f in functions]),
    }
    return b"\0asm\x01\0\0\0" + b"".join(bytes([i]) + unsigned(len(s)) + s for i, s in sections.items())
