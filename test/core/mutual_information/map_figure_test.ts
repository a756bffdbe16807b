import { deepEqual, match, ok, throws } from "assert";
import { renderPng, renderSvg } from "../../../core/figures/mod.ts";
import { informationFigure } from "../../../core/mutual_information/figure.ts";
import { informationMapFigure, overChannels } from "../../../core/mutual_information/map_figure.ts";

const PICTURE = { width: 3, height: 2, channels: 1, data: Uint8Array.of(0, 9, 99, 200, 255, 3) } as const;

Deno.test("maps are drawn beside their pictures, with scales in nats", async () => {
  const map = Float64Array.of(0, 0.1, 0.2, 0.3, 0.4, 0.5);
  const picture = (label: string) => ({ picture: PICTURE, label, map, nats: 1.5 });
  const record = {
    ...{ title: "digits", subtitle: "of each pixel", mean: map.map((value) => value / 10) },
    rows: [[picture("label=0"), picture("label=squares")], [picture("a label of many letters")]],
  };
  const svg = await renderSvg(informationMapFigure(record));
  for (const text of ["label=0", "label=squares", "1.50 nats", "mean of all, nats a pixel", "≥ 0.5", "≥ 0.04"]) {
    ok(svg.includes(`>${text}<`), text);
  }
  ok(/>a label of m[^<]*…</.test(svg));
  ok(svg.split("data:image/png").length - 1 === 2 * 3 + 1 + 2);
  ok(!/NaN|Infinity/.test(svg));
  ok((await renderPng(svg, 300)).length > 1000);
  // A map of nothing but zeros has a scale too.
  const nothing = { ...record, mean: new Float64Array(6) };
  ok(!/NaN|Infinity/.test(await renderSvg(informationMapFigure(nothing))));
  throws(() => informationMapFigure({ ...record, rows: [] }), /Got no pictures/);
});

Deno.test("a pixel's information is that of its channels", () => {
  deepEqual(overChannels(Float64Array.of(1, 2, 3, 4), { width: 2, height: 1 }), Float64Array.of(4, 6));
});

Deno.test("the distance of one denoiser's two estimates is drawn beside the difference of its errors", async () => {
  const curves = {
    ...{ logsnr: [-1, 0, 1], marginal: [1, 2, 2], conditional: [0.5, 1, 2] },
    difference: [0.5, 1, 0].map((mean) => ({ mean, stderr: 0.1 })),
    distance: [0.5, 3, 0],
  };
  match(await renderSvg(informationFigure("pairs", "y", curves)), />half of this area is I\(X; Y\)</);
  const both = await renderSvg(informationFigure("digits", "c", curves));
  match(both, />half of this area is I\(X; C\)</);
  match(both, />E‖ε̂\(z, α\) − ε̂\(z, α \| c\)‖²</);
});
