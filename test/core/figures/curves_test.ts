import assert from "assert";
import { textWidth } from "../../../core/figures/layout.ts";
import { lossDomain } from "../../../core/figures/loss.ts";
import { headline, lossFigure, mseFigure, overviewFigure, renderPng, renderSvg } from "../../../core/figures/mod.ts";
import { COLOURS } from "../../../core/figures/theme.ts";
import { epochs, mseRecord, overviewRecord } from "./examples.ts";

function assertLabels(svg: string, labels: readonly string[]): void {
  for (const label of labels) assert.ok(svg.includes(`>${label}<`), `the figure says "${label}"`);
}

Deno.test("the MSE figure names its axes, curves, gap and proposals", async () => {
  const svg = await renderSvg(mseFigure(mseRecord));
  assertLabels(svg, ["log SNR α, nats", "E‖ε − ε̂‖²", "denoiser ± 1 s.e.", "Gaussian MMSE", "gap, ½∫ ≈ −0.12 nats"]);
  assertLabels(svg, ["proposal: loc 0, scale 3", "suggested: loc −1.5, scale 1.25"]);
  assert.ok(!svg.includes("standard Gaussian"));
  const { stderr: _, ...exact } = mseRecord;
  const other = await renderSvg(mseFigure({ ...exact, standard: mseRecord.gaussian }));
  assertLabels(other, ["standard Gaussian", "denoiser"]);
});

Deno.test("an MSE curve in any order, with holes, is drawn; one of unequal lengths is not", async () => {
  const mse = mseRecord.mse.map((value, i) => i % 5 === 0 ? NaN : value);
  const reversed = { ...mseRecord, mse: mse.toReversed(), logsnr: mseRecord.logsnr.toReversed() };
  const svg = await renderSvg(mseFigure({ ...reversed, gaussian: mseRecord.gaussian.toReversed() }));
  assert.ok(svg === await renderSvg(mseFigure({ ...mseRecord, mse })), "the order of the log SNRs does not matter");
  assert.ok(!/NaN|Infinity/.test(svg));
  assert.throws(() => mseFigure({ ...mseRecord, mse: [1] }), /Got 1 values of "mse" for 25 log SNRs/);
  assert.throws(() => mseFigure({ ...mseRecord, logsnr: [], mse: [], gaussian: [], stderr: [] }), /no points/);
});

Deno.test("the loss figure's range is that of the settled run, and holds the entropy", () => {
  const [low, high] = lossDomain({ epochs });
  assert.ok(low > 1.2 && low < 1.3, `low ${low}`);
  assert.ok(high > 1.38 && high < 1.6, `high ${high}`);
  assert.ok(lossDomain({ epochs, entropy: 0.9 })[0] < 0.9);
  const first = lossDomain({ epochs: epochs.slice(0, 1) });
  assert.ok(first[0] <= 8000 && first[1] >= 9000);
  const flat = lossDomain({ epochs: [{ epoch: 1, trainNll: 2, valNll: 2, valNllStderr: 0 }] });
  assert.ok(flat[0] < 2 && flat[1] > 2);
  assert.deepEqual(lossDomain({ epochs: [{ epoch: 1, trainNll: NaN, valNll: NaN, valNllStderr: NaN }] }), [0, 1]);
});

Deno.test("the loss figure names its curves and the entropy, also after one epoch", async () => {
  const svg = await renderSvg(lossFigure({ title: "ring", epochs, entropy: 1.2185 }));
  assertLabels(svg, ["Epoch", "NLL, nats", "train", "validation", "± 1 standard error", "true entropy 1.218"]);
  const first = await renderSvg(lossFigure({ title: "ring", epochs: epochs.slice(1, 2) }));
  assert.ok(!first.includes("true entropy") && !/NaN|Infinity/.test(first));
  const diverged = epochs.map((point) => ({ ...point, trainNll: NaN, valNll: Infinity }));
  assert.ok(!/NaN|Infinity/.test(await renderSvg(lossFigure({ title: "ring", epochs: diverged }))));
  assert.throws(() => lossFigure({ title: "ring", epochs: [] }), /no epochs/);
});

type Point = readonly [number, number];

/** The lines of a path of `M`, `L` and `Z`; a dot is a line from its middle to its middle. */
function linesOf(tag: string): [Point, Point][] {
  const dot = tag.match(/transform="translate\(([-\d.]+),([-\d.]+)\)"/);
  if (dot) return [[[Number(dot[1]), Number(dot[2])], [Number(dot[1]), Number(dot[2])]]];
  const lines: [Point, Point][] = [];
  let at: Point = [0, 0], start = at;
  for (const [, command, x, y] of (tag.match(/ d="([^"]*)"/)?.[1] ?? "").matchAll(/([MLZ])(?:([-\d.]+),([-\d.]+))?/g)) {
    const to: Point = command === "Z" ? start : [Number(x), Number(y)];
    if (command === "M") start = to;
    lines.push([command === "M" ? to : at, to]);
    at = to;
  }
  return lines;
}

/** Whether a line enters a box, by what is left of it within each pair of edges. */
function crosses([from, to]: readonly [Point, Point], low: Point, high: Point): boolean {
  let [begin, end] = [0, 1];
  for (const k of [0, 1]) {
    const step = to[k] - from[k];
    if (step === 0) {
      if (from[k] <= low[k] || from[k] >= high[k]) return false;
      continue;
    }
    const [a, b] = [(low[k] - from[k]) / step, (high[k] - from[k]) / step];
    [begin, end] = [Math.max(begin, Math.min(a, b)), Math.min(end, Math.max(a, b))];
  }
  return begin < end;
}

/** Whether a point lies within the outlines that lines draw. */
function encloses(lines: readonly (readonly [Point, Point])[], [x, y]: Point): boolean {
  const hits = lines.filter(([a, b]) =>
    (a[1] > y) !== (b[1] > y) && x < a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1])
  );
  return hits.length % 2 === 1;
}

/** Checks that the entropy's label lies in the plot, beside all curves. */
function assertLabelIsFree(svg: string, width: number, height: number, name: string): void {
  const [, x, y, label] = svg.match(/translate\(([\d.]+),([\d.]+)\)"[^>]*>(true entropy [−\d.]+)</)!;
  const [right, baseline] = [Number(x), Number(y)];
  const low: Point = [right - textWidth(label, 11), baseline - 10], high: Point = [right, baseline + 3];
  assert.ok(low[0] >= 0 && right <= width && low[1] >= 0 && high[1] <= height, `${name}: the label is in the plot`);
  const curve = new RegExp(`(stroke|fill)="(${COLOURS.train}|${COLOURS.denoiser})"`);
  const tags = [...svg.matchAll(/<path [^>]*>/g)].map(([tag]) => tag).filter((tag) => curve.test(tag));
  for (const tag of tags) {
    const lines = linesOf(tag);
    const hit = lines.find((line) => crosses(line, low, high));
    assert.ok(!hit, `${name}: the label at ${[low, high]} is crossed by ${hit}`);
    assert.ok(!tag.includes("fill-opacity") || !encloses(lines, low), `${name}: the band covers the label`);
  }
}

Deno.test("the entropy's label lies on no curve", async () => {
  const run = (count: number, nll: (i: number) => number, noise = 0.01, stderr = 0.02) =>
    Array.from({ length: count }, (_, i) => ({
      epoch: i + 1,
      trainNll: nll(i) + noise * Math.sin(i * 12.9),
      valNll: nll(i) + noise * Math.sin(i * 7.3 + 1),
      valNllStderr: stderr,
    }));
  const falling = (i: number) => 0.61 + 2 * Math.exp(-i / 9);
  const cases: Readonly<Record<string, { epochs: typeof epochs; entropy: number }>> = {
    "ends at the entropy": { epochs: run(160, falling), entropy: 0.613 },
    "goes below it at the end": { epochs: run(160, (i) => falling(i) - 0.15 * i / 160), entropy: 0.613 },
    "noise around it": { epochs: run(160, () => 0.6, 0.3, 0.05), entropy: 0.6 },
    "noise around it, an outlier": {
      epochs: run(400, (i) => i === 200 ? -9000 : 0.6, 0.3, 0.05),
      entropy: 0.6,
    },
    "a spike at first": { epochs, entropy: 1.2185 },
    "far below": { epochs, entropy: -40 },
    "far above": { epochs, entropy: 40 },
    "rises": { epochs: run(50, (i) => 0.6 + i / 10), entropy: 0.6 },
    "level": { epochs: run(30, () => 1, 0, 0), entropy: 1 },
    "one epoch": { epochs: run(1, () => 2), entropy: 2 },
    "one epoch above": { epochs: run(1, () => 2.1), entropy: 2 },
    "two epochs": { epochs: run(2, (i) => 1 - i, 0.2), entropy: 0.5 },
    "a wide band": { epochs: run(12, falling, 0.02, 1.5), entropy: 0.613 },
    "holes": {
      epochs: run(60, falling).map((p, i) => i % 4 === 1 ? { ...p, valNll: NaN, trainNll: Infinity } : p),
      entropy: 0.613,
    },
    "none is finite": { epochs: run(3, () => NaN), entropy: 0.3 },
  };
  for (const [name, loss] of Object.entries(cases)) {
    const svg = await renderSvg(lossFigure({ title: "ring", ...loss }));
    assertLabelIsFree(svg, 568, 300, name);
    const overview = await renderSvg(overviewFigure({ ...overviewRecord, loss }));
    // Its other curves have the same colours.
    assertLabelIsFree(overview.slice(overview.indexOf(">Negative log likelihood<")), 340, 140, `${name}, small`);
  }
});

Deno.test("very large and very small numbers share a power of ten beside the axis", async () => {
  const cases: [number, number, string, readonly string[]][] = [
    [1.4e9, 1.3e9, "NLL, nats (×10⁹)", ["1.30", "1.36", "1.40"]],
    [-1.0001e12, -1.0003e12, "NLL, nats (×10¹²)", ["−1.0002", "−1.0004"]],
    [-12_344, -12_345, "NLL, nats", ["−12,340", "−12,346"]],
    [3e-5, -2e-5, "NLL, nats (×10⁻⁵)", ["−2", "0", "3"]],
    [12_345, 12_000, "NLL, nats", ["12,000", "12,300"]],
    [0.02, 0.01, "NLL, nats", ["0.010", "0.020"]],
  ];
  for (const [first, last, title, ticks] of cases) {
    const points = [first, last].map((nll, i) => ({ epoch: i + 1, trainNll: nll, valNll: nll, valNllStderr: 0 }));
    const svg = await renderSvg(lossFigure({ title: "ring", epochs: points }));
    assertLabels(svg, [title, ...ticks]);
    for (const [, label] of svg.matchAll(/text-anchor="end"[^>]*>([^<]+)</g)) {
      assert.ok(textWidth(label, 11) < 49, `${label} is narrower than the margin`);
    }
  }
});

Deno.test("the headline rounds the NLL to its standard error and gives bits per dimension", () => {
  assert.equal(
    headline(overviewRecord),
    "160 epochs · NLL 0.712 ± 0.031 nats · 0.514 bits/dim · true entropy 0.620 nats",
  );
  const { nllStderr: _, ...rest } = overviewRecord;
  assert.equal(
    headline({ ...rest, nll: -2, loss: { epochs } }),
    "160 epochs · NLL −2.000 nats · −1.443 bits/dim",
  );
});

Deno.test("what is too long is set smaller, then cut; a proposal's numbers are shortened before they leave the plot", async () => {
  const size = (svg: string) => Number(svg.match(/font-size="([\d.]+)px" font-weight="600"/)?.[1]);
  const [short, long, longest] = await Promise.all(
    ["ring", "ring ".repeat(13).trim(), "ring ".repeat(99)].map((title) =>
      renderSvg(mseFigure({ ...mseRecord, title }))
    ),
  );
  assert.ok(short.includes(">ring</text>") && long.includes(`>${"ring ".repeat(13).trim()}</text>`));
  assert.ok(size(long) < size(short), `${size(long)} < ${size(short)}`);
  assert.match(longest, />(ring ){5,}[ring ]*…<\/text>/);
  const wide = await renderSvg(mseFigure({ ...mseRecord, loc: -1, scale: 10 }));
  assertLabels(wide, ["proposal −1 ± 10", "suggested: loc −1.5, scale 1.25"]);
});

Deno.test("the overview holds all parts and is small", async () => {
  const svg = await renderSvg(overviewFigure(overviewRecord));
  assertLabels(svg, ["ring", headline(overviewRecord), "Density after epoch 160", "log p(x), nats", "log SNR α, nats"]);
  assertLabels(svg, ["NLL, nats", "Gaussian MMSE", "true entropy 0.620"]);
  assert.ok(svg.length < 400_000);
  assert.ok((await renderPng(svg, 100)).length > 100);
});
