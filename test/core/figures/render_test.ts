import assert from "assert";
import { contourFigure, renderPng, renderSvg } from "../../../core/figures/mod.ts";
import { DARK } from "../../../core/figures/theme.ts";
import { contourRecord } from "./examples.ts";

Deno.test("titles with XML's own letters stay well-formed", async () => {
  const title = `a < b & "c" > 'd' role="x" class="mark-y"`;
  const svg = await renderSvg(contourFigure({ ...contourRecord(1), title }));
  assert.ok(svg.includes("<title>a &lt; b &amp; &quot;c&quot; &gt; 'd' role=&quot;x&quot; class=&quot;mark-y&quot;. "));
  assert.match(svg, />a &lt; b &amp; ("|&quot;)c("|&quot;) &gt; 'd' role=("|&quot;)x("|&quot;)/);
  // resvg reads XML strictly: what it draws is well-formed, and this shows that it would refuse the rest.
  await renderPng(svg, 50);
  await assert.rejects(renderPng(svg.replace("</title>", ""), 50));
});

Deno.test("every colour of a figure has a dark one, and the picture has a name", async () => {
  const svg = await renderSvg(contourFigure(contourRecord(2)));
  const body = svg.slice(svg.indexOf("</style>"));
  const used = new Set([...body.matchAll(/(?:fill|stroke)="([^"]+)"/g)].map(([, colour]) => colour));
  for (const none of ["none", "transparent"]) used.delete(none);
  assert.ok(used.size > 6);
  for (const colour of used) {
    assert.ok(DARK[colour], `${colour} has a dark colour`);
    assert.ok(svg.includes(`[fill="${colour}"]{fill:${DARK[colour]}}`), `${colour} is swapped`);
  }
  assert.match(svg, /@media \(prefers-color-scheme:dark\)/);
  assert.match(svg, /^<svg [^>]*role="img" aria-label="ring\. [^"]+"[^>]*><title>ring\. /);
});

Deno.test("the same figure is the same text, and different figures share no identifier", async () => {
  const ids = (svg: string) => [...svg.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  const [first, again] = [
    await renderSvg(contourFigure(contourRecord(2))),
    await renderSvg(contourFigure(contourRecord(2))),
  ];
  assert.ok(first === again);
  assert.equal(ids(first).length, 2);
  for (const id of ids(first)) assert.ok(first.includes(`clip-path="url(#${id})"`));
  const other = ids(await renderSvg(contourFigure(contourRecord(1))));
  assert.ok(!ids(first).some((id) => other.includes(id)));
});

Deno.test("a specification that Vega cannot draw is an error", async () => {
  const spec = contourFigure(contourRecord(1));
  await assert.rejects(
    renderSvg({
      ...spec,
      data: [{ name: "bad", values: [{ a: 1 }], transform: [{ type: "formula", expr: "datum.b.c", as: "d" }] }],
    }),
    /Vega could not draw the figure/,
  );
});

Deno.test("a PNG has the width asked for, and its text is drawn without the system's fonts", async () => {
  const text = (content: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="50"><text x="9" y="30" font-family="Nowhere">` +
    `${content}</text></svg>`;
  const png = await renderPng(text("log p(x₁) ε̂"), 400);
  assert.deepEqual([...png.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  const view = new DataView(png.buffer, png.byteOffset);
  assert.deepEqual([view.getUint32(16), view.getUint32(20)], [400, 100]);
  assert.ok(png.length > (await renderPng(text(""), 400)).length + 500);
  for (const width of [0, 1.5, NaN, 1e6]) await assert.rejects(renderPng(text(""), width), /picture width/);
  await assert.rejects(renderPng("no picture", 10));
});
