import { type Condition, conditionPlaces, conditionWidth } from "../data/condition.ts";
import { conditionOf, floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import type { LogsnrDistribution } from "../diffusion/reweighted_proposal.ts";
import type { Random } from "../random/random.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

/** What of likelihoods is measured: the errors less the reference's, or the errors alone. */
export const FORMS = ["paired", "errors"] as const;

export type Form = typeof FORMS[number];

/** What is measured, and on which draws. */
export interface ClassDraws {
  readonly meter: ErrorMeter;
  /** The same samples, told to be of each class. */
  readonly told: readonly Samples[];
  readonly proposal: LogsnrDistribution;
  /** Decides the log SNRs and the noise. */
  readonly random: Random;
}

/** What a round finds of some samples, all classes on the same noise at the same log SNRs. */
export interface ClassRound {
  /** The samples are those from here on. */
  readonly first: number;
  readonly round: number;
  /** ½ E‖ε − ε̂(z | c)‖² over the log SNR's density, less the reference's where paired, `[samples, classes]` in nats. */
  readonly values: Readonly<Record<Form, Float64Array>>;
}

/**
 * Measures the integrand of −log p(x | c) of each sample and class, whose mean over the rounds is the integral. Each round
 * has its own part of the log SNRs, from the lowest up.
 *
 * @param take Is given each round.
 * @returns Whether all was measured, and no signal ended it.
 */
export async function measureClasses(
  { meter, told, proposal, random }: ClassDraws,
  { rounds, signal, onProgress }: {
    readonly rounds: number;
    readonly signal?: AbortSignal;
    /** Called with the part of all that is done. */
    readonly onProgress?: ((part: number) => void) | undefined;
  },
  take: (round: ClassRound) => void,
): Promise<boolean> {
  const [{ dimension: d, count }] = told, k = told.length, block = evaluationsAtOnce(d) / 2;
  for (let first = 0; first < count; first += block) {
    const end = Math.min(count, first + block), size = end - first;
    const stream = random.split(first);
    const x = twice(toFloat32(told[0], first, end));
    // In one place within the parts of all rounds, where a smooth integrand's errors cancel.
    const places = stream.fillUniform(new Float64Array(size));
    for (let round = 0; round < rounds; round++) {
      const { logsnr, eps } = drawOf(stream, proposal, d, places.map((place) => (round + place) / rounds));
      const values = { paired: new Float64Array(size * k), errors: new Float64Array(size * k) };
      for (const [c, each] of told.entries()) {
        if (signal?.aborted) return false;
        const { mse, mseReference } = await meter.measure(x, eps, logsnr, conditionOf(each, first, end, 2));
        for (let i = 0; i < size; i++) {
          const half = 0.25 * proposal.weight(logsnr[i]), at = i * k + c;
          values.errors[at] = half * (mse[i] + mse[size + i]);
          values.paired[at] = half * (mse[i] - mseReference[i] + mse[size + i] - mseReference[size + i]);
        }
        onProgress?.((first + size * (round + (c + 1) / k) / rounds) / count);
      }
      take({ first, round, values });
    }
  }
  return true;
}

/** Noise with both signs, and the log SNRs at quantiles of the proposal. */
function drawOf(random: Random, proposal: LogsnrDistribution, d: number, quantiles: Float64Array) {
  const values = quantiles.length * d, eps = twice(random.fillNormal(new Float32Array(values)));
  for (let i = values; i < eps.length; i++) eps[i] = -eps[i];
  return { logsnr: twice(Float32Array.from(quantiles, (u) => proposal.atQuantile(u))), eps };
}

/** Values, and once more. */
function twice(values: Float32Array): Float32Array {
  const both = new Float32Array(2 * values.length);
  both.set(values);
  both.set(values, values.length);
  return both;
}

/** Samples that are told to be of a class, with what else is known of them. */
export function givenLevel(samples: Samples, condition: Condition, variable: number, level: number): Samples {
  const width = conditionWidth(condition), place = conditionPlaces(condition)[variable];
  const own = condition[variable], size = own.kind === "class" ? own.levels.length : 1;
  const vectors = samples.condition ? toFloat32(samples.condition) : new Float32Array(samples.count * width);
  for (let at = place; at < vectors.length; at += width) {
    vectors[at] = 1;
    vectors.fill(0, at + 1, at + 1 + size);
    vectors[at + 1 + level] = 1;
  }
  return { ...samples, condition: floatSamples(vectors, width) };
}
