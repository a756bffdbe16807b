import { equal, ok, throws } from "assert";
import type { Combination } from "../../../core/evaluation/ensemble.ts";
import { ensembleFigure } from "../../../core/figures/ensemble.ts";
import { renderPng, renderSvg } from "../../../core/figures/mod.ts";
import { blendNodes } from "../../../core/reference/blend.ts";

const RANGE = [-8, 8] as const, NODES = blendNodes(RANGE);
const bump = (middle: number, depth: number) => NODES.map((alpha) => -depth * Math.exp(-((alpha - middle) ** 2) / 8));
const first = NODES.map((alpha) => 0.8 / (1 + Math.exp(alpha)));

const COMBINATION: Combination = {
  range: RANGE,
  members: 2,
  weights: first.map((share) => [share, 0.9 - share, 0.1]),
  gaps: [bump(-1, 0.5), bump(2, 0.8)],
  stderrs: [NODES.map(() => 0.03), NODES.map(() => 0.02)],
  gains: [1.253, 2.005],
  gain: 2.4,
};

Deno.test("the ensemble's figure names its members, what each gains, and who counts where", async () => {
  const svg = await renderSvg(ensembleFigure("moons: who counts where", ["runs/a", "runs/b"], COMBINATION));
  for (const word of [">log SNR α, nats<", ">share λ(α)<", ">the reference: 0<", ">together: −2.400 nats<"]) {
    ok(svg.includes(word), word);
  }
  ok(svg.includes(">1 runs/a: −1.253 nats<"), `${svg.match(/>1 runs[^<]*</)}`);
  ok(!/NaN|Infinity/.test(svg));
  ok((await renderPng(svg, 300)).length > 5000);
});

Deno.test("many members and ones that have diverged are drawn; a missing name is an error", async () => {
  const gaps = Array.from({ length: 10 }, (_, i) => bump(i - 5, 0.1 * (i + 1)));
  gaps[3] = gaps[3].map(() => NaN);
  gaps[4] = gaps[4].map(() => 1e9);
  const many: Combination = {
    ...COMBINATION,
    members: 10,
    weights: NODES.map(() => [...gaps.map((_, i) => i === 3 ? 0 : 1 / 9), 0]),
    gaps,
    stderrs: gaps.map(() => NODES.map(() => 0.01)),
    gains: gaps.map((_, i) => i === 3 ? -Infinity : i),
  };
  const names = gaps.map((_, i) => `runs/member-${i}`);
  const svg = await renderSvg(ensembleFigure("many", names, many));
  equal([...svg.matchAll(/>\d+ runs\/member-/g)].length, 10);
  ok(svg.includes(">4 runs/member-3: diverged<"));
  ok(!/[" ,]NaN|Infinity/.test(svg.replace(/<text[^>]*>[^<]*/g, "")));
  throws(() => ensembleFigure("many", ["one"], many), /Got 1 names for 10 members/);
});
