/** The looks of the page; it follows the reader's choice of light or dark. */
export const pageStyle = `
:root { color-scheme: light dark; --ink: #1d2327; --soft: #5b6770; --paper: #ffffff; --card: #f5f7f9; --edge: #dde3e8; --own: #2f6fdb; --other: #aab4bd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaed; --soft: #9aa7b1; --paper: #14181b; --card: #1c2226; --edge: #313a41; --own: #5b93f0; --other: #5a666f; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 24px 20px 80px; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 4px; }
h2 { font-size: 1.35rem; margin: 56px 0 8px; padding-top: 16px; border-top: 1px solid var(--edge); }
h3 { font-size: 1rem; margin: 28px 0 6px; }
p { max-width: 78ch; margin: 6px 0; }
.soft, figcaption { color: var(--soft); font-size: 0.9rem; }
.failed { border-left: 4px solid #c2334d; padding: 4px 12px; background: var(--card); }
nav { columns: 2; margin: 16px 0; }
nav a { display: block; color: var(--own); text-decoration: none; padding: 2px 0; }
figure { margin: 20px 0; padding: 14px 16px; background: var(--card); border: 1px solid var(--edge); border-radius: 8px; }
figure h3 { margin: 0; }
.bar { display: grid; grid-template-columns: minmax(9em, 15em) 1fr 10em; gap: 10px; align-items: center; margin: 5px 0; font-size: 0.92rem; }
.bar span:first-child { text-align: right; }
.bar i { display: block; height: 15px; min-width: 2px; border-radius: 3px; background: var(--other); }
.bar.own i { background: var(--own); }
.bar.own { font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; margin: 6px 0; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--edge); text-align: right; white-space: nowrap; vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: normal; min-width: 5em; }
th.text, td.text { text-align: left; }
td.text { white-space: normal; min-width: 8em; }
code { font: 0.86em ui-monospace, monospace; }
details { margin: 10px 0; }
summary { cursor: pointer; color: var(--soft); font-size: 0.9rem; }
.u-legend { font-size: 0.85rem; }
@media (max-width: 640px) { nav { columns: 1; } .bar { grid-template-columns: 8em 1fr 7em; } }
`;
