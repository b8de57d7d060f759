"""Wrong solutions of chapter 02, written from its text alone."""

from gptoss_edu.checks.exercises.bpe_encode.bank import BANK as BPE_ENCODE


@BPE_ENCODE.wrong("left_to_right", "always the leftmost pair that is a token, not the lowest rank", unseen=True)
def bpe_encode_1(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    i = 0
    while i + 1 < len(parts):
        if parts[i] + parts[i + 1] in ranks:
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
            i = max(i - 1, 0)
        else:
            i += 1
    return [ranks[p] for p in parts]


@BPE_ENCODE.wrong("longest_match", "greedy longest match", unseen=True)
def bpe_encode_2(text_bytes, ranks):
    out, at = [], 0
    while at < len(text_bytes):
        end = len(text_bytes)
        while text_bytes[at:end] not in ranks:
            end -= 1
        out.append(ranks[text_bytes[at:end]])
        at = end
    return out
