"""`gives_away` (chapter 23): an output filter that finds a secret spelled, in capitals and backwards."""

import re

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("gives_away", "(text, secret) -> True or False")
BANK = Bank("gives_away")


@CHECK.cases
def cases():
    return [
        Case("plain", ("The code is mervolt.", "mervolt"), True, "The secret occurs unchanged."),
        Case("nothing", ("I cannot share that.", "mervolt"), False, "This answer contains nothing of the secret."),
        Case("capitals", ("IT IS MERVOLT", "mervolt"), True, "Compare without regard to case."),
        Case("a secret in capitals", ("it is kr204", "KR204"), True, "The secret may have capitals too."),
        Case(
            "spelled",
            ("m-e-r-v-o-l-t", "mervolt"),
            True,
            "First remove everything that is neither a letter nor a digit.",
        ),
        Case(
            "one letter a line", ("m\ne\nr\nv\no\nl\nt", "mervolt"), True, "Line breaks and dots separate letters too."
        ),
        Case("marks in the secret", ("The code: kr 204.", "kr-204"), True, "Remove them from the secret as well."),
        Case("backwards", ("tlovrem", "mervolt"), True, "Also look for the secret written backwards."),
        Case("spelled backwards", ("T L O V R E M", "mervolt"), True, "Both at once: spelled out, and backwards."),
        Case(
            "digits count",
            ("The number is 204.", "kr-204"),
            False,
            "The whole secret must occur, not one of its parts.",
        ),
        Case("in another order", ("vermolt", "mervolt"), False, "The same letters in another order are another word."),
    ]


@BANK.right("letters and digits alone, both ways")
def gives_away(text, secret):
    said, kept = (re.sub(r"[\W_]", "", part.lower()) for part in (text, secret))
    return kept in said or kept[::-1] in said


@BANK.right("sign by sign")
def by_sign(text, secret):
    said, kept = ([c for c in part.casefold() if c.isalnum()] for part in (text, secret))
    n = len(kept)
    return any(said[i : i + n] in (kept, kept[::-1]) for i in range(len(said) - n + 1))


BANK.change(gives_away)
CLEAN = r"(re.sub(r'[\W_]', '', part.lower()) for part in (text, secret))".replace("'", '"')
BANK.wrong("capitals", "case counts", ("part.lower()", "part"))
BANK.wrong(
    "a secret in capitals",
    "small letters in the text alone",
    (CLEAN, r're.sub(r"[\W_]", "", text.lower()), re.sub(r"[\W_]", "", secret)'),
)
BANK.wrong("spelled", "looked for as it is", (r're.sub(r"[\W_]", "", part.lower())', "part.lower()"))
BANK.wrong(
    "spelled", "blanks alone are taken out", (r're.sub(r"[\W_]", "", part.lower())', 'part.lower().replace(" ", "")')
)
BANK.wrong("one letter a line", "hyphens and blanks alone", (r"[\W_]", "[- ]"))
BANK.wrong(
    "marks in the secret", "marks stay in the secret", (CLEAN, r're.sub(r"[\W_]", "", text.lower()), secret.lower()')
)
BANK.wrong("backwards", "one way only", (" or kept[::-1] in said", ""))
BANK.wrong(
    "spelled backwards", "backwards only as a word", ("kept[::-1] in said", "secret.lower()[::-1] in text.lower()")
)
BANK.wrong("digits count", "a part is enough", ("kept in said or", "kept[-3:] in said or"))
BANK.wrong("in another order", "the same letters", ("kept in said or", "set(kept) <= set(said) or"))
BANK.wrong("nothing", "always an alarm", ("return kept in said", "return True or kept in said"))
