"""Wrong solutions of chapter 14, written from its text alone."""

from gptoss_edu.checks.exercises.own.allowed_tokens import BANK as ALLOWED_TOKENS
from gptoss_edu.checks.exercises.own.masked_probabilities import BANK as MASKED_PROBABILITIES


@MASKED_PROBABILITIES.wrong("one masked", "forbidden logits become 0", unseen=True)
def masked_probabilities_1(logits, allowed):
    return (logits * allowed).softmax(-1)


@MASKED_PROBABILITIES.wrong("one masked", "masked after the softmax, not normalised again", unseen=True)
def masked_probabilities_2(logits, allowed):
    return logits.softmax(-1) * allowed


@ALLOWED_TOKENS.wrong("inside a word", "the token itself must be a word, the prefix is ignored", unseen=True)
def allowed_tokens_1(prefix, vocabulary, words):
    return [any(w.startswith(t) for w in words) if t != "<|return|>" else prefix in words for t in vocabulary]
