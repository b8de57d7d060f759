// The style sheet of the walkable picture, after the box's, whose colours it shares.

export const PICTURE_STYLE = `
@media (min-width: 1100px) {
  .lab.walkable { display: grid; grid-template-columns: 1fr 1fr; grid-template-rows: auto auto auto 1fr auto; gap: 10px 24px; }
  .walkable > * { grid-column: 1 / -1; }
  .walkable > .ask, .walkable > .examples, .walkable > .status { grid-column: 1; }
  .walkable > .answers { grid-column: 2; grid-row: 1 / span 4; }
  .walkable > .boxhead { grid-column: 1; }
}
.walkable .message[data-channel="analysis"] .tokens { max-height: 90px; }
.picture { container-type: inline-size; display: flex; flex-direction: column; gap: 10px; min-width: 0; border-top: 1px solid var(--grid); padding-top: 14px; }
.tokenbar { display: flex; gap: 6px; align-items: center; }
.tokenbar > button { flex: none; font-size: 18px; line-height: 1; min-width: 32px; }
.strip { display: flex; gap: 2px; overflow-x: auto; flex: 1; padding: 4px 2px; scrollbar-width: thin; position: relative; min-width: 0; }
.chip { display: inline-block; font: 12.5px/1.5 ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; background: var(--raised); color: var(--ink); border-radius: 4px; padding: 0 4px; white-space: pre; max-width: 100%; overflow: hidden; text-overflow: ellipsis; vertical-align: bottom; }
.picture .chip.control { border: 1px solid var(--muted); font-size: 11px; color: var(--muted); margin: 0; }
.strip .chip { flex: none; cursor: pointer; max-width: none; }
.strip .chip[data-channel="analysis"] { box-shadow: inset 0 -2px var(--analysis); }
.strip .chip[data-channel="final"] { box-shadow: inset 0 -2px var(--final); }
.strip [aria-selected="true"], .column .chip.chosen { background: var(--ink); color: var(--paper); }
.picture .strip [aria-selected="true"].control, .picture .column .chosen.control { color: var(--paper); }
.guide { position: sticky; top: var(--above, 0px); z-index: 2; display: flex; gap: 10px 16px; align-items: center; background: var(--raised); border-left: 4px solid var(--final); border-radius: 4px; padding: 8px 12px; }
.sentence { margin: 0; flex: 1; font-size: 15px; line-height: 1.45; min-height: 2.9em; overflow-wrap: anywhere; }
.steps { display: flex; gap: 6px; align-items: center; flex: none; }
.picture button.main { background: var(--final); color: var(--paper); border-color: var(--final); font-weight: 650; }
.picture button { min-height: 30px; }
.aside { font-size: 12px; color: var(--muted); }
.chapter { font-size: 12px; color: var(--muted); margin-top: auto; padding-top: 4px; }
a.chapter { color: var(--final); }
.guide .chapter { flex: none; max-width: 11em; padding: 0; margin: 0; }
.crumbs { display: flex; flex-wrap: wrap; gap: 6px 16px; justify-content: space-between; align-items: center; min-height: 32px; }
.crumbs ol { display: flex; flex-wrap: wrap; list-style: none; margin: 0; padding: 0; gap: 4px; align-items: center; font-size: 14px; }
.crumbs li + li::before { content: "›"; color: var(--muted); margin: 0 6px 0 2px; }
.crumbs [aria-current] { font-weight: 650; }
.near { display: flex; gap: 6px; }
.picture .stage { position: relative; overflow: hidden; min-height: 18rem; padding: 3px; margin: -3px; }
.view { transform-origin: 0 0; }
.view.leaving { position: absolute; inset: 3px 3px auto; pointer-events: none; }
.card { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 8px 10px; min-width: 0; display: flex; flex-direction: column; gap: 6px; }
.card.opens { cursor: zoom-in; transition: border-color 0.15s, box-shadow 0.15s; }
.card.opens:hover { border-color: var(--final); box-shadow: 0 0 0 1px var(--final); }
.lit { scroll-margin: 240px 0 20px; outline: 3px solid var(--sink); outline-offset: -1px; border-radius: 10px; }
.cardhead { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 6px; }
.card h4 { margin: 0; font-size: 13px; font-weight: 650; }
.picture .card .open { border: 0; background: none; padding: 2px 0; min-height: 24px; font-size: 13px; font-weight: 650; color: var(--ink); cursor: zoom-in; text-align: left; text-decoration: underline; text-decoration-color: var(--final); text-decoration-thickness: 2px; text-underline-offset: 3px; }
.line, .says { margin: 0; font-size: 13px; line-height: 1.45; overflow-wrap: anywhere; }
.says { font-size: 12px; color: var(--muted); }
.figures { margin: 0; font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; color: var(--muted); overflow-wrap: anywhere; }
.vector { width: 100%; max-width: 150px; image-rendering: pixelated; border: 1px solid var(--grid); border-radius: 3px; background: var(--paper); }
.picture figure { margin: 0; min-width: 0; flex: 1; max-width: 150px; }
.picture figcaption { font-size: 12px; color: var(--muted); }
.arrow { align-self: center; text-align: center; color: var(--muted); font-size: 18px; }
.arrow.plus { font-size: 24px; font-weight: 650; color: var(--ink); }
.flow { min-width: 0; }
.flow.model { display: grid; grid-template-columns: 118px 14px 118px 14px minmax(0, 1fr) 14px 160px; gap: 8px; align-items: stretch; }
.blocks { display: grid; grid-template-columns: repeat(auto-fit, minmax(70px, 1fr)); gap: 6px; align-content: start; }
.column { display: flex; flex-direction: column; gap: 3px; align-items: flex-start; }
.columnbars { display: flex; gap: 1px; align-items: flex-end; border-bottom: 1px solid var(--grid); }
.columnbars span { flex: 1; border-radius: 1px 1px 0 0; }
.blocks .aside { width: 100%; }
.squares { display: grid; grid-template-columns: repeat(8, 1fr); gap: 2px; }
.squares span { aspect-ratio: 1; border-radius: 2px; background: var(--grid); }
.bars { list-style: none; margin: 0; padding: 0; display: grid; gap: 3px; }
.bars li { display: grid; grid-template-columns: minmax(56px, 34%) 1fr 52px; gap: 8px; align-items: center; font-size: 12.5px; }
.meter { height: 10px; background: var(--raised); border-radius: 3px; overflow: hidden; }
.meter span { display: block; height: 100%; background: var(--final); border-radius: 3px; }
.flow.model .bars li { grid-template-columns: 30px minmax(16px, 1fr) 48px; gap: 4px; }
.figure { text-align: right; font-variant-numeric: tabular-nums; }
.bars .chip { justify-self: start; }
.flow.block { display: flex; flex-direction: column; gap: 12px; }
.half { display: grid; grid-template-columns: 128px 14px 128px 14px minmax(0, 1fr) 14px 128px; gap: 8px; }
.heads { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 6px; }
.experts { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 6px; }
.group { background: var(--raised); }
.own { border-top: 4px solid var(--own); }
.flow.head { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 10px; align-items: start; }
.flow.side { display: grid; gap: 10px; }
.flow.head .vector, [data-part=packed] .vector { max-width: none; }
.text { display: flex; flex-wrap: wrap; gap: 3px 1px; max-height: 19rem; overflow-y: auto; padding: 3px; position: relative; }
.text .aside { width: 100%; }
.picture .key { border: 0; background: none; padding: 0; min-height: 24px; max-width: none; cursor: pointer; }
.key[aria-pressed="true"] .chip { outline: 2px solid var(--sink); outline-offset: 0; }
.picture .key[aria-pressed="true"] { background: none; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.sums { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; margin: 0; font-size: 13px; }
.sums dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.flow.pairs, .flow.tokens { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; align-items: start; }
.flow.tokens { grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); }
.flow.tokens .text { max-height: 22rem; }
.flow.single { max-width: 620px; margin: 0 auto; }
.flow.single .vector { max-width: 420px; }
.flow.pair { display: flex; gap: 12px; align-items: center; }
.flow.pair .vector { max-width: 150px; }
.flow.expert { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; align-items: start; }
.flow.expert > .wide { grid-column: 1 / -1; }
.curve { width: 100%; max-width: 460px; }
.doors { margin: 0; display: flex; flex-wrap: wrap; gap: 6px; }
.heat { display: flex; gap: 10px; align-items: center; font-size: 13px; flex-wrap: wrap; }
.heat output { font-weight: 650; }
.path { list-style: none; margin: 0; padding: 0; font-size: 13px; display: grid; gap: 4px; }
.path .label { display: inline-block; width: 8em; color: var(--muted); }
@container (max-width: 860px) {
  .flow.model { grid-template-columns: minmax(0, 1fr); }
  .flow.model .bars li { grid-template-columns: 84px minmax(16px, 1fr) 52px; }
  .half { grid-template-columns: minmax(0, 1fr); }
  .flow.model > .arrow, .half > .arrow { transform: rotate(90deg); line-height: 1; }
  .half > .plus { transform: none; }
  .blocks { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .column { flex-direction: row; flex-wrap: wrap; }
  .flow.model > .card > .vector, .half > .card > .vector { max-width: 96px; }
  .flow.head, .flow.pairs, .flow.tokens, .flow.expert { grid-template-columns: minmax(0, 1fr); }
  .guide { flex-wrap: wrap; }
  .sentence { flex-basis: 100%; order: -1; min-height: 5.8em; }
  .guide .chapter { max-width: none; margin-left: auto; }
}
@container (max-width: 520px) {
  .heads, .experts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .card { padding: 6px 8px; }
  .blocks .card { padding: 5px 6px; }
}
@media (prefers-reduced-motion: reduce) { .card.opens { transition: none; } }
@media (forced-colors: active) {
  .meter span, .columnbars span, .squares span, .vector, .chip { forced-color-adjust: none; }
}
`;
