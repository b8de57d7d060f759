// The style sheet of the lab, after the explorer's, whose colours it shares.

export const LAB_STYLE = `
.lab { padding: 16px 20px 24px; min-height: 100vh; }
.lab .columns { display: grid; grid-template-columns: minmax(340px, 410px) minmax(0, 1fr); gap: 20px; align-items: start; }
.lab h1 { font-size: 22px; }
.lab h2 { font-size: 14px; }
.lab h3 { font-size: 13px; margin: 0 0 6px; font-weight: 650; }
.left, .ask { display: flex; flex-direction: column; gap: 12px; min-width: 0; }
.lab .ask { padding: 0; background: none; }
.right .gx { padding: 0; }
.field { display: flex; flex-direction: column; gap: 3px; min-width: 0; }
.name, .lab legend { font-size: 12px; color: var(--muted); margin: 0; padding: 0; }
.lab textarea { font: inherit; font-size: 15px; line-height: 1.4; color: var(--ink); background: var(--paper); border: 1px solid var(--muted); border-radius: 8px; padding: 8px 10px; resize: vertical; width: 100%; }
.lab textarea::placeholder { color: var(--muted); opacity: 1; }
.row { display: flex; flex-wrap: wrap; gap: 8px; align-items: end; }
.segments { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; flex: 1 1 auto; }
.segments legend { margin-bottom: 3px; }
.segments label { position: relative; }
.lab .segments input { position: absolute; inset: 0; opacity: 0; margin: 0; width: 100%; height: 100%; cursor: pointer; }
.segments span { display: block; padding: 5px 12px; border: 1px solid var(--muted); background: var(--paper); margin-left: -1px; font-size: 13px; }
.segments label:first-of-type span { border-radius: 7px 0 0 7px; margin-left: 0; }
.segments label:last-of-type span { border-radius: 0 7px 7px 0; }
.segments input:checked + span { background: var(--ink); color: var(--paper); border-color: var(--ink); }
.segments input:focus-visible + span { outline: 3px solid var(--final); outline-offset: 2px; }
.lab button.main { background: var(--final); color: var(--paper); border-color: var(--final); font-weight: 650; }
.lab .row button { min-height: 32px; padding: 4px 16px; font-size: 14px; }
.lab button:disabled { color: var(--muted); border-color: var(--grid); background: none; }
.examples { display: flex; flex-wrap: wrap; gap: 6px; }
.lab .examples button { max-width: 100%; text-align: left; border-color: var(--grid); border-radius: 9px; padding: 4px 9px; font-size: 13px; line-height: 1.3; }
.why { display: block; font-size: 11px; color: var(--muted); }
.fold { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 0 12px; }
.fold summary { font-weight: 600; font-size: 13px; padding: 8px 0; cursor: pointer; }
.fold[open] { padding-bottom: 12px; }
.plain summary { font-size: 12px; color: var(--muted); cursor: pointer; }
.plain .examples { margin-top: 6px; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 10px 12px; margin-bottom: 10px; }
.lab .fields select, .lab .fields input { width: 100%; max-width: none; min-width: 0; }
.lab input[type="range"] { padding: 0; accent-color: var(--final); border: 0; background: none; }
.fields output { color: var(--ink); font-weight: 600; }
.grids { display: flex; flex-direction: column; gap: 10px; margin-bottom: 10px; }
.toggles { display: grid; grid-template-columns: 18px repeat(var(--columns), minmax(0, 20px)); gap: 2px; margin-top: 3px; }
.toggles span { font-size: 10px; color: var(--muted); text-align: center; align-self: center; }
.lab .toggles button { padding: 0; min-height: 0; height: 20px; border: 1px solid var(--muted); border-radius: 4px; font-size: 13px; line-height: 1; background: var(--raised); }
.lab .toggles button[data-state="1"] { background: var(--wrong); color: var(--paper); border-color: var(--wrong); }
.lab .toggles button[data-state="2"] { background: var(--right); color: var(--paper); border-color: var(--right); }
.check { display: block; font-size: 13px; margin-bottom: 10px; }
.lab .check input { min-height: 0; vertical-align: -2px; }
.changes { margin: 0; padding: 6px 12px; border-left: 4px solid var(--wrong); border-radius: 4px; background: var(--paper); font-size: 13px; }
.left > * { flex-shrink: 0; }
.status { margin: 0; font-size: 13px; color: var(--muted); min-height: 1.45em; }
.answers { display: flex; flex-direction: column; gap: 10px; }
.answer { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 10px 14px; margin: 0; }
.message { border-left: 4px solid var(--grid); padding-left: 10px; margin: 0 0 8px; }
.message[data-channel="analysis"] { border-left-style: dashed; border-color: var(--analysis); }
.message[data-channel="commentary"] { border-left-style: dotted; border-color: var(--commentary); }
.message[data-channel="final"] { border-color: var(--final); }
.message[data-channel="final"] .tokens { font-size: 17px; font-weight: 600; }
.message[data-channel="analysis"] .tokens { max-height: 220px; overflow-y: auto; }
.channel { font-size: 11px; color: var(--muted); }
.tokens { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 14px; line-height: 1.55; }
.messages .token:nth-child(even), .prompt .token:nth-child(even) { background: var(--raised); border-radius: 3px; }
.control { font: 10.5px/1.3 ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; color: var(--muted); border: 1px solid var(--grid); border-radius: 4px; padding: 0 3px; margin: 0 1px; }
.header { font-size: 12px; color: var(--muted); margin-bottom: 4px; }
.note { margin: 0; font-size: 12px; color: var(--muted); }
.prompt summary { font-size: 12px; color: var(--muted); cursor: pointer; margin-top: 4px; }
.prompt .tokens { font-size: 12.5px; max-height: 200px; overflow-y: auto; }
.inside { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 10px 14px; min-width: 0; overflow: hidden; }
.inside canvas { display: block; margin-top: 8px; }
.tipline { margin: 4px 0 0; font-size: 12px; color: var(--muted); min-height: 1.4em; }
.home { color: inherit; font-size: 14px; align-self: center; }
.refusal { margin: 6px 0 0; font-size: 12.5px; font-weight: 600; }
.limits { margin: 0; font-size: 12.5px; color: var(--muted); }
.welcome { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 20px 28px; max-width: 640px; }
.lab .welcome h2 { font-size: 18px; }
.welcome li { margin: 8px 0; }
@media (min-width: 981px) {
  .left { position: sticky; top: 12px; max-height: calc(100vh - 24px); overflow-y: auto; padding: 3px; scrollbar-gutter: stable; }
}
@media (max-width: 980px) {
  .lab { padding: 10px 10px 20px; }
  .lab .columns { grid-template-columns: minmax(0, 1fr); }
}
@media (forced-colors: active) {
  .segments input:checked + span, .lab .toggles button[data-state="1"], .lab .toggles button[data-state="2"] { forced-color-adjust: none; background: Highlight; color: HighlightText; }
  .inside canvas { forced-color-adjust: none; background: var(--paper); }
}
`;
