import { COLOURS, DARK } from "../figures/theme.ts";
import { MAX_SERIES, seriesStyle } from "./overlay_figure.ts";

/** The page's style sheet. Its colours are the figures'. */
export function pageStyle(): string {
  const themed = ["paper", "ink", "muted", "grid", "line", "denoiser", "excess"] as const;
  const variables = (colour: (light: string) => string) =>
    themed.map((name) => `--${name}:${colour(COLOURS[name])}`).join(";");
  const series = (colour: (light: string) => string) =>
    Array.from({ length: MAX_SERIES }, (_, i) => `--series-${i}:${colour(seriesStyle(i).colour)}`).join(";");
  const dark = (light: string) => DARK[light];
  const light = (colour: string) => colour;
  const swatches = Array.from({ length: MAX_SERIES }, (_, i) => {
    const line = seriesStyle(i).dashed ? "dashed" : "solid";
    return `.series-${i}{border-top:3px ${line} var(--series-${i})}`;
  });
  return `:root{color-scheme:light dark;${variables(light)};${series(light)}}
@media (prefers-color-scheme:dark){:root{${variables(dark)};${series(dark)}}}
${RULES}${swatches.join("\n")}`;
}

const RULES = `*{box-sizing:border-box}
body{margin:0 auto;padding:1.25rem 1rem 3rem;max-width:62rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere;
-webkit-text-size-adjust:100%}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.2rem;line-height:1.3;margin:2.25rem 0 .75rem}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.5rem 0;max-width:44rem}
.lead{font-size:1.06rem}
.note,figcaption,caption,small{color:var(--muted);font-size:.875rem}
.warning{border-left:4px solid var(--excess);padding-left:.75rem}
figure{margin:1rem 0}
figcaption{margin-top:.25rem}
img{display:block;max-width:100%;height:auto}
.scroll{overflow-x:auto}
.scroll:focus-visible,.plane:focus-visible,summary:focus-visible{outline:2px solid var(--denoiser);outline-offset:2px}
.tall{grid-row:span 2}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 1.5rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.25rem 0}
th,td{padding:.35rem .9rem .35rem 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--grid);
overflow-wrap:normal}
thead th{color:var(--muted);font-weight:400;font-size:.875rem;border-bottom-color:var(--line)}
tbody th{font-weight:400}
.numbers td,.numbers thead th+th{text-align:right;white-space:nowrap}
.compared tbody th{white-space:nowrap}
.settings td,.settings th{overflow-wrap:anywhere}
.settings th{font-family:ui-monospace,monospace;font-size:.875rem;white-space:nowrap}
.swatch{display:inline-block;width:1.25rem;margin-right:.5rem;vertical-align:middle}
pre{margin:.25rem 0 1rem;padding:.6rem .75rem;background:var(--grid);border-radius:6px;white-space:pre-wrap;
font:.875rem/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre span{white-space:nowrap}
details{margin:.5rem 0}
summary{cursor:pointer;padding:.35rem 0}
.run>summary{font-size:1.1rem;font-weight:600}
.live{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem 2rem;align-items:start}
[hidden]{display:none!important}
.plane{position:relative;max-width:30rem;touch-action:none;cursor:crosshair;user-select:none;-webkit-user-select:none}
.plane img{width:100%}
.plane svg{position:absolute;inset:0;width:100%;height:100%;overflow:hidden;fill:none;stroke:var(--ink);stroke-width:1.5}
.plane .point{fill:var(--ink);stroke:var(--paper)}
.plane .denoised{stroke:var(--excess);stroke-width:2.5}
.plane line{stroke:var(--excess);stroke-dasharray:4 3}
.plane .noise{stroke-dasharray:2 4;stroke-width:1}
.live dl{margin:0;display:grid;grid-template-columns:auto 1fr;gap:.35rem 1rem}
.live dt{color:var(--muted)}
.live dd{margin:0;font-variant-numeric:tabular-nums}
.live dd.large{font-size:1.15rem;font-weight:600}
.live label{display:block;margin:.75rem 0 .25rem}
.live input{width:100%;min-height:2rem;accent-color:var(--denoiser)}
.live select{font:inherit;max-width:100%;min-height:2.25rem}
@media (max-width:44rem){.narrow img{min-width:32rem}.wide img{min-width:46rem}.narrow img,.wide img{max-width:none}
.repeated{display:none}th,td{padding-right:.6rem}.numbers{font-size:.875rem}.numbers tbody th{min-width:6.5rem}}
@media print{.live,noscript{display:none}details{display:block}}
`;
