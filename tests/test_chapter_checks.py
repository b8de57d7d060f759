"""The checks that chapters 00 and 02 bring along themselves, against plausible wrong solutions, each with its cause."""

import matplotlib
import pytest
from chapter_cells import chapter, run_cell

matplotlib.use("Agg")

WRONG = [  # chapter, exercise, wrong solution, words of the message
    (
        "00_map_and_setup", "expert_parameters",
        "def expert_parameters(c, f):\n    return 3 * f * c", "second bias is still there",
    ),
    (
        "00_map_and_setup", "expert_parameters",
        "def expert_parameters(c, f):\n    return 3 * f * c + f + c", "first bias has 2f numbers",
    ),
    (
        "00_map_and_setup", "expert_parameters",
        "def expert_parameters(c, f):\n    return 2 * f * c + 2 * f + c", "the first matrix has 2f rows, the second c",
    ),
    (
        "00_map_and_setup", "expert_parameters",
        "def expert_parameters(c, f):\n    return 2 * f * c + 2 * f + 4 * f + c - (4 * f if c == 0 else 0)", "toy number left in",
    ),
    (
        "00_map_and_setup", "total_parameters",
        "def total_parameters(config):\n    return right(config) - 64 * config.num_hidden_layers", "norms, biases, sinks",
    ),
    (
        "00_map_and_setup", "total_parameters",
        "def total_parameters(config):\n    return right(config) + 2880 * (config.num_hidden_layers - 1)", "once in the model",
    ),
    (
        "00_map_and_setup", "total_parameters",
        "def total_parameters(config):\n    return right(replace(config, intermediate_size=config.hidden_size))",
        "f and c differ",
    ),
    (
        "00_map_and_setup", "total_parameters",
        "def total_parameters(config):\n    return right(replace(config, num_experts=min(config.num_experts, 4)))",
        "own experts",
    ),
    (
        "00_map_and_setup", "checkpoint_bytes",
        "def checkpoint_bytes(config):\n    return total_parameters(config) * 17 // 32", "2 for the rest",
    ),
    (
        "00_map_and_setup", "checkpoint_bytes",
        "def checkpoint_bytes(config):\n    return 13_761_264_768", "128 times 36",
    ),
    (
        "02_tokenizer", "train",
        "def train(text, vocab_size):\n    return bpe.train(text, vocab_size + 256)", "counts the bytes too",
    ),
    (
        "02_tokenizer", "train",
        "def train(text, vocab_size):\n    return slow(text, vocab_size, best=lambda counts: max(counts, key=lambda p: (counts[p], p)))",
        "smaller pair wins",
    ),
    (
        "02_tokenizer", "train",
        "def train(text, vocab_size):\n    return slow(text, vocab_size, recount=False)", "Count again",
    ),
    (
        "02_tokenizer", "train",
        "def train(text, vocab_size):\n    return slow(text, vocab_size, times=lambda n: 1)", "as often as it occurs",
    ),
    (
        "02_tokenizer", "train",
        "def train(text, vocab_size):\n    return bpe.train(text, vocab_size, min_count=1)", "stop there",
    ),
    (
        "02_tokenizer", "user_message",
        "def user_message(content):\n    return [200006, *o200k.encode_ordinary(content), 200007]", "Start, user, message",
    ),
    (
        "02_tokenizer", "user_message",
        "def user_message(content):\n    return o200k.encode(f'<|start|>user<|message|>{content}<|end|>', allowed_special='all')",
        "became a control token",
    ),
    (
        "02_tokenizer", "user_message",
        "def user_message(content):\n    return [200006, 1428, 200008, *o200k.encode_ordinary(content.strip()), 200007]",
        "encode it unchanged",
    ),
]  # fmt: skip

HELPERS = {
    "00_map_and_setup": "right = total_parameters",
    "02_tokenizer": """
def slow(text, vocab_size, best=None, recount=True, times=lambda n: n):
    words = {word: times(n) for word, n in Counter(piece.encode() for piece in bpe.split(text)).items()}
    parts = {word: [bytes([byte]) for byte in word] for word in words}
    ranks = {bytes([byte]): byte for byte in range(256)}
    first = count_pairs(words, parts)
    while len(ranks) < vocab_size:
        counts = count_pairs(words, parts) if recount else first
        pair = best(counts) if best else min(counts, key=lambda p: (-counts[p], p), default=None)
        if pair is None or counts[pair] < 2:
            break
        ranks[pair[0] + pair[1]] = len(ranks)
        parts = {word: join(row, pair) for word, row in parts.items()}
        first = Counter({p: n for p, n in first.items() if p != pair})
    return ranks
""",
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "exercise", "solution", "says"), WRONG)
def test_a_wrong_solution_is_refused_with_its_cause(name, exercise, solution, says):
    names, checks = chapter(name, HELPERS[name])
    names = dict(names)
    exec(solution, names)
    result = run_cell(checks[exercise], names)
    assert result.status == "failed", result.message
    assert says in result.message


@pytest.mark.slow
@pytest.mark.parametrize("exercise", sorted({(name, exercise) for name, exercise, _, _ in WRONG}))
def test_a_stub_is_called_not_written(exercise):
    names, checks = chapter(exercise[0], HELPERS[exercise[0]])
    names = dict(names)
    exec(f"def {exercise[1]}(*arguments):\n    raise NotImplementedError('write it')", names)
    assert run_cell(checks[exercise[1]], names).status == "not written yet"
