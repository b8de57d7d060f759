"""`total_parameters` (chapter 10): all parameters of a configuration."""

import math
from dataclasses import replace

from gptoss_edu import ModelConfig
from gptoss_edu.checkpoint.layouts import original_shapes
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(total_parameters, config) -> str:
    """Format the count with commas, so that a difference can be read."""
    return f"{total_parameters(config):,.0f}"


CHECK = CaseCheck("total_parameters", "(config) -> whole number", through)
BANK = Bank("total_parameters")


def all_tensors(config: ModelConfig) -> str:
    """Return the numbers of all tensors that a checkpoint holds, with commas."""
    return f"{sum(math.prod(shape) for shape in original_shapes(config).values()):,}"


@CHECK.cases
def cases():
    small, large = ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b()
    one = replace(small, num_hidden_layers=1, num_experts=4)
    two, narrow = replace(one, num_hidden_layers=2), replace(one, intermediate_size=64)
    return [
        Case(
            "one block, 4 experts",
            (one,),
            all_tensors,
            "Compare with the list: key/value heads, norms, biases, sinks. How many parameters are missing or extra?",
        ),
        Case("two blocks", (two,), all_tensors, "Embedding, unembedding and last norm occur once in the model."),
        Case("other width", (narrow,), all_tensors, "f and c differ, though they are equal in gpt-oss."),
        Case("gpt-oss-20b", (small,), all_tensors, "Every block has its own experts and its own router."),
        Case("gpt-oss-120b", (large,), all_tensors, "Only the number of blocks and of experts differs from 20b."),
    ]


@BANK.right("block by block")
def total_parameters(config):
    c, f, e, v = config.hidden_size, config.intermediate_size, config.num_experts, config.vocab_size
    h, g, d = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    qkv = (h + 2 * g) * d
    attention = c + qkv * c + qkv + h + c * h * d + c  # norm, q k v, sinks, out
    experts = c + e * c + e + e * (2 * f * c + 2 * f + c * f + c)  # norm, router, experts
    return config.num_hidden_layers * (attention + experts) + 2 * v * c + c


BANK.wrong("one block, 4 experts", "the sinks forgotten", ("qkv + h + c", "qkv + c"))
BANK.wrong("one block, 4 experts", "the biases of q, k and v forgotten", ("qkv * c + qkv +", "qkv * c +"))
BANK.wrong("one block, 4 experts", "the output's bias forgotten", ("c * h * d + c ", "c * h * d "))
BANK.wrong("one block, 4 experts", "the norms of the blocks forgotten", ("= c + qkv", "= qkv"), ("= c + e", "= e"))
BANK.wrong("one block, 4 experts", "the router's bias forgotten", ("e * c + e + e", "e * c + e"))
BANK.wrong("one block, 4 experts", "the unembedding forgotten", ("2 * v * c", "v * c"))
BANK.wrong("one block, 4 experts", "the last norm forgotten", ("2 * v * c + c", "2 * v * c"))
BANK.wrong("one block, 4 experts", "one key/value head for each query head", ("(h + 2 * g)", "3 * h"))
BANK.wrong("two blocks", "a last norm for each block", ("2 * v * c + c", "2 * v * c + c * config.num_hidden_layers"))
BANK.wrong(
    "two blocks",
    "an embedding for each block",
    ("(attention + experts) + 2 * v * c", "(attention + experts + 2 * v * c)"),
)
BANK.wrong("other width", "c taken for f", ("config.intermediate_size", "config.hidden_size"))
BANK.wrong("gpt-oss-20b", "four experts everywhere", ("config.num_experts", "min(config.num_experts, 4)"))
