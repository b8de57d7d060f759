"""The numbers that define a gpt-oss model, read from either kind of config.json or given by name.

Field names are those of the released `original/config.json`; `hugging_face.py` reads the Hugging Face keys.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from . import hugging_face
from .errors import ConfigError
from .options import not_the_file

MOST_LAYERS = 10_000  # lists get this long; a damaged number must not fill the memory
MOST = 2**31 - 1  # largest whole number, and longest context: tensors count with them
FLOATS = (1e-30, 1e30)  # the range of float32, with room for a product
OPTIONAL = {"rope_ntk_alpha": 1.0, "rope_ntk_beta": 32.0, "swiglu_limit": 7.0, "rms_norm_eps": 1e-5}


@dataclass(frozen=True)
class ModelConfig:
    """The shape of one gpt-oss model.

    Source: gpt-oss model card, section 2 (architecture) and the released config files.
    """

    num_hidden_layers: int
    num_experts: int
    experts_per_token: int
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    head_dim: int
    num_attention_heads: int
    num_key_value_heads: int
    sliding_window: int
    initial_context_length: int
    rope_theta: float
    rope_scaling_factor: float
    rope_ntk_alpha: float = 1.0
    rope_ntk_beta: float = 32.0
    swiglu_limit: float = 7.0
    rms_norm_eps: float = 1e-5

    def __post_init__(self):
        for field in fields(self):
            value, whole = getattr(self, field.name), field.type is int
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            least, most = (1, MOST_LAYERS if field.name == "num_hidden_layers" else MOST) if whole else FLOATS
            if not number or not value > 0 or value == math.inf or (whole and value != int(value)):
                kind = "whole number" if whole else "number"
                raise ConfigError(f"config key {field.name!r}: expected a positive {kind}, found {value!r}.")
            if not least <= value <= most:
                bound = f"at most {most:,}" if value > most else f"at least {least:,}"
                raise ConfigError(f"config key {field.name!r}: expected {bound}, found {_shown(value)}.")
            object.__setattr__(self, field.name, field.type(value))
        self._check_divisible()
        self._check_rope()

    def _check_divisible(self) -> None:
        for bigger, smaller in (("num_attention_heads", "num_key_value_heads"), ("num_experts", "experts_per_token")):
            if getattr(self, bigger) < getattr(self, smaller):
                raise ConfigError(
                    f"config: {bigger} ({getattr(self, bigger)}) is less than {smaller} ({getattr(self, smaller)})."
                )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ConfigError(
                f"config: num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads}): each key/value head serves a whole group."
            )
        if self.head_dim % 2:
            raise ConfigError(f"config: head_dim ({self.head_dim}) must be even, since RoPE rotates pairs.")

    def _check_rope(self) -> None:
        """Refuse numbers that YaRN cannot use, or that other programs read differently: its bounds must not cross."""
        theta, factor, context = self.rope_theta, self.rope_scaling_factor, self.initial_context_length
        fast, slow = 2 * math.pi * self.rope_ntk_beta, 2 * math.pi * self.rope_ntk_alpha  # radians in the context
        if theta <= 1 or factor < 1:
            raise ConfigError(
                f"config: expected rope_theta above 1 and rope_scaling_factor of at least 1, found {theta:g} and"
                f" {factor:g}."
            )
        if context * factor > MOST:
            raise ConfigError(
                f"config: initial_context_length times rope_scaling_factor is {context * factor:.3g}; expected at most"
                f" {MOST:,}."
            )
        if factor == 1:
            return
        if fast <= slow:
            raise ConfigError(
                f"config: rope_ntk_beta ({self.rope_ntk_beta:g}, Hugging Face: beta_fast) must be greater than "
                f"rope_ntk_alpha ({self.rope_ntk_alpha:g}, beta_slow): YaRN's ramp lies between them."
            )
        if context <= slow or math.log(context / fast) >= (2 - 2 / self.head_dim) * math.log(theta):
            raise ConfigError(
                f"config: no pair of a head lies on YaRN's ramp: within initial_context_length ({context}) every pair"
                f" turns less than rope_ntk_alpha ({self.rope_ntk_alpha:g}) or more than rope_ntk_beta"
                f" ({self.rope_ntk_beta:g}) times."
            )

    @classmethod
    def gpt_oss_20b(cls) -> "ModelConfig":
        """Return the released gpt-oss-20b."""
        return cls(
            num_hidden_layers=24, num_experts=32, experts_per_token=4, vocab_size=201_088, hidden_size=2880,
            intermediate_size=2880, head_dim=64, num_attention_heads=64, num_key_value_heads=8, sliding_window=128,
            initial_context_length=4096, rope_theta=150_000.0, rope_scaling_factor=32.0,
        )  # fmt: skip

    @classmethod
    def gpt_oss_120b(cls) -> "ModelConfig":
        """Return the released gpt-oss-120b: 36 layers and 128 experts, everything else as in 20b."""
        return cls(**{**asdict(cls.gpt_oss_20b()), "num_hidden_layers": 36, "num_experts": 128})

    @classmethod
    def from_json(cls, path) -> "ModelConfig":
        """Read a config.json of either layout (a file, or the folder that holds one)."""
        path = Path(path)
        path = path / "config.json" if path.is_dir() else path
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            inside = path.parent / "model" if (path.parent / "model" / "config.json").exists() else None
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); a checkpoint folder holds a config.json beside its"
                f" weights{f', as {inside} does' if inside else ''}."
            ) from None
        except (ValueError, RecursionError) as error:
            found = not_the_file(path.read_bytes()[:64]) or f"something else ({error}); fetch the file again."
            raise ConfigError(f"{path}: expected JSON, found {found}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: expected a JSON object with the model's shape, found {type(values).__name__}.")
        try:
            return cls.from_dict(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error} Fix it, or fetch the file again.") from None

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """Build from the keys of either layout, with old or new rope keys.

        A Hugging Face config is read as transformers reads it, including its defaults for keys that are left out.
        """
        is_hf = hugging_face.is_hugging_face(values)
        given = _flatten(hugging_face.as_read(values) if is_hf else values)
        hugging_face.refuse_other_ropes(values)
        missing = [f.name for f in fields(cls) if f.name not in given and f.name not in OPTIONAL]
        if missing:
            theirs = hugging_face.KEYS | hugging_face.ROPE_KEYS
            also = [f"{name} (Hugging Face: {theirs[name]})" if name in theirs else name for name in missing]
            raise ConfigError(f"missing key{'s' if len(missing) > 1 else ''} {', '.join(also)}.")
        config = cls(**given)
        sliding = [config.layer_window(i) is not None for i in range(config.num_hidden_layers)]
        hugging_face.refuse_what_differs(values, sliding, config.max_context)
        return config

    def to_dict(self) -> dict:
        """Return every number, under the names of `original/config.json`."""
        return asdict(self)

    def to_original_dict(self) -> dict:
        """Return the keys of `original/config.json`, the only ones that OpenAI's own loader accepts.

        That loader uses 1e-5 for `rms_norm_eps` and has no such key. Any other value is written, so that it refuses it.
        """
        values = self.to_dict()
        return {key: value for key, value in values.items() if key != "rms_norm_eps" or value != OPTIONAL[key]}

    def to_hf_dict(self, packed: bool = True) -> dict:
        """Return the keys of the Hugging Face config.json, with the rope keys of transformers 4 (5 reads them too)."""
        renamed, inside = hugging_face.KEYS, hugging_face.ROPE_KEYS
        values = {renamed.get(k, k): v for k, v in self.to_dict().items() if k not in inside}
        values |= {
            "architectures": ["GptOssForCausalLM"],
            "model_type": "gpt_oss",
            "attention_bias": True,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "layer_types": [
                "sliding_attention" if self.layer_window(i) else "full_attention" for i in range(self.num_hidden_layers)
            ],
            "max_position_embeddings": self.max_context,
            "rope_theta": self.rope_theta,
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": self.rope_scaling_factor,
                "beta_fast": self.rope_ntk_beta,
                "beta_slow": self.rope_ntk_alpha,
                "original_max_position_embeddings": self.initial_context_length,
                "truncate": False,
            },
        }
        if self.vocab_size == 201_088:  # o200k_harmony: <|return|> ends, <|endoftext|> pads
            values |= {"eos_token_id": 200_002, "pad_token_id": 199_999}
        if packed:
            kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
            values["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": kept}
        return values

    def layer_window(self, layer: int) -> int | None:
        """Return how many keys a query may see, itself included: even layers slide, odd layers see all (None)."""
        return self.sliding_window if layer % 2 == 0 else None

    @property
    def max_context(self) -> int:
        """The longest context in tokens, to which YaRN stretches the original one."""
        return int(self.initial_context_length * self.rope_scaling_factor)

    @property
    def qkv_rows(self) -> int:
        return self.head_dim * (self.num_attention_heads + 2 * self.num_key_value_heads)


def _flatten(values: dict) -> dict:
    """Map either kind of config.json to our field names; refuse two different values for one field."""
    given: dict = {}
    for field in fields(ModelConfig):
        name = field.name
        places = {name: values.get(name)}
        if name in hugging_face.KEYS:
            places[hugging_face.KEYS[name]] = values.get(hugging_face.KEYS[name])
        if name in hugging_face.ROPE_KEYS:
            key = hugging_face.ROPE_KEYS[name]
            places |= {key: values.get(key)} if key == "original_max_position_embeddings" else {}
            places |= {f"{where}.{key}": rope.get(key) for where, rope in hugging_face.rope_dicts(values)}
        found = {place: value for place, value in places.items() if value is not None}
        if len(set(map(str, map(_number, found.values())))) > 1:
            raise ConfigError(f"contradictory keys: {' but '.join(f'{k} = {v!r}' for k, v in found.items())}.")
        if found:
            given[name] = next(iter(found.values()))
    return given


def _number(value):
    try:
        return float(value) if isinstance(value, (int, float)) else value
    except OverflowError:  # an integer with hundreds of digits
        return value


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, float) or value < 1e24 else f"a number of {len(hex(value)) - 2} hex digits"
