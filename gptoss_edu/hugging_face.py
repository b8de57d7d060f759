"""Read a Hugging Face config.json as transformers does, including its defaults, or refuse the key by name.

A missing key means transformers' default, and a different default would silently compute other logits. `as_read` fills
in transformers' defaults; `refuse_what_differs` refuses what no gpt-oss does. As in the released files, keys of both
kinds of config may be present together if they agree.

Source: transformers 5, models/gpt_oss/configuration_gpt_oss.py and modeling_rope_utils.py.
"""

from .errors import ConfigError

KEYS = {  # ours -> Hugging Face's, where they differ
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
MARKS = ("model_type", "architectures", "transformers_version", "num_local_experts", "num_experts_per_tok",
         "rope_scaling", "rope_parameters", "max_position_embeddings", "layer_types")  # fmt: skip
ABSENT = {  # transformers' value for a missing key
    "num_experts_per_tok": 4, "head_dim": 64, "num_key_value_heads": 8, "sliding_window": 128, "rms_norm_eps": 1e-5,
    "swiglu_limit": 7.0, "max_position_embeddings": 131_072,
}  # fmt: skip
ABSENT_ROPE = {
    "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
    "original_max_position_embeddings": 4096,
}  # fmt: skip
THETA = 150_000.0
MAY_BE_NULL = ("layer_types", "rope_parameters", "rope_scaling")
READ = (
    *ABSENT,
    *KEYS.values(),
    "num_hidden_layers",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "rope_theta",
    "swiglu_alpha",
    "attention_bias",
    "tie_word_embeddings",
    "model_type",
)


def is_hugging_face(values: dict) -> bool:
    """Return whether a config has a key that only Hugging Face configs have."""
    return any(key in values for key in MARKS)


def rope_dicts(values: dict) -> list[tuple[str, dict]]:
    """Return the values of transformers 4's and transformers 5's keys for RoPE.

    Raises
    ------
    ConfigError : one of them is not an object.
    """
    found = [(key, values[key]) for key in ("rope_scaling", "rope_parameters") if values.get(key) is not None]
    for key, rope in found:
        if not isinstance(rope, dict):
            raise ConfigError(
                f"config key {key!r}: expected an object with factor, beta_fast and so on, found {rope!r}."
            )
    return [(key, rope) for key, rope in found if rope or key == "rope_parameters"]  # an empty rope_scaling is ignored


def as_read(values: dict) -> dict:
    """Return the config with transformers' values for keys that are missing or null.

    Raises
    ------
    ConfigError : a key is null where gpt-oss needs a value.
    """
    for key in READ:
        if key in values and values[key] is None and key not in MAY_BE_NULL:
            raise ConfigError(f"config key {key!r}: expected a value or no such key, found null.")
    full = ABSENT | {key: value for key, value in values.items() if value is not None}
    ropes = rope_dicts(values)
    if not ropes:
        full["rope_parameters"] = ABSENT_ROPE
    for key, rope in ropes[:1]:  # if both are given, transformers uses rope_scaling
        full[key] = _rope_as_read(key, rope, full)
    if not any("rope_theta" in rope for _, rope in ropes):
        full.setdefault("rope_theta", THETA)
    return full


def _rope_as_read(where: str, rope: dict, values: dict) -> dict:
    """Return YaRN's numbers with transformers' defaults; `values` is the whole config."""
    filled = {key: value for key, value in rope.items() if value is not None}
    original = values.get("original_max_position_embeddings", values["max_position_embeddings"])
    filled.setdefault("original_max_position_embeddings", original)
    for key in ("beta_fast", "beta_slow"):
        filled.setdefault(key, ABSENT_ROPE[key])
    if "factor" in rope and rope["factor"] is None:
        try:
            filled["factor"] = values["max_position_embeddings"] / filled["original_max_position_embeddings"]
        except (TypeError, ZeroDivisionError):
            raise ConfigError(f"{where}.factor: found null, and no pair of contexts to compute it from.") from None
    return filled


def refuse_other_ropes(values: dict) -> None:
    """Raise ConfigError for a kind of RoPE that no gpt-oss has."""
    for where, rope in rope_dicts(values):
        _refuse_rope(where, rope)


def refuse_what_differs(values: dict, sliding: list[bool], max_context: int) -> None:
    """Refuse values that are legal but that no gpt-oss has; the model would load and compute something else.

    Parameters
    ----------
    values : the config as in the file. sliding : for each layer, whether it has a window.
    max_context : the context that YaRN stretches to.

    Raises
    ------
    ConfigError : names the key, what was expected and what was found.
    """
    layers = ["sliding_attention" if window else "full_attention" for window in sliding]
    expected: dict = {
        "model_type": "gpt_oss", "tie_word_embeddings": False, "attention_bias": True, "swiglu_alpha": 1.702,
        "layer_types": layers, "partial_rotary_factor": 1.0,
    }  # fmt: skip
    ropes = rope_dicts(values)
    if not ropes or any("original_max_position_embeddings" in rope for _, rope in ropes):
        expected["max_position_embeddings"] = max_context
    for key, value in expected.items():
        if values.get(key) is not None and values[key] != value:
            raise ConfigError(f"contradictory key {key}: expected {value!r}, found {values[key]!r}.")


def _refuse_rope(where: str, rope: dict) -> None:
    kind = rope.get("rope_type", rope.get("type"))
    if kind != "yarn":
        found = "no rope_type, which transformers reads as 'default'" if kind is None else repr(kind)
        raise ConfigError(f"{where}.rope_type: expected 'yarn', found {found}.")
    if rope.get("truncate") is not False:
        found = "no such key, which transformers reads as true" if "truncate" not in rope else repr(rope["truncate"])
        raise ConfigError(
            f"{where}.truncate: expected false (gpt-oss does not round YaRN's bounds), found {found}; "
            f'where the model was trained with exact bounds, write "truncate": false.'
        )
    for key in ("attention_factor", "mscale", "mscale_all_dim"):
        if rope.get(key) is not None:
            raise ConfigError(f"{where}.{key}: gpt-oss's concentration follows from factor alone, found {rope[key]!r}.")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise ConfigError(
            f"{where}.partial_rotary_factor: expected 1.0 (gpt-oss rotates whole heads), found"
            f" {rope['partial_rotary_factor']!r}."
        )
    for layers in ("sliding_attention", "full_attention"):
        if layers in rope:
            raise ConfigError(f"{where}.{layers}: expected one RoPE for all layers, found one per kind of layer.")
