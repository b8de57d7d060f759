// The style sheet of a box in a page, after the lab's.

export const BOX_STYLE = `
:host { display: block; }
.lab.box { min-height: 0; padding: 16px 18px; border: 1px solid var(--grid); border-radius: 14px; display: flex; flex-direction: column; gap: 12px; }
.boxtitle { margin: 0; font-size: 17px; font-weight: 650; }
.box .sub { margin: 2px 0 0; }
.box .row { justify-content: flex-start; }
.box .segments { flex: 0 0 auto; }
.box .field select { min-height: 32px; max-width: 100%; }
.box textarea { min-height: 58px; }
.box .answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 270px), 1fr)); align-items: start; }
.box .answers:empty, .box .examples:empty, .box .status:empty { display: none; }
.box .answer { min-width: 0; }
.answer[data-refused] { border-left: 4px solid var(--commentary); }
.box[data-kind="forge"] .prompt .tokens { max-height: none; }
.more { color: inherit; white-space: nowrap; }
`;
