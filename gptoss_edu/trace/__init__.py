"""Capture what the model computes, change it, compare, and store it."""

from gptoss_edu.fast.unfused import reference_twin, unfused
from gptoss_edu.harmony.question import question_tokens

from .analysis import telling_heads, with_heads
from .ask import trace_answer, trace_conversations
from .capture import Run, capture, record
from .file import DamagedTraceError, ForeignTraceError, TraceFileError, TraceVersionError, load, save
from .importers import from_routed_experts, from_transformers
from .interventions import (
    ExpertsPerToken,
    ForceExpert,
    MaskExpert,
    Patch,
    SetWindow,
    ShiftSink,
    ZeroHeads,
    intervene,
    values_at,
)
from .labels import label_tokens, token_kind
from .levels import LEVELS, bytes_per_token, describe
from .record import Difference, Trace, difference
from .what_changed import compare

__all__ = [
    "LEVELS",
    "DamagedTraceError",
    "Difference",
    "ExpertsPerToken",
    "ForceExpert",
    "ForeignTraceError",
    "MaskExpert",
    "Patch",
    "Run",
    "SetWindow",
    "ShiftSink",
    "Trace",
    "TraceFileError",
    "TraceVersionError",
    "ZeroHeads",
    "bytes_per_token",
    "capture",
    "compare",
    "describe",
    "difference",
    "from_routed_experts",
    "from_transformers",
    "intervene",
    "label_tokens",
    "load",
    "question_tokens",
    "record",
    "reference_twin",
    "save",
    "telling_heads",
    "token_kind",
    "trace_answer",
    "trace_conversations",
    "unfused",
    "values_at",
    "with_heads",
]
