"""Test fine-tuning: the loss counts the tokens that the renderer marks, gradients equal transformers', runs resume."""

import json
import random
import re

import pytest
import torch
from core_models import as_transformers

from gptoss_edu import generate, load_model
from gptoss_edu.checkpoint import save
from gptoss_edu.cli import main
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import Conversation, render
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.example import RIGHT, WRONG, final, message, system, thought
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.training import finetune as fine
from gptoss_edu.training.conversations import Row, Rows, as_row, padded, pieces, read_conversations, world
from gptoss_edu.training.finetune import Finetuner, Recipe, conversation_loss, finetune, prepare
from gptoss_edu.training.quantize import EXPERTS, rounded
from gptoss_edu.transformer import random_model

SMALL = ModelConfig(
    num_hidden_layers=2, num_experts=4, experts_per_token=2, vocab_size=2048, hidden_size=32, intermediate_size=32,
    head_dim=16, num_attention_heads=2, num_key_value_heads=1, sliding_window=16, initial_context_length=256,
    rope_theta=1e4, rope_scaling_factor=8.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer(data_path("gpt-oss-tiny"))


def talk(question: str, answer: str, thinks: str | None = None) -> dict:
    said = [thought(thinks)] if thinks else []
    return {"messages": [system("low"), message("user", question), *said, final(answer)]}


TALKS = [talk(f"What is {i}?", f"It is {i * i}.", "square" * (i % 3) or None) for i in range(5)]


def small(encoding):
    model = random_model(SMALL, seed=3)
    model.tokenizer = encoding
    return model.requires_grad_(False)


def rows_of(encoding, talks=TALKS):
    return [as_row(one, encoding, 500) for one in talks]


# ------------------------------------------------------------------------------------------------ what is learnt


def test_what_the_assistant_samples_is_learnt_and_nothing_else(encoding):
    row = as_row(talk("Hi?", "Yes.", "think"), encoding, 500)
    learnt = encoding.decode([t for t, own in zip(*row, strict=True) if own])
    assert (
        learnt
        == "<|channel|>analysis<|message|>think<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>"
    )
    assert row.tokens == render(
        Conversation.from_dict(talk("Hi?", "Yes.", "think")),
        None,
        encoding,
        drop_analysis="finished_turns",
        training=True,
    )


def test_of_a_finished_turn_whose_thought_is_dropped_nothing_is_learnt(encoding):
    first, second = talk("One?", "1.", "first thought"), talk("Two?", "2.", "second thought")
    row = as_row({"messages": first["messages"] + second["messages"][1:]}, encoding, 500)
    learnt = encoding.decode([t for t, own in zip(*row, strict=True) if own])
    assert "second thought" in learnt and "1." not in learnt and "first thought" not in encoding.decode(row.tokens)


def test_padding_pieces_and_lengths_change_no_loss(encoding):
    """Compare with the mean over all counted tokens, computed conversation by conversation without padding."""
    model, rows = random_model(SMALL, seed=1), rows_of(encoding)
    total, count = 0.0, 0
    for row in rows:
        logits = model(torch.tensor([row.tokens]))[0].log_softmax(-1)
        for i, (token, own) in enumerate(zip(row.tokens[1:], row.trained[1:], strict=True)):
            total, count = total - logits[i, token].item() * own, count + own
    with torch.no_grad():
        assert conversation_loss(model, rows).item() == pytest.approx(total / count, rel=1e-5)
    cut = pieces(rows, most=150)
    assert len(cut) > 1 and sorted(id(row) for piece in cut for row in piece) == sorted(map(id, rows))
    assert all(len(p) == 1 or max(len(r.tokens) for r in p) * len(p) <= 150 for p in cut)


@pytest.mark.slow
def test_gradients_equal_transformers(encoding):
    """Compare with GptOssForCausalLM on the same rows, with label -100 where nothing counts, to 1e-4 of each scale."""
    model, rows = random_model(SMALL, seed=2), rows_of(encoding)
    theirs = as_transformers(model)
    tokens, _, lengths = padded(rows)
    labels = torch.full_like(tokens, -100)
    for i, row in enumerate(rows):
        own = torch.tensor(row.trained)
        labels[i, : len(own)][own] = tokens[i, : len(own)][own]
    theirs(
        tokens, attention_mask=(torch.arange(tokens.shape[1]) < lengths[:, None]).long(), labels=labels
    ).loss.backward()
    conversation_loss(model, rows).backward()
    grads = {name: p.grad for name, p in theirs.named_parameters()}
    for i, block in enumerate(model.block):
        at = f"model.layers.{i}."
        qkv = [grads[f"{at}self_attn.{letter}_proj.weight"] for letter in "qkv"]
        pairs = [
            (block.attn.qkv.weight, torch.cat(qkv)),
            (block.attn.sinks, grads[at + "self_attn.sinks"]),
            (block.attn.out.weight, grads[at + "self_attn.o_proj.weight"]),
            (block.mlp.gate.weight, grads[at + "mlp.router.weight"]),
            (block.mlp.mlp1_weight, grads[at + "mlp.experts.gate_up_proj"].mT),
            (block.mlp.mlp2_weight, grads[at + "mlp.experts.down_proj"].mT),
            (block.mlp.mlp2_bias, grads[at + "mlp.experts.down_proj_bias"]),
        ]
        for ours, expected in pairs:
            assert expected.abs().max() > 0
            assert (ours.grad - expected).abs().max() < 1e-4 * expected.abs().max()
    assert torch.allclose(model.embedding.weight.grad, grads["model.embed_tokens.weight"], rtol=1e-3, atol=1e-7)


def test_a_rounded_forward_is_the_stored_model_and_the_gradient_reaches_the_weights(encoding):
    model, rows = small(encoding), rows_of(encoding)
    prepare(model, Recipe(train=("experts",), rounding="best"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith(EXPERTS):
                parameter.copy_(parameter.to(torch.bfloat16))
    loss = conversation_loss(model, rows, "best")
    with torch.no_grad():
        assert loss.item() == pytest.approx(conversation_loss(rounded(model, "best"), rows).item(), abs=1e-6)
        assert abs(loss.item() - conversation_loss(model, rows).item()) > 1e-4, "rounding changes nothing here"
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters() if p.requires_grad)


# ------------------------------------------------------------------------------------------------ a run


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(steps=6, rows=4, rate=1e-2, replay=0.5),
        Recipe(steps=6, rows=3, rate=1e-2, train=("experts",), rounding="best"),
        Recipe(steps=6, rows=2, rate=1e-2, train=("attention", "experts"), lora=2),
    ],
    ids=["full, replay", "rounded experts", "adapters"],
)
def test_a_resumed_run_equals_an_unbroken_one(tmp_path, encoding, recipe):
    old = [talk(f"Old {i}?", "Old.") for i in range(7)]
    whole = Finetuner(small(encoding), TALKS, recipe, None, old)
    whole.run()
    Finetuner(small(encoding), TALKS, recipe, tmp_path, old).run(until=2)
    Finetuner(small(encoding), TALKS, recipe, tmp_path, old).run(until=5)
    resumed = Finetuner(small(encoding), TALKS, recipe, tmp_path, old)
    assert resumed.step == 5
    resumed.run()
    assert resumed.log == whole.log and len(whole.log) == 6
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == whole.log


def test_only_what_was_named_moves_and_the_loss_falls(encoding):
    model, before = small(encoding), small(encoding).state_dict()
    log = finetune(model, TALKS, Recipe(steps=15, rows=5, rate=1e-2, train=("block.1.mlp.mlp*_weight", "router")))
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    router = {f"block.{i}.mlp.gate.{end}" for i in (0, 1) for end in ("weight", "bias")}
    assert moved == router | {"block.1.mlp.mlp1_weight", "block.1.mlp.mlp2_weight"}
    assert not any(p.requires_grad for p in model.parameters())


def test_recomputing_changes_no_number(encoding):
    logs = [finetune(small(encoding), TALKS, Recipe(steps=3, rate=1e-2, recompute=how)) for how in (False, True)]
    assert logs[0] == logs[1]


def test_a_model_that_has_answered_is_trained_like_one_that_has_not(encoding):
    logs = []
    for answers in (False, True):
        model = small(encoding)
        if answers:
            next(generate(model, [1, 2, 3], max_new_tokens=1))
        logs.append(finetune(model, TALKS, Recipe(steps=2, rate=1e-2)))
        next(generate(model, [1, 2, 3], max_new_tokens=1))
    assert logs[0] == logs[1]


def test_every_conversation_is_read_once_a_round_and_replay_takes_its_share(encoding):
    rows = Rows(TALKS, encoding, rows=3, seed=1, replay=[talk("Old?", "Old.")], share=1 / 3)
    assert (rows.new, rows.old) == (2, 1)
    read = [rows.at(step) for step in range(10)]
    assert all("Old?" in encoding.decode(at[-1].tokens) for at in read)
    new = [encoding.decode(row.tokens) for at in read for row in at[:2]]
    assert all(len(set(new[i : i + 5])) == 5 for i in range(0, 20, 5))
    assert read[3] == Rows(TALKS, encoding, rows=3, seed=1, replay=[talk("Old?", "Old.")], share=1 / 3).at(3)


def test_the_replayed_world_shows_injected_errors_and_does_not_teach_them(encoding):
    draw = world(encoding)
    for number in range(200):
        example = make_example(random.Random(f"r{number}"))
        row = draw(random.Random(f"r{number}"))
        text = encoding.decode(row.tokens)
        assert WRONG not in text and RIGHT not in text
        for said in (m["content"][0].get("text", "") for m in example.messages[example.prompt :]):
            if WRONG in said:
                wrong = said[said.index(WRONG) + 1 : said.index(RIGHT)]
                kept = encoding.decode([t for t, own in zip(*row, strict=True) if not own])
                assert wrong in kept
                return
    pytest.fail("no example with an injected error among 200")


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "how, said",
    [
        ({"train": ("gate_up_proj",)}, "pattern 'gate_up_proj': expected it to match some of the .* parameters"),
        ({"train": ("experts", "block.7.*")}, "pattern 'block.7.*': expected it to match"),
        ({"train": ("expert",)}, "did you mean 'experts'"),
        ({"train": ("norms",), "lora": 2}, "weights that can have an adapter"),
        ({"train": ()}, "at least one pattern"),
        ({"train": ("attention",), "rounding": "best"}, "expected experts among the trained weights"),
    ],
    ids=str,
)
def test_a_recipe_that_would_train_less_than_it_says_is_refused(encoding, how, said):
    """A pattern that matches no weight would silently leave the experts untrained.

    Report: unslothai/unsloth 3405.
    """
    with pytest.raises(GptOssError, match=said):
        Finetuner(small(encoding), TALKS, Recipe(**how))


@pytest.mark.parametrize(
    "how",
    [{"steps": 0}, {"rows": 0}, {"rate": 0.0}, {"decay": 2}, {"rounding": "x"}, {"lora": 2, "rounding": "best"}],
    ids=str,
)  # fmt: skip
def test_settings_that_make_no_run_are_refused(how):
    with pytest.raises(GptOssError, match="finetune: expected"):
        Recipe(**how)


def test_data_that_teaches_nothing_or_does_not_fit_is_refused(tmp_path, encoding):
    with pytest.raises(GptOssError, match="conversation 1: expected tokens of the assistant"):
        Rows([{"messages": [system("low"), message("user", "Hi?")]}], encoding, 1)
    with pytest.raises(GptOssError, match="conversation 2: expected at most 60 tokens"):
        Rows([talk("?", "!"), talk("long " * 50, "!")], encoding, 1, longest=60)
    with pytest.raises(GptOssError, match="expected at least one conversation"):
        Rows([], encoding, 1)
    with pytest.raises(GptOssError, match=r"found a share of 0\.5 and no source"):
        Rows(TALKS, encoding, 4, share=0.5)
    for text, said in (
        ("", "found no conversation"),
        ('{"a": 1}', "number 1 without `messages`"),
        ('{"messages": []}\nx', "line 2"),
    ):
        (tmp_path / "talk.jsonl").write_text(text)
        with pytest.raises(GptOssError, match=said):
            read_conversations(tmp_path / "talk.jsonl")
    with pytest.raises(GptOssError, match=r"float32, found torch\.bfloat16"):
        Finetuner(small(encoding).to(torch.bfloat16), TALKS, Recipe())


@pytest.mark.parametrize(
    "said, why",
    [
        ({"content": "Yes."}, "message 2, of the assistant: expected a channel .* found none; .* 'final'"),
        ({"content": "Yes.", "channel": "thoughts"}, "expected a channel of analysis, commentary, final, found 'tho"),
        ({"content": "Yes.", "channel": "final", "thinking": "Hm."}, "'thinking', .* with the channel 'analysis'"),
        ({"content": None, "tool_calls": [{"type": "function"}]}, "'tool_calls', .* with the channel 'commentary'"),
    ],
    ids=["no channel", "unknown channel", "thinking", "tool calls"],
)
def test_what_other_formats_write_is_refused_and_not_learnt_in_another_form(encoding, said, why):
    with pytest.raises(GptOssError, match=f"conversation 1: .*{why}"):
        Rows([{"messages": [message("user", "Hi?"), {"role": "assistant", **said}]}], encoding, 1)


def test_the_channels_are_those_of_the_system_message(encoding):
    head = system("low")
    (content,) = head["content"]
    named = {"valid_channels": ["final", "sketch"], "channel_required": True}
    drawn = {"role": "assistant", "channel": "sketch", "content": "o-o"}
    allowed = {**head, "content": [{**content, "channel_config": named}]}
    assert as_row({"messages": [allowed, message("user", "Draw."), drawn]}, encoding, 500).tokens
    with pytest.raises(GptOssError, match="found 'sketch'"):
        as_row({"messages": [head, message("user", "Draw."), drawn]}, encoding, 500)


def test_the_data_are_described(encoding):
    lengths = [len(row.tokens) for row in rows_of(encoding)]
    rows = Rows(TALKS, encoding, 2)
    counted = sum(sum(row.trained) for row in rows.own)
    assert rows.longest_own == max(lengths)
    assert str(rows) == (
        f"data: 5 conversations, the shortest of {min(lengths)} and the longest of {max(lengths)} tokens; {counted} of "
        f"{sum(lengths)} tokens count in the loss"
    )


def test_lines_and_a_list_are_read_alike(tmp_path):
    (tmp_path / "a").write_text("\n".join(map(json.dumps, TALKS)) + "\n\n")
    (tmp_path / "b").write_text(json.dumps(TALKS))
    (tmp_path / "c").write_text(json.dumps(TALKS[0]))
    assert read_conversations(tmp_path / "a") == read_conversations(tmp_path / "b") == TALKS
    assert read_conversations(tmp_path / "c") == TALKS[:1]


def test_a_run_with_other_settings_or_a_damaged_checkpoint_is_refused(tmp_path, encoding):
    Finetuner(small(encoding), TALKS, Recipe(steps=3, rows=2), tmp_path).run(until=1)
    with pytest.raises(GptOssError, match=r"the same rate, found rate = 0\.0001, not 0\.001; choose another folder"):
        Finetuner(small(encoding), TALKS, Recipe(steps=3, rows=2, rate=1e-3), tmp_path)
    with pytest.raises(GptOssError, match="began with these conversations, found"):
        Finetuner(small(encoding), TALKS[1:], Recipe(steps=3, rows=2), tmp_path)
    other = small(encoding)
    with torch.no_grad():
        other.norm.scale.add_(1.0)
    with pytest.raises(GptOssError, match="began with this model, found"):
        Finetuner(other, TALKS, Recipe(steps=3, rows=2), tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(GptOssError, match="expected the checkpoint of a run"):
        Finetuner(small(encoding), TALKS, Recipe(steps=3, rows=2), tmp_path)


def test_a_gradient_that_is_not_finite_ends_the_run(encoding):
    model = small(encoding)
    with torch.no_grad():
        model.norm.scale[0] = torch.inf
    with pytest.raises(GptOssError, match="expected a finite gradient at step 1"):
        finetune(model, TALKS, Recipe(steps=2, rows=2))


# ------------------------------------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoding):
    """Write a small checkpoint and a file of conversations."""
    place = tmp_path_factory.mktemp("finetune")
    save(small(encoding), place / "small", "original", "best")
    (place / "talk.jsonl").write_text("\n".join(map(json.dumps, TALKS)))
    return place


def command(folder, *options) -> int:
    return main(
        [
            "finetune",
            str(folder / "talk.jsonl"),
            "--model",
            str(folder / "small"),
            "--steps",
            "2",
            "--rate",
            "0.01",
            *options,
        ]
    )


def test_the_command_writes_adapters_and_merges_them(tmp_path, folder, capsys):
    out = tmp_path / "run"
    assert command(folder, "--lora", "2", "--train", "attention", "--layout", "original", "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "plan: " in said and "2 updates, loss " in said
    modes = {file.stat().st_mode for file in (out / "adapter").iterdir()}
    assert len(modes) == 1, "whoever may read the config may read the weights"
    before, after = load_model(folder / "small", experts="packed"), load_model(out / "model", experts="packed")
    for name, value in before.state_dict().items():  # experts without adapters keep their bytes
        same = torch.equal(value, after.state_dict()[name])
        assert same or name.endswith(("attn.qkv.weight", "attn.out.weight")), name
    apart = tmp_path / "apart"
    assert command(folder, "--lora", "2", "--train", "attention", "--out", str(apart)) == 0
    (told,) = re.findall("`gptoss-edu (finetune merge .*)`", capsys.readouterr().out)
    assert main(told.split()) == 0 and load_model(apart / "model").config == SMALL
    merge = ["finetune", "merge", "--model", str(folder / "small"), "--adapter", str(out / "adapter")]
    assert main([*merge, "--layout", "hf-bf16", "--out", str(tmp_path / "merged")]) == 0
    again = load_model(tmp_path / "merged")
    name = "block.0.attn.qkv.weight"
    assert torch.equal(again.state_dict()[name], after.state_dict()[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "layout, store", [("hf-bf16", []), ("original", ["--store", "best"]), ("hf", ["--store", "up"])]
)
def test_the_command_trains_weights_and_writes_every_layout(tmp_path, folder, layout, store):
    out = tmp_path / "run"
    assert command(folder, "--train", "all", "--layout", layout, *store, "--out", str(out)) == 0
    assert load_model(out / "model").config == SMALL
    assert command(folder, "--train", "all", "--layout", layout, *store, "--out", str(out)) == 2  # finished


@pytest.mark.parametrize("where", ["conversation_loss", "step", "watch"])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(where, encoding, tmp_path, monkeypatch):
    """Ctrl-C in the loss or between two steps; within Adam's step the weights are half changed and not saved."""
    recipe = Recipe(steps=4, rows=2, rate=1e-2)
    whole = Finetuner(small(encoding), TALKS, recipe)
    whole.run()
    stopped = Finetuner(small(encoding), TALKS, recipe, tmp_path)
    place = {"step": stopped.optimizer}.get(where, fine)

    def interrupted(*args, **kwargs):
        if stopped.step == 2:
            raise KeyboardInterrupt
        return usual(*args, **kwargs)

    usual = getattr(place, where, lambda *args: None)
    if where != "watch":
        monkeypatch.setattr(place, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        stopped.run(watch=interrupted if where == "watch" else None)
    monkeypatch.undo()
    assert stopped.saved == (None if where == "step" else 2)
    resumed = Finetuner(small(encoding), TALKS, recipe, tmp_path)
    assert resumed.step == (stopped.saved or 0)
    assert resumed.run() == whole.log
    for (name, a), b in zip(whole.model.named_parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_ctrl_c_says_where_the_same_command_goes_on(tmp_path, folder, capsys, monkeypatch):
    import gptoss_edu.commands.finetune as command_module

    def tell(finetuner):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_module, "_tell", tell)
    assert command(folder, "--out", str(tmp_path / "run")) == 130
    assert "goes on after 1 of 2 updates, from " in capsys.readouterr().err
    monkeypatch.undo()
    assert command(folder, "--out", str(tmp_path / "run")) == 0
    assert "update     2 of 2" in capsys.readouterr().out


def test_a_disk_without_room_or_leave_to_write_is_refused_before_the_run(tmp_path, folder, capsys, monkeypatch):
    from gptoss_edu.training import start

    monkeypatch.setattr(start, "free_bytes", lambda path: 1000)
    assert command(folder, "--out", str(tmp_path / "run")) == 2
    told = capsys.readouterr()
    assert "free for two checkpoints" in told.err and "update" not in told.out

    def refused(path, option, makes_folder=False):
        raise GptOssError(f"{option} {path}: no.")

    monkeypatch.setattr(start, "check_writable", refused)
    assert command(folder, "--out", str(tmp_path / "run")) == 2
    assert "log.jsonl: no." in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_memory_is_planned_for_the_data_and_not_for_the_longest_that_is_allowed(tmp_path, folder, capsys):
    plans = []
    for options in (["--replay", "0.5"], []):
        assert (
            command(folder, "--longest", "256", *options, "--rows", "2", "--out", str(tmp_path / "-".join(options)))
            == 0
        )
        plans.append(next(line for line in capsys.readouterr().out.splitlines() if line.startswith("plan")))
    activations = [re.search("activations ([0-9.]+) MiB", plan)[1] for plan in plans]
    assert float(activations[1]) < float(activations[0]) / 2


@pytest.mark.parametrize(
    "what, option",
    [("talk.jsonl", "--adapter"), ("talk.jsonl", "--facts"), ("rounding", "--rate"), ("merge", "--steps")],
)
def test_an_option_that_would_be_ignored_is_refused(folder, capsys, what, option):
    file = str(folder / what) if what.endswith("jsonl") else what
    assert main(["finetune", file, option, "7"]) == 2
    assert f"found {option}, which it would ignore" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said",
    [
        (["--train", "gate_up_proj"], "pattern 'gate_up_proj'"),
        (["--lora", "2", "--train", "norms"], "adapters go on attention, router and experts"),
        (["--layout", "hf"], "add --store best, or choose hf-bf16"),
        (["--replay", "0.5", "--replay-data", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--lora", "2", "--rounding", "best"], "found both"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, folder, capsys, options, said):
    assert command(folder, *options, "--out", str(tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_plan_of_20b_needs_no_weights(capsys):
    assert main(["finetune", "plan", "--model", "20b", "--lora", "16", "--train", "attention", "--recompute"]) == 0
    assert "weights 12.82 GiB" in capsys.readouterr().out
    assert main(["finetune", "plan", "--model", "120b", "--rows", "4000"]) == 0
    assert capsys.readouterr().out.endswith(": does not fit\n")
    assert main(["finetune", "plan", "--model", "30b"]) == 2
    assert "expected 20b, 120b or a checkpoint folder, found '30b'" in capsys.readouterr().err
    assert main(["finetune", "missing.jsonl"]) == 2
    assert main(["finetune", "merge"]) == 2


def test_rows_are_named_tuples():
    assert Row([1], [True]).trained == [True]
