"""The checks that chapters 00 to 06 bring along themselves, against plausible wrong solutions, each with its cause."""

from functools import cache

import matplotlib
import pytest
from chapter_cells import run_cell
from test_notebooks import NOTEBOOKS, code_cells, execute, needed, read

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
        "def checkpoint_bytes(config):\n    packed = config.num_hidden_layers * config.num_experts * 3 * config.hidden_size**2\n"
        "    return packed * 17 // 32 + 2 * (total_parameters(config) - packed)", "3 · c · f each",
    ),
    (
        "00_map_and_setup", "checkpoint_bytes",
        "def checkpoint_bytes(config):\n    return tensor_bytes(config) * config.num_hidden_layers", "experts of every layer",
    ),
    (
        "00_map_and_setup", "checkpoint_bytes",
        "def checkpoint_bytes(config):\n    return tensor_bytes(config) - (config.num_experts == 128)", "128 times 36",
    ),
    (
        "01_warm_up", "log_sum_exp",
        "def log_sum_exp(x):\n    return x.clamp(-80, 80).exp().sum(-1).log()", "subtract the maximum before exp",
    ),
    (
        "01_warm_up", "log_sum_exp",
        "def log_sum_exp(x):\n    return (x - x.max()).exp().sum(-1).log() + x.max()", "Each row by itself",
    ),
    (
        "01_warm_up", "log_sum_exp",
        "def log_sum_exp(x):\n    return x.logsumexp(-1, keepdim=True)", "one number for the whole row",
    ),
    (
        "01_warm_up", "cross_entropy",
        "def cross_entropy(logits, targets):\n    return -logits.softmax(-1)[torch.arange(len(targets)), targets].log().mean()",
        "underflows",
    ),
    (
        "01_warm_up", "cross_entropy",
        "def cross_entropy(logits, targets):\n    return F.cross_entropy(logits, targets) / math.log(2)", "LOGARITHM",
    ),
    (
        "01_warm_up", "cross_entropy",
        "def cross_entropy(logits, targets):\n    return F.cross_entropy(logits, targets, reduction='none')", "one number for all rows",
    ),
    (
        "01_warm_up", "cross_entropy",
        "def cross_entropy(logits, targets):\n    return F.cross_entropy(logits, targets, reduction='sum')", "the result is the mean",
    ),
    (
        "01_warm_up", "all_scores",
        "def all_scores(q, k):\n    return torch.einsum('thd,shd->hst', q, k)", "then queries t, then keys s",
    ),
    (
        "01_warm_up", "all_scores",
        "def all_scores(q, k):\n    return torch.einsum('thd,shd->hts', q, k) / q.shape[-1] ** 0.5", "nothing is divided",
    ),
    (
        "01_warm_up", "rotate",
        "def rotate(points, angle):\n    a, b = points.T\n    c, s = angle.cos(), angle.sin()\n"
        "    return torch.stack((a * c - b * s, b * c + a * s))", "stack along the last axis",
    ),
    (
        "01_warm_up", "rotate",
        "def rotate(points, angle):\n    out = points.clone()\n    out[:, 0] = out[:, 0] * angle.cos() - out[:, 1] * angle.sin()\n"
        "    out[:, 1] = out[:, 1] * angle.cos() + out[:, 0] * angle.sin()\n    return out", "overwrites a before b",
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
        "02_tokenizer", "train",
        "def train(text, vocab_size):\n    return {token: i - 256 for token, i in bpe.train(text, vocab_size).items()}",
        "Its id is the first that is free",
    ),
    (
        "02_tokenizer", "train",
        "def train(text, vocab_size):\n    return bpe.train(text, vocab_size, r'(?s).+')", "across the edge of a word",
    ),
    (
        "02_tokenizer", "user_message",
        "def user_message(content):\n    return right(re.sub(r'<[|].*?[|]>', '', content))", "filtered away",
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
    (
        "03_residual_and_rmsnorm", "one_block",
        "def one_block(x, norm_1, attention, norm_2, experts):\n    return x + experts(norm_2(x + attention(norm_1(x))))",
        "adds to that sum, not to the old x",
    ),
    (
        "03_residual_and_rmsnorm", "one_block",
        "def one_block(x, norm_1, attention, norm_2, experts):\n    return x + attention(norm_1(x)) + experts(norm_2(x))",
        "one after the other",
    ),
    (
        "03_residual_and_rmsnorm", "one_block",
        "def one_block(x, norm_1, attention, norm_2, experts):\n    x = norm_1(x + attention(x))\n    return norm_2(x + experts(x))",
        "with the raw x",
    ),
    (
        "03_residual_and_rmsnorm", "one_block",
        "def one_block(x, norm_1, attention, norm_2, experts):\n    x = x + attention(x)\n    return x + experts(x)",
        "must read norm_1",
    ),
    (
        "03_residual_and_rmsnorm", "one_block",
        "def one_block(x, norm_1, attention, norm_2, experts):\n    x = x + attention(norm_1(x))\n    return x + experts(norm_1(x))",
        "a norm of its own",
    ),
    (
        "03_residual_and_rmsnorm", "read_halfway",
        "def read_halfway(stream, scale, unembedding):\n    powers = (rms_norm(stream, scale) @ unembedding.T).exp()\n    return powers / powers.sum()",
        "in every row",
    ),
    (
        "03_residual_and_rmsnorm", "read_halfway",
        "def read_halfway(stream, scale, unembedding):\n    return (stream / stream.square().mean().sqrt() * scale @ unembedding.T).softmax(-1)",
        "row by row",
    ),
    (
        "03_residual_and_rmsnorm", "read_halfway",
        "def read_halfway(stream, scale, unembedding):\n    return (rms_norm(stream, 0 * scale + 1) @ unembedding.T).softmax(-1)",
        "weighs the channels",
    ),
    (
        "03_residual_and_rmsnorm", "read_halfway",
        "def read_halfway(stream, scale, unembedding):\n    n = len(scale)\n    return (rms_norm(stream, scale) @ unembedding[:n]).softmax(-1)",
        "one row a token",
    ),
    (
        "04_attention", "one_head",
        "def one_head(q, k, v, allowed):\n    return (q @ k.T / q.shape[-1] ** 0.5).masked_fill(~allowed, -torch.inf).softmax(-1) @ k",
        "its value comes out, not its key",
    ),
    (
        "04_attention", "one_head",
        "def one_head(q, k, v, allowed):\n    s = q @ k.T / q.shape[-1] ** 0.5\n"
        "    return s.masked_fill(~torch.ones_like(s).tril().bool(), -torch.inf).softmax(-1) @ v",
        "the only mask",
    ),
    (
        "04_attention", "one_head",
        "def one_head(q, k, v, allowed):\n    return (q @ k.T / len(q) ** 0.5).masked_fill(~allowed, -torch.inf).softmax(-1) @ v",
        "root of head_dim",
    ),
    (
        "04_attention", "one_head",
        "def one_head(q, k, v, allowed):\n    return ((q @ k.T / q.shape[-1] ** 0.5).softmax(-1) * allowed) @ v",
        "BEFORE the softmax",
    ),
    ("04_attention", "grouped_attention", "grouped_attention = partial(grouped, scale=1.0)", "scores over the root of d"),
    ("04_attention", "grouped_attention", "grouped_attention = partial(grouped, out='bhtd')", "laid out like q"),
    ("04_attention", "grouped_attention", "grouped_attention = partial(grouped, widen=torch.Tensor.repeat)", "repeat and tile give"),
    ("04_attention", "grouped_attention", "grouped_attention = partial(grouped, own_mask=True)", "used as it is given"),
    (
        "04_attention", "grouped_attention",
        "def grouped_attention(q, k, v, mask):\n    (b, t, h, d), s = q.shape, k.shape[1]\n    n = h // k.shape[2]\n"
        "    q, k, v = (x.reshape(b, h, -1, d) for x in (q, k.repeat_interleave(n, 2), v.repeat_interleave(n, 2)))\n"
        "    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).reshape(b, t, h, d)",
        "Heads and tokens are mixed up",
    ),
    ("06_attention_sinks", "sink_gate", "def sink_gate(lse, sinks):\n    return torch.sigmoid(sinks[:, None] - lse)", "closes the gate"),
    ("06_attention_sinks", "sink_gate", "def sink_gate(lse, sinks):\n    return torch.sigmoid(lse - sinks[:, None, None])", "HEAD axis"),
    ("06_attention_sinks", "sink_gate", "def sink_gate(lse, sinks):\n    return (lse - sinks[:, None]).exp()", "one half"),
    (
        "06_attention_sinks", "sink_gate",
        "def sink_gate(lse, sinks):\n    return 0.5 + (lse - sinks[:, None]).clamp(-2, 2) / 4", "e^L / (e^s + e^L)",
    ),
]  # fmt: skip

HELPERS = {
    "total_parameters": "right = total_parameters",
    "user_message": "import re",
    "train": """
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
    "grouped_attention": """
from functools import partial
def grouped(q, k, v, mask, scale=None, out="bthd", widen=None, own_mask=False):
    n = q.shape[2] // k.shape[2]
    k, v = (widen(x, (1, 1, n, 1)) if widen else x.repeat_interleave(n, 2) for x in (k, v))
    scores = torch.einsum("bthd,bshd->bhts", q, k) * (scale or q.shape[-1] ** -0.5)
    mask = torch.ones_like(mask).tril() if own_mask else mask
    return torch.einsum(f"bhts,bshd->{out}", scores.masked_fill(~mask, -torch.inf).softmax(-1), v)
""",
}


@cache
def ready(name: str, exercise: str) -> tuple[dict, str]:
    """The names of the cells that an exercise's check needs, its own solution and a test's helpers included; the check's source."""
    cells = code_cells(read(next(path for path in NOTEBOOKS if path.stem == name)))
    check = next(i for i, cell in enumerate(cells) if f'checks.custom("{exercise}"' in cell.source)
    _, names = execute(cells, needed(cells, {check}), ".")
    exec(HELPERS.get(exercise, ""), names)
    return names, cells[check].source


@pytest.mark.slow
@pytest.mark.parametrize(("name", "exercise", "solution", "says"), WRONG)
def test_a_wrong_solution_is_refused_with_its_cause(name, exercise, solution, says):
    names, check = ready(name, exercise)
    names = dict(names)
    exec(solution, names)
    result = run_cell(check, names)
    assert result.status == "failed", result.message
    assert says in result.message


@pytest.mark.slow
@pytest.mark.parametrize(("name", "exercise"), sorted({(name, exercise) for name, exercise, _, _ in WRONG}))
def test_a_stub_is_called_not_written(name, exercise):
    names, check = ready(name, exercise)
    names = dict(names)
    exec(f"def {exercise}(*arguments):\n    raise NotImplementedError('write it')", names)
    assert run_cell(check, names).status == "not written yet"


RIGHT = [  # in another style than the chapter's own
    ("00_map_and_setup", "checkpoint_bytes", "def checkpoint_bytes(config):\n    return float(tensor_bytes(config))"),
    (
        "01_warm_up", "cross_entropy",
        "def cross_entropy(logits, targets):\n    return sum(float(row.double().logsumexp(0) - row[y]) for row, y in zip(logits, targets)) / len(targets)",
    ),
    (
        "01_warm_up", "rotate",
        "def rotate(points, angle):\n    return torch.view_as_real(torch.view_as_complex(points) * torch.polar(torch.ones(()), angle))",
    ),
    (
        "02_tokenizer", "user_message",
        "def user_message(content):\n    head = o200k.encode('<|start|>user<|message|>', allowed_special='all')\n"
        "    return (*head, *o200k.encode(content, disallowed_special=()), 200007)",
    ),
    (
        "04_attention", "grouped_attention",
        "def grouped_attention(q, k, v, mask):\n    (b, t, h, d), g = q.shape, k.shape[2]\n    q = q.double().reshape(b, t, g, h // g, d)\n"
        "    scores = torch.einsum('btgnd,bsgd->bgnts', q, k.double()) / d**0.5\n    scores[..., ~mask] = -torch.inf\n"
        "    return torch.einsum('bgnts,bsgd->btgnd', scores.softmax(-1), v.double()).reshape(b, t, h, d)",
    ),
    (
        "06_attention_sinks", "sink_gate",
        "def sink_gate(lse, sinks):\n    return torch.stack((lse, sinks[None, :, None].expand_as(lse)), -1).softmax(-1)[..., 0]",
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "exercise", "solution"), RIGHT)
def test_a_right_solution_of_another_style_passes(name, exercise, solution):
    names, check = ready(name, exercise)
    names = dict(names)
    exec(solution, names)
    assert run_cell(check, names).passed


WISHES = [  # what the chapter builds grants every wish of the problem that it opens with
    ("01_warm_up", "try_out", "lambda x: x.softmax(-1)"),
    ("03_residual_and_rmsnorm", "try_out", "lambda x: x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()"),
    ("05_rope_and_yarn", "figure_code", "lambda p: [math.cos(0.1 * p), math.sin(0.1 * p)]"),
    ("06_attention_sinks", "try_out", "lambda x: x.exp() / (1 + x.exp().sum())"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tried", "answer"), WISHES)
def test_what_a_chapter_builds_solves_its_problem(name, tried, answer, capsys):
    cells = code_cells(read(next(path for path in NOTEBOOKS if path.stem == name)))
    at = next(i for i, cell in enumerate(cells) if f"def {tried}(" in cell.source)
    _, names = execute(cells, needed(cells, {at}), ".")
    names[tried](eval(answer, names))
    said = capsys.readouterr().out
    assert said.count("yes") >= 3 and "NO" not in said
