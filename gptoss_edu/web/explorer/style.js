// The style sheet, which app.js puts into its shadow root. `dress` in app.js sets the colours that it names.

export const STYLE = `
.gx { font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink); background: var(--raised); padding: 12px; min-width: 0; box-sizing: border-box; }
.gx * { box-sizing: border-box; }
.gx h1 { font-size: 18px; margin: 0; letter-spacing: -0.01em; }
.gx h2 { font-size: 13px; margin: 0; font-weight: 650; }
.bar { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center; justify-content: space-between; margin-bottom: 8px; }
.sub { margin: 1px 0 0; color: var(--muted); font-size: 12.5px; }
.controls { display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center; }
.choice { font-size: 12.5px; color: var(--muted); }
.gx button, .gx select, .gx input { font: inherit; font-size: 12.5px; color: var(--ink); background: var(--paper); border: 1px solid var(--muted); border-radius: 6px; padding: 3px 8px; min-height: 26px; max-width: 240px; }
.gx input::placeholder { color: var(--muted); opacity: 1; }
.gx button:hover { background: var(--grid); }
.gx button[aria-pressed="true"], .gx button[aria-expanded="true"] { background: var(--ink); color: var(--paper); }
.gx :focus-visible { outline: 3px solid var(--final); outline-offset: 2px; }
.say { background: var(--paper); border-left: 4px solid var(--sink); border-radius: 4px; margin: 0 0 10px; padding: 6px 12px; font-size: 13.5px; min-height: 2.9em; overflow-wrap: anywhere; }
.grid { display: grid; gap: 10px; grid-template-columns: repeat(12, minmax(0, 1fr)); grid-template-areas: "strip strip strip strip strip strip strip strip strip strip strip strip" "grid grid grid grid grid grid grid matrix matrix matrix matrix matrix" "row row row row row row row row row row row row" "ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon" "route route route route load load load load lens lens lens lens"; }
.two .grid { grid-template-areas: "strip strip strip strip strip strip strip strip strip strip strip strip" "compare compare compare compare compare compare compare compare compare compare compare compare" "grid grid grid grid grid grid grid matrix matrix matrix matrix matrix" "row row row row row row row row row row row row" "ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon ribbon" "route route route route load load load load lens lens lens lens"; }
.panel { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 8px 12px 6px; min-width: 0; }
.head { display: flex; justify-content: space-between; align-items: center; margin-bottom: 6px; gap: 8px; }
.tools { display: flex; gap: 4px; }
.tools button { font-size: 11px; padding: 1px 6px; min-height: 24px; border-color: var(--grid); color: var(--muted); }
.stage { border-radius: 6px; position: relative; }
.stage canvas { display: block; touch-action: pan-y; }
.scrolls { overflow-y: auto; max-height: 176px; }
.scrolls canvas { position: sticky; top: 0; }
.legend { display: block; margin-top: 2px; }
.tablebox { overflow: auto; max-height: 320px; margin-top: 6px; }
.gx table { border-collapse: collapse; font-size: 12.5px; width: 100%; }
.gx caption { text-align: left; font-weight: 600; padding: 2px 0; }
.gx th, .gx td { border-bottom: 1px solid var(--grid); padding: 2px 8px 2px 0; text-align: left; font-weight: 400; unicode-bidi: isolate; }
.gx thead th { font-weight: 600; }
.masks, .help { background: var(--paper); border: 1px solid var(--grid); border-radius: 10px; padding: 10px 14px; margin-bottom: 10px; }
.masks p { margin: 0 0 6px; }
.masks code { display: block; font-size: 12.5px; background: var(--raised); padding: 6px 8px; border-radius: 6px; margin-bottom: 6px; overflow-wrap: anywhere; }
.masks button { margin-right: 6px; }
.help dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(90px, max-content) minmax(180px, 1fr)); gap: 2px 12px; margin: 6px 0 0; font-size: 13px; }
.help dt { font-weight: 600; }
.help dd { margin: 0; }
.ask { padding-bottom: 0; }
.gx input.question { flex: 1 1 260px; max-width: none; font-size: 14px; padding: 4px 8px; }
.ask input[type="checkbox"] { min-height: 0; vertical-align: middle; margin: 0; }
.answer { margin: 8px 0 0; white-space: pre-line; overflow-wrap: anywhere; }
[hidden] { display: none !important; }
.tip { border: 1px solid transparent; position: fixed; z-index: 9; max-width: 290px; font: 12px/1.35 system-ui, sans-serif; padding: 4px 8px; border-radius: 6px; pointer-events: none; overflow-wrap: anywhere; }
@media (max-width: 860px) {
  .gx { padding: 8px; }
  .grid, .two .grid { grid-template-columns: minmax(0, 1fr); grid-template-areas: none; }
  .panel { grid-area: auto !important; padding: 8px 8px 6px; }
  .help dl { grid-template-columns: 90px 1fr; }
}
@media (prefers-contrast: more) {
  .panel, .masks, .help, .tools button { border-color: var(--ink); }
  .tools button, .sub, .choice { color: var(--ink); }
  .gx button:hover:not([aria-pressed="true"], [aria-expanded="true"]) { background: var(--paper); outline: 2px solid var(--ink); }
}
@media (forced-colors: active) {
  .stage canvas, .legend { forced-color-adjust: none; background: var(--paper); }
  .gx button[aria-pressed="true"], .gx button[aria-expanded="true"] { forced-color-adjust: none; background: Highlight; color: HighlightText; }
}
`;
