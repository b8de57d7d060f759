"""`longest_context` (chapter 18): the longest context whose cache fits."""

from gptoss_edu import ModelConfig
from gptoss_edu.checkpoint.sizes import GIB, cache_bytes
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("longest_context", "(config, room) -> tokens")
BANK = Bank("longest_context")


@CHECK.cases
def cases():
    small, large = ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b()
    exact = {"rtol": 0, "atol": 0}
    return [
        Case("no room", (small, 0), 0, "If not even one token fits, the answer is 0."),
        Case(
            "less than nothing",
            (small, -GIB),
            0,
            "If the model itself is too large, the room is negative: return 0, not a negative context.",
        ),
        Case(
            "short: all layers grow",
            (small, cache_bytes(small, 100)),
            100,
            "Up to the window every layer keeps every token: 24 layers of 2,048 bytes.",
            **exact,
        ),
        Case(
            "long: half of them",
            (small, GIB),
            43562,
            "Beyond 128 tokens only the 12 full layers grow: 24,576 bytes per token.",
            **exact,
        ),
        Case(
            "one byte too few",
            (small, cache_bytes(small, 5000) - 1),
            4999,
            "The cache has to fit: at most `room` bytes.",
            **exact,
        ),
        Case("more room than context", (large, 100 * GIB), 131072, "The model ends at config.max_context.", **exact),
    ]


@BANK.right("halving")
def longest_context(config, room):
    low, high = 0, config.max_context
    while low < high:
        middle = (low + high + 1) // 2
        if cache_bytes(config, middle) <= room:
            low = middle
        else:
            high = middle - 1
    return low


BANK.wrong("short: all layers grow", "room for one byte more wanted", ("<= room", "< room"))
BANK.wrong(
    "long: half of them",
    "the first that does not fit",
    ("return low", "return low + (0 < low < config.max_context and cache_bytes(config, low) < room)"),
)
BANK.wrong("more room than context", "ten million tokens at most", ("0, config.max_context", "0, 10_000_000"))
BANK.wrong("no room", "one token at least", ("low, high = 0,", "low, high = 1,"))
BANK.wrong(
    "long: half of them",
    "every layer grows for ever",
    ("cache_bytes(config, middle)", "2048 * config.num_hidden_layers * middle"),
)
BANK.wrong(
    "short: all layers grow",
    "only the full layers grow",
    ("cache_bytes(config, middle)", "1024 * config.num_hidden_layers * middle"),
)
BANK.wrong(
    "less than nothing",
    "by division, also of less than nothing",
    ("    low, high", "    if room < 0:\n        return room // 49152\n    low, high"),
)
