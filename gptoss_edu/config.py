"""The numbers that define a gpt-oss: read from both kinds of config.json, or named.

Field names are those of the released `original/config.json`; `HF_KEYS` maps them to the Hugging Face names.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .errors import ConfigError

HF_KEYS = {  # ours -> Hugging Face's, where they differ
    "num_experts": "num_local_experts",
    "experts_per_token": "num_experts_per_tok",
}
ROPE_KEYS = {  # ours -> key inside rope_scaling (transformers 4) or rope_parameters (transformers 5)
    "rope_theta": "rope_theta",
    "rope_scaling_factor": "factor",
    "rope_ntk_alpha": "beta_slow",
    "rope_ntk_beta": "beta_fast",
    "initial_context_length": "original_max_position_embeddings",
}
MOST_LAYERS = 10_000  # lists of that length are made; a damaged number must not fill the memory


@dataclass(frozen=True)
class ModelConfig:
    """Shape of one gpt-oss model.

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
            value = getattr(self, field.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value <= 0 or (field.type is int and value != int(value)):
                kind = "whole number" if field.type is int else "number"
                raise ConfigError(f"config key {field.name!r}: expected a positive {kind}, found {value!r}.")
            object.__setattr__(self, field.name, field.type(value))
        if self.num_hidden_layers > MOST_LAYERS:
            raise ConfigError(
                f"config key 'num_hidden_layers': expected at most {MOST_LAYERS:,}, found {self.num_hidden_layers:,}."
            )
        self._check_divisible()

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
        for name in ("hidden_size", "intermediate_size"):
            if getattr(self, name) % 32:
                raise ConfigError(f"config: {name} ({getattr(self, name)}) must be a multiple of 32, the MXFP4 block.")

    @classmethod
    def gpt_oss_20b(cls) -> "ModelConfig":
        """The released gpt-oss-20b."""
        return cls(
            num_hidden_layers=24, num_experts=32, experts_per_token=4, vocab_size=201_088, hidden_size=2880,
            intermediate_size=2880, head_dim=64, num_attention_heads=64, num_key_value_heads=8, sliding_window=128,
            initial_context_length=4096, rope_theta=150_000.0, rope_scaling_factor=32.0,
        )  # fmt: skip

    @classmethod
    def gpt_oss_120b(cls) -> "ModelConfig":
        """The released gpt-oss-120b: 36 layers and 128 experts, everything else as in 20b."""
        return cls(**{**asdict(cls.gpt_oss_20b()), "num_hidden_layers": 36, "num_experts": 128})

    @classmethod
    def from_json(cls, path) -> "ModelConfig":
        """Read a config.json of either layout (a file, or the folder that holds one)."""
        path = Path(path)
        path = path / "config.json" if path.is_dir() else path
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); a checkpoint folder holds a config.json beside its weights."
            ) from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: expected JSON, found something else ({error}); fetch the file again.") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: expected a JSON object with the model's shape, found {type(values).__name__}.")
        try:
            return cls.from_dict(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error} Mend it, or fetch the file again.") from None

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """Build from the keys of either layout; old and new rope keys are both read."""
        given = _flatten(values)
        required = [
            f.name
            for f in fields(cls)
            if f.name not in ("rope_ntk_alpha", "rope_ntk_beta", "swiglu_limit", "rms_norm_eps")
        ]
        missing = [name for name in required if name not in given]
        if missing:
            also = [
                f"{name} (Hugging Face: {HF_KEYS.get(name, ROPE_KEYS.get(name))})"
                if name in HF_KEYS or name in ROPE_KEYS
                else name
                for name in missing
            ]
            raise ConfigError(f"missing key{'s' if len(missing) > 1 else ''} {', '.join(also)}.")
        config = cls(**given)
        _check_hugging_face(values, config)
        return config

    def to_dict(self) -> dict:
        """The keys of `original/config.json`."""
        return asdict(self)

    def to_hf_dict(self, packed: bool = True) -> dict:
        """The keys of the Hugging Face config.json, with the rope keys of transformers 4 (5 reads them too)."""
        values = {HF_KEYS.get(k, k): v for k, v in self.to_dict().items() if k not in ROPE_KEYS}
        values |= {
            "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "attention_bias": True, "attention_dropout": 0.0,
            "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "bfloat16",
            "layer_types": ["sliding_attention" if self.layer_window(i) else "full_attention" for i in range(self.num_hidden_layers)],
            "max_position_embeddings": self.max_context, "rope_theta": self.rope_theta,
            "rope_scaling": {
                "rope_type": "yarn", "factor": self.rope_scaling_factor, "beta_fast": self.rope_ntk_beta,
                "beta_slow": self.rope_ntk_alpha, "original_max_position_embeddings": self.initial_context_length, "truncate": False,
            },
        }  # fmt: skip
        if self.vocab_size == 201_088:  # o200k_harmony: <|return|> ends, <|endoftext|> pads
            values |= {"eos_token_id": 200_002, "pad_token_id": 199_999}
        if packed:
            kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
            values["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": kept}
        return values

    def layer_window(self, layer: int) -> int | None:
        """Keys that a query of this layer may see, itself included: even layers slide, odd ones see all (None)."""
        return self.sliding_window if layer % 2 == 0 else None

    @property
    def max_context(self) -> int:
        """Longest context in tokens: what YaRN stretches the original context to."""
        return int(self.initial_context_length * self.rope_scaling_factor)

    @property
    def qkv_rows(self) -> int:
        return self.head_dim * (self.num_attention_heads + 2 * self.num_key_value_heads)


def _flatten(values: dict) -> dict:
    """Both kinds of config.json to our field names, refusing two different values for one thing."""
    given: dict = {}
    for field in fields(ModelConfig):
        name = field.name
        places = {name: values.get(name), HF_KEYS.get(name, name): values.get(HF_KEYS.get(name, name))}
        if name in ROPE_KEYS:
            places |= {f"{where}.{ROPE_KEYS[name]}": rope.get(ROPE_KEYS[name]) for where, rope in _rope_dicts(values)}
        found = {place: value for place, value in places.items() if value is not None}
        if len(set(map(str, map(_number, found.values())))) > 1:
            raise ConfigError(f"contradictory keys: {' but '.join(f'{k} = {v!r}' for k, v in found.items())}.")
        if found:
            given[name] = next(iter(found.values()))
    return given


def _rope_dicts(values: dict) -> list[tuple[str, dict]]:
    """What stands under transformers 4's and transformers 5's key for RoPE."""
    found = [(key, values[key]) for key in ("rope_scaling", "rope_parameters") if values.get(key) is not None]
    for key, rope in found:
        if not isinstance(rope, dict):
            raise ConfigError(
                f"config key {key!r}: expected an object with factor, beta_fast and so on, found {rope!r}."
            )
    return found


def _number(value):
    return float(value) if isinstance(value, (int, float)) else value


def _check_hugging_face(values: dict, config: ModelConfig) -> None:
    """Refuse what the Hugging Face keys may say but no gpt-oss does: it would load and compute something else."""
    expected: dict = {
        "model_type": "gpt_oss", "tie_word_embeddings": False, "attention_bias": True,
        "max_position_embeddings": config.max_context, "swiglu_alpha": 1.702,
        "layer_types": ["sliding_attention" if config.layer_window(i) else "full_attention" for i in range(config.num_hidden_layers)],
    }  # fmt: skip
    for key, value in expected.items():
        if values.get(key) is not None and values[key] != value:
            raise ConfigError(f"contradictory key {key}: expected {value!r}, found {values[key]!r}.")
    for where, rope in _rope_dicts(values):
        kind = rope.get("rope_type", rope.get("type", "yarn"))
        if kind != "yarn":
            raise ConfigError(f"{where}.rope_type: expected 'yarn', found {kind!r}.")
        if rope.get("truncate", False) is not False:
            raise ConfigError(
                f"{where}.truncate: expected false (gpt-oss does not round YaRN's bounds), found {rope['truncate']!r}."
            )
        for key in ("attention_factor", "mscale", "mscale_all_dim"):
            if rope.get(key) is not None:
                raise ConfigError(
                    f"{where}.{key}: gpt-oss's concentration follows from factor alone, found {rope[key]!r}."
                )
