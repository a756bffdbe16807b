import { ok, throws } from "assert";
import { qualityFigure } from "../../../core/figures/quality.ts";
import { renderSvg } from "../../../core/figures/mod.ts";

const column = (name: string) => ({ name, edges: [0, 1, 2], heldOut: [0.25, 0.75], samples: [0.5, 0.5] });
const TEXT = { title: "moons: samples", subtitle: "200 of each" };

Deno.test("the figure has a histogram for each column, classes by name, and both sets of points", async () => {
  const classes = { ...column("label"), levels: ["7", "?"] }, points = Float32Array.of(0, 0, 1, 1);
  const svg = await renderSvg(qualityFigure({
    ...{ ...TEXT, columns: [column("height"), classes] },
    points: { heldOut: points, samples: points, extent: 2 },
  }));
  for (const word of ["held-out rows", "samples", "height", "label", ">7<", ">?<"]) ok(svg.includes(word), word);
  ok(!svg.includes("NaN"));
});

Deno.test("twelve columns, long names and empty bins are drawn; none is an error", async () => {
  const columns = Array.from({ length: 12 }, (_, k) => ({
    ...column(`a column with a very long name, number ${k}`),
    ...{ heldOut: [0, 0], samples: [0, 0] },
  }));
  const svg = await renderSvg(qualityFigure({ ...TEXT, columns }));
  ok(svg.includes("…") && !svg.includes("NaN"));
  throws(() => qualityFigure({ ...TEXT, columns: [] }), /expected at least one/);
});
