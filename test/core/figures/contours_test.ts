import assert from "assert";
import { contourFigure, renderPng, renderSvg } from "../../../core/figures/mod.ts";
import { BANDS } from "../../../core/figures/theme.ts";
import { contourRecord } from "./examples.ts";

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

/** The bounding box of the first filled path of a colour, in pixels of its panel. */
function boundsOf(svg: string, colour: string): { left: number; right: number; top: number; bottom: number } {
  const path = [...svg.matchAll(/<path [^>]*>/g)].map(([tag]) => tag).find((tag) => tag.includes(`fill="${colour}"`));
  assert.ok(path, `a path filled with ${colour}`);
  const outline = path.match(/ d="([^"]*)"/)?.[1] ?? "";
  const pairs = [...outline.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
  const [x, y] = [pairs.map((pair) => pair[0]), pairs.map((pair) => pair[1])];
  return { left: Math.min(...x), right: Math.max(...x), top: Math.min(...y), bottom: Math.max(...y) };
}

Deno.test("any number of panels from one to eight is drawn with its epochs and one legend", async () => {
  for (const panels of [1, 3, 5, 8]) {
    const record = contourRecord(panels);
    const svg = await renderSvg(contourFigure(record));
    for (const { epoch } of record.panels) assert.equal(count(svg, `>Epoch ${epoch}<`), 1);
    assert.equal(count(svg, ">log p(x), nats<"), 1);
    for (const level of ["−5", "−4", "−3", "−2", "−1"]) assert.equal(count(svg, `>${level}</text>`) > 0, true, level);
    assert.equal(count(svg, ">x₁<"), [0, 1, 2, 3, 4, 3, 3, 4, 4][panels]);
    assert.equal(count(svg, ">x₂<"), panels > 4 ? 2 : 1);
    assert.ok(svg.length < 400_000, `${svg.length} characters`);
  }
});

Deno.test("a contour lies where the density has its level, x₁ to the right and x₂ upwards", async () => {
  const side = 61;
  // N((1, 2), I) rises above −2 nats within √(2(2 − log 2π)) = 0.569 of its mean.
  const logDensity = Float32Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [-3 + 6 * (i % side) / (side - 1), -3 + 6 * Math.floor(i / side) / (side - 1)];
    return -((x - 1) ** 2 + (y - 2) ** 2) / 2 - Math.log(2 * Math.PI);
  });
  const record = { ...contourRecord(1), side, panels: [{ epoch: 1, logDensity }] };
  const bounds = boundsOf(await renderSvg(contourFigure(record)), BANDS[3]);
  const pixel = (value: number) => 400 * (value + 3) / 6;
  const radius = Math.sqrt(2 * (2 - Math.log(2 * Math.PI)));
  assert.ok(Math.abs(bounds.left - pixel(1 - radius)) < 1, `left ${bounds.left}`);
  assert.ok(Math.abs(bounds.right - pixel(1 + radius)) < 1, `right ${bounds.right}`);
  assert.ok(Math.abs(bounds.top - pixel(-(2 + radius))) < 1, `top ${bounds.top}`);
  assert.ok(Math.abs(bounds.bottom - pixel(-(2 - radius))) < 1, `bottom ${bounds.bottom}`);
});

Deno.test("densities and points that are not finite are left blank", async () => {
  const record = contourRecord(1);
  const { logDensity } = record.panels[0];
  logDensity.set([NaN, Infinity, -Infinity, 3e38, -3e38], 480);
  logDensity.fill(NaN, 0, 100);
  const svg = await renderSvg(contourFigure({ ...record, points: Float32Array.of(NaN, 1, Infinity, 0, 0, 0) }));
  assert.ok(!/NaN|Infinity/.test(svg));
  assert.ok((await renderPng(svg, 60)).length > 100);
  const blank = { epoch: 1, logDensity: new Float32Array(31 * 31).fill(NaN) };
  const empty = await renderSvg(contourFigure({ ...record, panels: [blank], points: new Float32Array() }));
  assert.ok(!/NaN|Infinity/.test(empty));
  assert.ok((await renderPng(empty, 60)).length > 100);
});

Deno.test("a record that is not whole is refused with what is wrong", () => {
  const record = contourRecord(1);
  assert.throws(() => contourFigure({ ...record, panels: [] }), /Got 0 panels/);
  assert.throws(() => contourFigure(contourRecord(9)), /Got 9 panels/);
  assert.throws(() => contourFigure({ ...record, side: 30 }), /epoch 20 has 961 values, but .* needs 900/);
  assert.throws(() => contourFigure({ ...record, extent: 0 }), /extent is 0/);
});
