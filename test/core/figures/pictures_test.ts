import { deepEqual, equal, ok, throws } from "assert";
import { decode } from "fast-png";
import {
  encodePng,
  imageGridFigure,
  imageShape,
  pictureGrid,
  pictureOf,
  pointSamplesFigure,
  renderPng,
  renderSvg,
} from "../../../core/figures/mod.ts";
import { contourRecord } from "./examples.ts";

const RECORD = { title: "digits: samples", subtitle: "4 samples after epoch 3" };

Deno.test("shapes of one to four channels are images, others are not", () => {
  deepEqual(imageShape([3, 32, 16]), { channels: 3, height: 32, width: 16 });
  deepEqual(imageShape([8, 9]), { channels: 1, height: 8, width: 9 });
  for (const shape of [[2], [5, 8, 8], [1, 3, 8, 8]]) equal(imageShape(shape), undefined);
});

Deno.test("a PNG holds the sample's values, rounded and clipped to the range, channel by channel", () => {
  for (const channels of [1, 2, 3, 4] as const) {
    const shape = { channels, height: 2, width: 3 };
    // Values from 1/4 below the range to 1/4 above it.
    const sample = Float32Array.from({ length: 6 * channels }, (_, i) => 2 + (1.5 * i / (6 * channels - 1) - 0.25) * 4);
    const png = decode(encodePng(pictureOf(sample, shape, [2, 6])));
    deepEqual([png.width, png.height, png.channels, png.depth], [3, 2, channels, 8]);
    sample.forEach((value, i) => {
      const byte = Math.min(255, Math.max(0, Math.round(255 * (value - 2) / 4)));
      equal(png.data[i % 6 * channels + Math.floor(i / 6)], byte, `value ${i} of ${channels} channels`);
    });
  }
});

Deno.test("a grid holds each picture where it belongs, with clear gaps", () => {
  const pictures = [10, 20, 30].map((byte) => ({
    width: 2,
    height: 1,
    channels: 1 as const,
    data: Uint8Array.of(byte, byte + 1),
  }));
  const grid = pictureGrid(pictures);
  deepEqual([grid.width, grid.height, grid.channels], [6, 4, 2]);
  const rows = [0, 1, 2, 3].map((row) => [...grid.data.subarray(row * 12, (row + 1) * 12)]);
  deepEqual(rows[0], [10, 255, 11, 255, 0, 0, 0, 0, 20, 255, 21, 255]);
  deepEqual(rows[1], new Array(12).fill(0));
  deepEqual(rows[3], [30, 255, 31, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
  deepEqual(decode(encodePng(grid)).data, grid.data);
});

Deno.test("the grid's figure is drawn with sharp pixels", async () => {
  const shape = { channels: 3, height: 4, width: 4 } as const;
  const black = pictureOf(new Float32Array(48), shape, [0, 1]);
  const white = pictureOf(new Float32Array(48).fill(1), shape, [0, 1]);
  const svg = await renderSvg(imageGridFigure(RECORD, [black, white, white, black]));
  ok(svg.includes(`<image href="data:image/png;base64,`) && svg.includes("pixelated") && !svg.includes("xlink"));
  const { width, height, channels, data } = decode(await renderPng(svg, Number(svg.match(/ width="(\d+)"/)![1])));
  equal(channels, 4);
  // Ten pixels become 640: the black picture's lower right pixel ends 256 pixels from the grid's corner.
  const red = (x: number, y: number) => data[(y * width + x) * 4];
  equal(height, 74 + 640 + 24);
  deepEqual([red(24, 74), red(24 + 255, 74 + 255), red(24 + 384 + 1, 74)], [0, 0, 255]);
  throws(() => imageGridFigure(RECORD, []), /Got no pictures/);
});

Deno.test("a grid of large pictures is made smaller", async () => {
  const picture = { width: 600, height: 10, channels: 1 as const, data: new Uint8Array(6000) };
  const svg = await renderSvg(imageGridFigure(RECORD, [picture, picture, picture]));
  equal(Number(svg.match(/ width="(\d+)"/)![1]), 1024 + 48);
});

Deno.test("sampled points are drawn over the density, or alone on axes that hold them", async () => {
  const points = Float32Array.of(0, 1, -2.5, 0.3);
  const { side, extent, panels: [panel] } = contourRecord(1);
  const svg = await renderSvg(pointSamplesFigure({ ...RECORD, points, density: { side, extent, panel } }));
  for (const word of [">samples<", ">log p(x), nats<", ">x₁<"]) ok(svg.includes(word), word);
  ok((await renderPng(svg, 200)).length > 1000);
  const alone = await renderSvg(pointSamplesFigure({ ...RECORD, points }));
  ok(!alone.includes(">log p(x), nats<") && alone.includes(">2<") && !/NaN|Infinity/.test(alone));
});

Deno.test("a grid has as many columns as it is asked for, and says what it is of", async () => {
  const pictures = [1, 2, 3, 4, 5, 6].map((byte) => ({
    ...{ width: 1, height: 1, channels: 1 as const, data: Uint8Array.of(byte) },
  }));
  const { width, height } = pictureGrid(pictures, 6);
  deepEqual([width, height], [16, 1]);
  const svg = await renderSvg(imageGridFigure(RECORD, pictures, { columns: 3, what: "pairs" }));
  ok(/6 pairs of 1 by 1 pixels/.test(svg));
});
