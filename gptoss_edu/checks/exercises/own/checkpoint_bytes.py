"""`checkpoint_bytes` (chapter 10): the size of a released checkpoint."""

from dataclasses import replace

from gptoss_edu import ModelConfig
from gptoss_edu.checkpoint.sizes import tensor_bytes
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.checks.exercises.own.total_parameters import total_parameters


def through(checkpoint_bytes, config) -> str:
    """Format the count with commas, so that a difference can be read."""
    return f"{checkpoint_bytes(config):,.0f}"


CHECK = CaseCheck("checkpoint_bytes", "(config) -> bytes", through)
BANK = Bank("checkpoint_bytes")


@CHECK.cases
def cases():
    small, large = ModelConfig.gpt_oss_20b(), ModelConfig.gpt_oss_120b()
    narrow = replace(small, num_hidden_layers=1, num_experts=4, intermediate_size=64)
    return [
        Case(
            "narrow experts",
            (narrow,),
            lambda config: f"{tensor_bytes(config):,.0f}",
            "17 bytes for 32 numbers in the experts' matrices, 3 · c · f each; 2 for the rest, their biases included.",
        ),
        Case("gpt-oss-20b", (small,), "13,761,264,768", "Count the experts of every layer."),
        Case("gpt-oss-120b", (large,), "65,248,815,744", "Count the experts of every layer: 128 times 36."),
    ]


@BANK.right("matrices in 4.25 bits, the rest in bfloat16")
def checkpoint_bytes(config):
    c, f, e, layers = config.hidden_size, config.intermediate_size, config.num_experts, config.num_hidden_layers
    in_matrices = layers * e * (2 * f * c + c * f)
    in_bfloat16 = 2 * (total_parameters(config) - in_matrices)
    return in_matrices * 17 // 32 + in_bfloat16


BANK.wrong(
    "narrow experts",
    "everything in 4.25 bits",
    ("return in_matrices * 17 // 32 + in_bfloat16", "return total_parameters(config) * 17 // 32"),
)
BANK.wrong(
    "narrow experts", "everything in bfloat16", ("in_matrices * 17 // 32 + in_bfloat16", "2 * total_parameters(config)")
)
BANK.wrong("narrow experts", "c² numbers in each matrix", ("(2 * f * c + c * f)", "3 * c * c"))
BANK.wrong("narrow experts", "the shared scales forgotten", ("* 17 // 32", "* 16 // 32"))
BANK.wrong("narrow experts", "one byte for each of the rest", ("= 2 * (", "= ("))
BANK.wrong("narrow experts", "the experts' biases in 4.25 bits too", ("c * f)", "c * f + 2 * f + c)"))
BANK.wrong("gpt-oss-20b", "the experts of one layer", ("layers * e *", "e *"))
BANK.wrong("gpt-oss-20b", "all layers counted twice", ("+ in_bfloat16", "+ in_bfloat16 * layers"))
BANK.wrong("gpt-oss-120b", "the experts of 24 layers", ("layers * e *", "min(layers, 24) * e *"))
BANK.wrong("gpt-oss-120b", "at most 32 experts", ("layers * e *", "layers * min(e, 32) *"))


@BANK.right("as the package counts, as a floating-point number")
def counted(config):
    return float(tensor_bytes(config))
