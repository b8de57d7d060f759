"""A desk with a state: look a record up, read the policy, do what it allows, decline what it forbids.

In the manner of Tau-bench (Yao et al. 2024, arXiv:2406.12045), as small as a model of twenty million parameters needs
it: four functions, one to three lines of policy, one record at a time. What counts is the database at the end
(`desk_state.same_state`) and what the user is told.
"""

from __future__ import annotations

import random

from .desk_state import Requirement, play
from .desk_worlds import World
from .example import Draft, call, final, message, result, thought
from .function_calls import compact
from .grammar import Grammar, families
from .json_styles import write_json
from .read_wordings import wordings
from .rules import fill_slots, unknown_sentences

TEXT = wordings("desk")
ROLES, RULE, INSIST, NUMBER, LOOKUP = (
    Grammar(TEXT[name]["patterns"]) for name in ("roles", "rule", "insist", "id", "lookup")
)
ASKS = families(TEXT["asks"], TEXT["parts"])


def write_requirement(rng: random.Random, world: World, rule: Requirement, unseen: bool) -> str:
    called = world.actions[rule.action][2]
    return fill_slots(
        rng,
        RULE.pick(rng, unseen)[1],
        D=called[0].upper() + called[1:],
        d=called,
        cond=rule.condition(),
        contrary=rule.contrary(),
        cond_is=rule.condition().replace(" is ", " must be ", 1),
    )


LEVELS = {"allowed": 5, "forbidden": 5, "lookup": 1.5, "missing": 1, "which": 1, "told": 2, "again": 2, "insists": 2}


def use_desk(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw one request at a desk.

    Levels: "allowed", "forbidden", "lookup" (a question about the record), "missing" (no such record), "which" (the
    user gives no number), "told" (and gives it in a second message), "again" (a second request about the record), and
    "insists" (the user does not accept that it is forbidden). ``check`` holds the desk and its database before and
    after.
    """
    kind = level or rng.choices(list(LEVELS), list(LEVELS.values()))[0]
    world = World(rng, test)
    forbidden = {"forbidden": True, "insists": True, "allowed": False}.get(kind, rng.random() < 0.5)
    action = rng.choice(list(world.actions))
    policy = _policy(rng, world, action, forbidden)
    lines = [write_requirement(rng, world, rule, unseen) for rule in policy]
    ask = _ask(rng, world, action, unseen)
    earlier: list[dict] = []
    dialogue = _Dialogue(rng, world, style, list(zip(policy, lines, strict=True)))
    if kind == "lookup":
        question, turns = _look(rng, world, dialogue, unseen)
    elif kind == "missing":
        world.id = world.new_id(rng, test)
        question, turns = _with_number(rng, world, ask[0], unseen), dialogue.missing()
    elif kind == "which":
        question, turns = ask[0], dialogue.which()
    else:
        question, turns = _with_number(rng, world, ask[0], unseen), dialogue.act(action, ask[1])
        if kind == "told":
            earlier = [message("user", ask[0]), final(f"Which {world.key} do you mean?")]
            question = fill_slots(rng, NUMBER.pick(rng, unseen)[1], k=world.key, K=world.key.capitalize(), id=world.id)
        elif kind == "again":
            before, spoken = _look(rng, world, _Dialogue(rng, world, "low", []), unseen)
            earlier = [message("user", before), *spoken]
            question = f"{rng.choice(('And', 'Then', 'Good. Now', 'Thanks. And now', 'OK.'))} {ask[0]}"
        elif kind == "insists":
            earlier = [message("user", question), *[turn for turn in turns if turn.get("channel") != "analysis"]]
            question, turns = INSIST.pick(rng, unseen)[1], dialogue.stand(turns[-1]["content"][0]["text"])
    answer = turns[-1]["content"][0]["text"]
    done = kind not in ("lookup", "missing", "which", "insists")
    check = {"desk": world.desk, "before": world.database, "after": dialogue.after if done else world.database}
    return Draft(
        question, answer, None, answer, "dialogue", kind, turns=turns, instructions=_instructions(rng, lines, unseen),
        functions=world.functions(rng), earlier=earlier or None, check=check,
    )  # fmt: skip


def _policy(rng: random.Random, world: World, action: str, forbidden: bool) -> list[Requirement]:
    """Draw two or three rules; those about the action allow it, or, where ``forbidden``, one of them does not."""
    while True:
        about = [action] * (1 if forbidden else rng.choice((0, 1, 1))) + [rng.choice(list(world.actions))]
        about += [rng.choice(list(world.actions))] * rng.choice((0, 0, 1))
        rules = [world.requirement(rng, name) for name in about]
        rng.shuffle(rules)
        broken = [rule for rule in rules if rule.action == action and not rule.holds(world.database[world.id])]
        if len(broken) == forbidden and len({(rule.action, rule.field) for rule in rules}) == len(rules):
            return rules


def _instructions(rng: random.Random, lines: list[str], unseen: bool) -> str:
    head = [fill_slots(rng, ROLES.pick(rng, unseen)[1])] if rng.random() < 0.8 else []
    head += unknown_sentences(rng, rng.choice((0, 0, 0, 1)), unseen)
    form = rng.choice(("{}", "- {}", "{}", "* {}"))
    return "\n".join((*head, rng.choice(TEXT["roles"]["policy"]), *(form.format(line) for line in lines)))


def _ask(rng: random.Random, world: World, action: str, unseen: bool) -> tuple[str, object]:
    """Return (what the user wants, without the number; the new value)."""
    value = world.value(rng, action)
    name = action if action in ASKS else action.split("_")[0]
    return fill_slots(rng, ASKS[name].pick(rng, unseen)[1], v=str(value)), value


def _with_number(rng: random.Random, world: World, text: str, unseen: bool) -> str:
    number = fill_slots(rng, NUMBER.pick(rng, unseen)[1], k=world.key, K=world.key.capitalize(), id=world.id)
    return f"{text} {number}" if rng.random() < 0.6 or number[0] == "(" else f"{number} {text}"


def _look(rng: random.Random, world: World, dialogue: _Dialogue, unseen: bool) -> tuple[str, list[dict]]:
    """Return (a question about one field of the record, the turns that answer it)."""
    field = rng.choice(list(world.fields))
    wording = LOOKUP.pick(rng, unseen)[1]
    return fill_slots(rng, wording, f=field, k=world.key, K=world.key.capitalize(), id=world.id), dialogue.lookup(field)


class _Dialogue:
    """The turns of the assistant and of the tools at one desk; ``after`` is the database when all calls are done."""

    def __init__(self, rng: random.Random, world: World, style: str, policy: list[tuple[Requirement, str]]):
        self.rng, self.world, self.style, self.policy = rng, world, style, policy
        self.after = world.database

    def _think(self, medium: str, high: str) -> list[dict]:
        return [] if self.style == "low" else [thought(medium if self.style == "medium" else high)]

    def _call(self, name: str, arguments: dict) -> list[dict]:
        out, self.after = play(self.world.desk, self.after, name, arguments)
        return [call(f"functions.{name}", compact(arguments)), result(f"functions.{name}", write_json(self.rng, out))]

    def _open(self) -> list[dict]:
        world = self.world
        said = self._think(f"Look up {world.id}.", f"I look up {world.key} {world.id} before I do anything.")
        return [*said, *self._call(world.get, {world.key: world.id})]

    def lookup(self, field: str) -> list[dict]:
        value = self.world.database[self.world.id][field]
        turns = self._open() + self._think(f"{field}: {value}.", f"The {field} is {value}. I say it.")
        return [*turns, final(f"The {field} of {self.world.key} {self.world.id} is {value}.")]

    def missing(self) -> list[dict]:
        said = self._think("Not found.", f"There is no {self.world.key} {self.world.id}. I say so and change nothing.")
        turns = [*self._open(), *said]
        return [*turns, final(f"I cannot find {self.world.key} {self.world.id}.")]

    def which(self) -> list[dict]:
        said = self._think("The number is missing.", f"The user does not say which {self.world.key}. I ask.")
        return [*said, final(f"Which {self.world.key} do you mean?")]

    def act(self, action: str, value) -> list[dict]:
        """Look up, check each rule about the action, then do it or decline with the first rule that does not hold."""
        world = self.world
        held = world.database[world.id]
        rules = [(rule, line) for rule, line in self.policy if rule.action == action]
        checks = [
            f"{rule.field} {held[rule.field]}, {rule.condition()}: {'yes' if rule.holds(held) else 'no'}."
            for rule, _ in rules
        ]
        longer = [
            f"A rule about {world.actions[action][2]}: it is possible only if {rule.condition()}. The {rule.field} is "
            f"{held[rule.field]}, so the rule {'allows it' if rule.holds(held) else 'forbids it'}."
            for rule, _ in rules
        ]
        broken = next((line for rule, line in rules if not rule.holds(held)), None)
        end = "I decline and change nothing." if broken else f"I call {action}."
        none = f"No rule is about {world.actions[action][2]}."
        turns = self._open() + self._think(" ".join(checks) or "No rule.", " ".join((*(longer or [none]), end)))
        if broken:
            return [*turns, final(f"I cannot do that. {broken}")]
        field, to, _, sentence = world.actions[action]
        arguments = {world.key: world.id, **({field: value} if to == "argument" else {})}
        turns += self._call(action, arguments) + self._think("Done.", "It is done. I tell the user.")
        key = world.key[0].upper() + world.key[1:]
        return [*turns, final(fill_slots(self.rng, sentence, k=key, id=world.id, v=str(value)))]

    def stand(self, declined: str) -> list[dict]:
        said = self._think("The policy holds.", "The user insists, but the policy is the developer's. I keep it.")
        return [*said, final(declined)]
