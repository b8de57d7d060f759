"""The class's progress as one HTML page, readable from the back of a room: no names, no script, light and dark."""

from __future__ import annotations

from gptoss_edu.checks.display import inline

from . import cockpit

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --soft: #59595f; --rest: #d9d9de;
  --pass: #00775a; --stuck: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #f2f2f2; --paper: #16171a; --soft: #b4b4bb; --rest: #45474e;
  --pass: #2fc399; --stuck: #ff8a3d; } }
body { margin: 0; padding: 2.2vw 3vw; background: var(--paper); color: var(--ink);
  font: clamp(18px, 1.75vw, 34px)/1.35 system-ui, sans-serif; }
h1 { font-size: 1.9em; margin: 0; } h2 { font-size: 1.1em; margin: 1.4em 0 .4em; color: var(--soft); }
p { margin: .2em 0; } .soft { color: var(--soft); }
.block { border-left: .35em solid var(--stuck); padding: .3em 0 .3em .7em; margin-top: 1em; }
.block b { font-size: 1.5em; }
ol { list-style: none; margin: 0; padding: 0; }
ol li { display: grid; grid-template-columns: 5em 1fr; align-items: baseline; margin: .25em 0; }
ol .count { font-size: 1.5em; font-weight: 700; color: var(--stuck); white-space: nowrap; }
ol .count .soft { font-size: .62em; font-weight: 400; }
table { border-collapse: collapse; width: 100%; } td { padding: .12em .5em .12em 0; vertical-align: middle; }
td.bar { width: 55%; } td.name { white-space: nowrap; } td.of { text-align: right; white-space: nowrap; }
.stack { display: flex; height: 1em; border-radius: .15em; overflow: hidden; background: var(--rest); }
.stack i { display: block; } .pass { background: var(--pass); }
.stuck { background: repeating-linear-gradient(135deg, var(--stuck) 0 .3em, var(--paper) .3em .42em); }
.key i { display: inline-block; width: 1em; height: .75em; border-radius: .15em; margin: 0 .35em 0 1.1em; }
.key i:first-child { margin-left: 0; } .key .rest { background: var(--rest); }
@media (max-width: 40em) { tr { display: grid; grid-template-columns: 2.2em 1fr auto; margin: .35em 0; }
  td.of { order: 1; padding-right: 0; } td.bar { order: 2; grid-column: 1 / -1; width: auto; padding: .1em 0; } }
@media print { body { font-size: 12pt; } }
"""


def page(learners: list[cockpit.Learner]) -> str:
    """Return the whole page."""
    found = cockpit.rows(learners)
    chapters = sorted({row.chapter for row in found})
    parts = [
        f"<h1>{len(learners)} learner{'' if len(learners) == 1 else 's'}</h1>",
        f"<p class=soft>{_chapters(chapters)}. Only what was handed out is counted; nobody is named.</p>",
        _blocked(cockpit.blocking(found)),
        _mistakes(cockpit.commonest(found)),
        "<h2>Exercise by exercise</h2>",
        "<p class=key><i class=pass></i>pass<i class=stuck></i>tried, not yet<i class=rest></i>not tried</p>",
        f"<table>{''.join(map(_row, found))}</table>",
    ]
    return (
        '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>The room</title><style>{STYLE}</style><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _chapters(chapters: list[str]) -> str:
    if not chapters:
        return "No exercise was handed out"
    return f"Chapter{'s' if len(chapters) > 1 else ''} {', '.join(chapters)}"


def _blocked(row: cockpit.Row | None) -> str:
    if row is None:
        return ""
    return (
        f"<div class=block><p>Where the class is stuck</p><p><b>{inline(row.name)}</b></p>"
        f"<p>{row.stuck} of {row.handed} tried and do not pass it yet (chapter {row.chapter})</p></div>"
    )


def _mistakes(common: list) -> str:
    if not common:
        return ""
    lines = "".join(
        f"<li><span class=count>{count}<span class=soft> / {row.handed}</span></span>"
        f"<span><b>{inline(row.name)}</b>: {inline(words)}</span></li>"
        for row, count, words in common
    )
    return f"<h2>The most common mistakes (each learner's last one)</h2><ol>{lines}</ol>"


def _row(row: cockpit.Row) -> str:
    passing, stuck = (100 * count / row.handed for count in (row.passing, row.stuck))
    said = f"{row.passing} pass, {row.stuck} tried and not yet, of {row.handed}"
    return (
        f"<tr><td class='soft'>{row.chapter}</td><td class=name>{inline(row.name)}</td>"
        f'<td class=bar><div class=stack role=img aria-label="{said}">'
        f'<i class=pass style="width:{passing:.2f}%"></i><i class=stuck style="width:{stuck:.2f}%"></i></div></td>'
        f"<td class=of>{row.passing} / {row.handed}</td></tr>"
    )
