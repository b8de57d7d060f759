"""The result of a check, as a cell shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .display import Why, box, folded, inline


@dataclass(frozen=True)
class Result:
    """The result of a check.

    Attributes: `passed`; `status`, one of "passed", "failed", "error", "package", "not written yet"; `message`,
    symptom and place first, then the cause; `symptom`; `stage`, the stage that refused; `stages`, names of the stages
    passed; `cause_id`, the cause's identifier if it is certain, else ""; `suspects`, possible causes if none is
    certain; `stored`, the file with the function, if any; `remark`, why it could not be stored. `why()` gives the
    cause.
    """

    check: str
    status: str
    symptom: str = ""
    cause: str = ""
    cause_id: str = ""
    stage: str = ""
    stages: tuple[str, ...] = ()
    total: int = 0
    picture: str | None = field(default=None, repr=False)
    stored: str | None = None
    remark: str = ""
    suspects: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def message(self) -> str:
        if self.passed:
            return f"{self.check}: passed, all {self.total} stages ({', '.join(self.stages)})"
        if self.status == "not written yet":
            return f"{self.check}: not written yet"
        return f"{self.symptom}\nWhy: {self.cause}"

    def why(self) -> Why:
        """Return the cause, in words; for a passed check, what was tested."""
        if self.passed:
            return Why(f"Nothing to explain: {self.check} agrees with the reference in all {self.total} stages.")
        if self.status == "not written yet":
            return Why("The function still raises NotImplementedError. Write its body and run the check again.")
        return Why(self.cause)

    def __repr__(self) -> str:
        if self.passed:
            stored = f"\n  stored in {self.stored}" if self.stored else ""
            return f"{self.message}{stored}" + (f"\n  {self.remark}" if self.remark else "")
        if self.status == "not written yet":
            return self.message
        done = f"{len(self.stages)} of {self.total} stages passed; refused at: {self.stage}"
        rule = self.cause.startswith("The rule of ")
        what = "the rule" if rule else "the cause" if self.cause_id else "a hint"
        return f"{self.check}: {done}\n  {self.symptom}\n  (.why() gives {what})"

    def _repr_html_(self) -> str:
        if self.passed:
            body = f"<div>{len(self.stages)} stages: {inline(', '.join(self.stages))}</div>"
            if self.stored:
                body += f"<div>stored in <code>{inline(self.stored)}</code></div>"
            if self.remark:
                body += f"<div>{inline(self.remark)}</div>"
            return box(f"{self.check}: passed", body, "passed")
        if self.status == "not written yet":
            return box(
                f"{self.check}: not written yet",
                "<div>Write the function above, then run this cell again.</div>",
                "waiting",
            )
        body = f"<div>{len(self.stages)} of {self.total} stages passed; refused at: <i>{inline(self.stage)}</i></div>"
        body += f'<div style="margin:.3em 0">{inline(self.symptom)}</div>'
        body += self.picture or ""
        body += folded("Why?", f"<div>{inline(self.cause)}</div>")
        return box(f"{self.check}: not yet", body, "failed")
