import { equal, ok, throws } from "assert";
import type { Winners } from "../../../core/evaluation/ensemble.ts";
import { ensembleFigure } from "../../../core/figures/ensemble.ts";
import { renderPng, renderSvg } from "../../../core/figures/mod.ts";

const BINS = 32;
const centre = (k: number) => -8 + 16 * (k + 0.5) / BINS;
const bump = (middle: number, depth: number) =>
  Array.from({ length: BINS }, (_, k) => -depth * Math.exp(-((centre(k) - middle) ** 2) / 8));

const WINNERS: Winners = {
  range: [-8, 8],
  members: 2,
  winners: Array.from({ length: BINS }, (_, k) => k < 6 ? 2 : k < 17 ? 0 : 1),
  gaps: [bump(-1, 0.5), bump(2, 0.8).map((gap, k) => k < 6 ? gap + 0.05 : gap)],
  stderrs: [new Array(BINS).fill(0.03), new Array(BINS).fill(0.02)],
};

Deno.test("the ensemble's figure names its members, what each gains, and who wins where", async () => {
  const svg = await renderSvg(ensembleFigure("moons: who wins where", ["runs/a", "runs/b"], WINNERS));
  for (const word of [">log SNR α, nats<", ">Gaussian<", ">1<", ">2<"]) ok(svg.includes(word), word);
  // −½ ∫ 0.5·exp(−α²/8) dα.
  ok(svg.includes(">1 runs/a: −1.253 nats<"), `${svg.match(/>1 runs[^<]*</)}`);
  ok(/>who wins; together −2\.\d+ nats</.test(svg));
  ok(!/NaN|Infinity/.test(svg));
  ok((await renderPng(svg, 300)).length > 5000);
});

Deno.test("many members, one that has diverged and narrow bands are drawn; a missing name is an error", async () => {
  const gaps = Array.from({ length: 10 }, (_, i) => bump(i - 5, 0.1 * (i + 1)));
  gaps[3] = gaps[3].map(() => NaN);
  gaps[4] = gaps[4].map(() => 1e9);
  const many: Winners = {
    ...WINNERS,
    members: 10,
    winners: Array.from({ length: BINS }, (_, k) => k % 10),
    gaps,
    stderrs: gaps.map(() => new Array(BINS).fill(0.01)),
  };
  const names = gaps.map((_, i) => `runs/member-${i}`);
  const svg = await renderSvg(ensembleFigure("many", names, many));
  equal([...svg.matchAll(/>\d+ runs\/member-/g)].length, 10);
  ok(!/[" ,]NaN|Infinity/.test(svg.replace(/<text[^>]*>[^<]*/g, "")));
  throws(() => ensembleFigure("many", ["one"], many), /Got 1 names for 10 members/);
});
