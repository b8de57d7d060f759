"""Capture what the model computes, change it, compare, and store it."""

from gptoss_edu.trace.analysis import telling_heads, with_heads
from gptoss_edu.trace.answer import question_tokens, trace_answer, trace_conversations
from gptoss_edu.trace.capture import Run, capture, record
from gptoss_edu.trace.compare import compare
from gptoss_edu.trace.file import DamagedTraceError, ForeignTraceError, TraceFileError, TraceVersionError, load, save
from gptoss_edu.trace.importers import from_routed_experts, from_transformers
from gptoss_edu.trace.interventions import (
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
from gptoss_edu.trace.labels import label_tokens, token_kind
from gptoss_edu.trace.levels import LEVELS, bytes_per_token, describe
from gptoss_edu.trace.record import Difference, Trace, difference
from gptoss_edu.trace.unfused import reference_twin, unfused

__all__ = [
    "LEVELS", "DamagedTraceError", "Difference", "ExpertsPerToken", "ForceExpert", "ForeignTraceError", "MaskExpert",
    "Patch", "Run", "SetWindow", "ShiftSink", "Trace", "TraceFileError", "TraceVersionError", "ZeroHeads",
    "bytes_per_token", "capture", "compare", "describe", "difference", "from_routed_experts", "from_transformers",
    "intervene", "label_tokens", "load", "question_tokens", "record", "reference_twin", "save", "telling_heads", "token_kind", "trace_answer", "trace_conversations", "unfused", "values_at", "with_heads",
]  # fmt: skip
