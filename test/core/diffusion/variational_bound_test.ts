import { deepEqual, equal, ok, throws } from "assert";
import { clampTo, type Grid } from "../../../core/diffusion/discrete.ts";
import {
  discreteDecoder,
  evenSchedule,
  gaussianDecoder,
  learnedLogVariance,
  type LearnedVariance,
  respaced,
  reverseStep,
  standardPrior,
  stepDivergence,
  type StepVariance,
  valueDivergence,
} from "../../../core/diffusion/variational_bound.ts";
import { DDPM_SCHEDULE, parseSchedule } from "../../../denoisers/unet_pretrained/schedule.ts";

/** Terms by improved-diffusion's formulas, printed by test/interop/variational_bound.py. */
interface Case {
  readonly x: readonly number[];
  readonly noise: readonly number[];
  readonly eps_hat: readonly number[];
  readonly cases: readonly {
    readonly variance: StepVariance | LearnedVariance;
    /** What a network says of each value's variance, where that is learned. */
    readonly v?: readonly number[];
    readonly steps: number;
    readonly t: readonly number[];
    readonly nats: readonly number[];
    readonly prior: number;
  }[];
}

const GRID: Grid = { low: -1, delta: 2 / 255, count: 256 };

function near(got: number, wanted: number, what: string): void {
  ok(Math.abs(got - wanted) <= 1e-6 * Math.abs(wanted) + 1e-9, `${what}: ${got}, expected ${wanted}`);
}

Deno.test("the terms of the bound are improved-diffusion's, of all of a model's steps and of some", async () => {
  const file = new URL("../../reference/variational_bound/case.json", import.meta.url);
  const { x, noise, eps_hat: epsHat, cases }: Case = JSON.parse(await Deno.readTextFile(file));
  const { diffusion } = parseSchedule(DDPM_SCHEDULE, "DDPM"), d = x.length;
  for (const { variance: kind, v, steps, t: chosen, nats, prior } of cases) {
    const isLearned = kind === "learned" || kind === "learned_range", variance = isLearned ? "fixed_large" : kind;
    const { logsnr } = respaced({ ...diffusion!, variance }, steps);
    chosen.forEach((t, k) => {
      const scale = Math.exp(-logsnr[t] / 2);
      const within = x.map((value, i) => clampTo(value + scale * (noise[i] - epsHat[i]), GRID));
      const error = within.reduce((sum, value, i) => sum + (value - x[i]) ** 2, 0);
      const last = reverseStep(logsnr[1], logsnr[0], "fixed_small").posterior;
      const back = t > 0 ? reverseStep(logsnr[t], logsnr[t - 1], variance) : undefined;
      const [least, most] = back ? [back.posterior, back.beta] : [last, 1 / (1 + Math.exp(logsnr[0]))];
      const logOf = (i: number) => isLearned ? learnedLogVariance(v![i], kind, least, most) : Math.log(last);
      const term = !back
        ? x.reduce((sum, value, i) => sum + discreteDecoder(value, within[i], Math.exp(logOf(i)), GRID), 0)
        : isLearned
        ? x.reduce((sum, value, i) => sum + valueDivergence(back, (value - within[i]) ** 2, logOf(i)), 0)
        : stepDivergence(back, error, d);
      near(term, nats[k], `${kind}, step ${t} of ${steps}`);
    });
    near(standardPrior(x.reduce((sum, value) => sum + value ** 2, 0), logsnr[steps - 1], d), prior, "prior");
  }
});

Deno.test("the probabilities of a discrete decoder are 1 in all, within its approximation", () => {
  for (const variance of [1e-5, 1e-3, 0.1]) {
    const total = Array.from(
      { length: 256 },
      (_, k) => Math.exp(-discreteDecoder(-1 + k * 2 / 255, 0.9, variance, GRID)),
    );
    ok(Math.abs(total.reduce((sum, p) => sum + p, 0) - 1) < 1e-9);
  }
});

Deno.test("steps over a range of log SNRs fall from its end to its beginning; of a model's steps some are taken", () => {
  const even = evenSchedule({ loc: 1, scale: 2 }, 5, "fixed_large");
  deepEqual([...even.logsnr], [9, 5, 1, -3, -7]);
  const some = respaced({ ...even, told: even.logsnr.map((alpha) => alpha + 0.1) }, 3);
  deepEqual([[...some.logsnr], [...some.told!]], [[9, 1, -7], [9.1, 1.1, -6.9]]);
  throws(() => respaced(even, 6), /Got 6 steps, expected from 2 to 5/);
  // The posterior's mean is that of x and of what is left of z, and both variances are those of one step.
  const { gain, posterior, variance } = reverseStep(1, 1.5, "fixed_large");
  ok(gain > 0 && gain < 1 && posterior < variance && variance < 1);
  equal(reverseStep(1, 1.5, "fixed_small").variance, posterior);
  near(gaussianDecoder(2, 1, 3), 1.5 * Math.log(2 * Math.PI) + 1, "decoder");
});
