import { referenceNll } from "../reference/mixture.ts";
import { type Estimate, meanAndStderr, nllAgainstReference, nllAgainstStandard } from "../diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrRange, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import { blendAt, blendedError, type BlendErrors, fitBlend } from "../reference/blend.ts";
import type { Random } from "../random/random.ts";
import { drawn } from "../random/row_uniforms.ts";
import { conditionOf, type Samples, toFloat32 } from "../data/samples.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

/** What was measured of some samples at one log SNR each, as means over both signs of the noise. */
interface PairedErrors {
  /** The place of the first sample. */
  readonly begin: number;
  readonly logsnr: Float32Array;
  readonly mse: Float64Array;
  readonly mseReference: Float64Array;
  readonly distance: Float64Array;
}

/**
 * Measures all samples `levels` times, a block of them at a time.
 *
 * Each sample gets `levels` log SNRs, one from each of as many strata of the proposal, and within a stratum the
 * samples share it out among themselves. Every noise is used with both signs, which removes the error's odd part.
 */
async function* pairedErrors(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
): AsyncGenerator<PairedErrors> {
  const { count: n, dimension: d } = samples;
  const block = evaluationsAtOnce(d) / 2;
  for (let level = 0; level < levels; level++) {
    const order = random.permutation(n);
    for (let begin = 0; begin < n; begin += block) {
      const size = Math.min(n, begin + block) - begin;
      const quantiles = random.fillUniform(new Float64Array(size));
      const logsnr = new Float32Array(2 * size);
      for (let i = 0; i < size; i++) {
        const u = (level + (order[begin + i] + quantiles[i]) / n) / levels;
        logsnr[i] = logsnr[size + i] = logsnrAtQuantile(u, proposal);
      }
      const eps = new Float32Array(2 * size * d);
      random.fillNormal(eps.subarray(0, size * d));
      for (let i = 0; i < size * d; i++) eps[size * d + i] = -eps[i];
      const x = new Float32Array(2 * size * d);
      samples.copy(begin, begin + size, x);
      x.copyWithin(size * d, 0, size * d);
      const errors = await meter.measure(x, eps, logsnr, conditionOf(samples, begin, begin + size, 2));
      const both = (of: Float32Array) => Float64Array.from({ length: size }, (_, i) => (of[i] + of[size + i]) / 2);
      yield {
        begin,
        logsnr: logsnr.subarray(0, size),
        mse: both(errors.mse),
        mseReference: both(errors.mseReference),
        distance: both(errors.distance),
      };
    }
  }
}

/**
 * The paired estimate of −log p(x) for each sample, in nats.
 *
 * @param levels Log SNRs per sample.
 * @returns One value per sample; their mean estimates the NLL.
 */
export async function nllPerSample(
  meter: ErrorMeter,
  given: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<Float64Array> {
  const samples = drawn(given, random), nll = referenceNll(samples, meter.reference);
  for await (const { begin, logsnr, mse, mseReference } of pairedErrors(meter, samples, proposal, random, levels)) {
    logsnr.forEach((alpha, i) => {
      const error = { logsnr: alpha, weight: logsnrWeight(alpha, proposal), mse: mse[i] };
      nll[begin + i] += nllAgainstReference(error, mseReference[i], 0) / levels;
    });
  }
  return nll;
}

/** The blends of the first and of the second of each two samples, each fitted to the others. */
export type HalfBlends = readonly [first: Float32Array, second: Float32Array];

/**
 * Blends a denoiser with its reference so that the NLL of samples is the least, and estimates the NLL of such a blend: for
 * each half of the samples with the blend that the other half has, since its own is a little too good for it.
 *
 * @param meter Of the denoiser by itself.
 * @param onPairs Told how many pairs of evaluations are done, of how many.
 * @returns Also the NLL of the denoiser by itself, `own`.
 */
export async function blendedNll(
  meter: ErrorMeter,
  given: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
  onPairs?: (done: number, total: number) => void,
): Promise<
  { readonly estimate: Estimate; readonly own: number; readonly blend: Float32Array; readonly halves: HalfBlends }
> {
  const range = logsnrRange(proposal), samples = drawn(given, random);
  const blocks: PairedErrors[] = [];
  let pairs = 0;
  for await (const block of pairedErrors(meter, samples, proposal, random, levels)) {
    blocks.push(block);
    onPairs?.(pairs += block.logsnr.length, levels * samples.count);
  }
  const fit = (half?: number) =>
    fitBlend(
      half === undefined ? blocks : blocks.map((block) => halfOf(block, half)),
      range,
      (alpha) => logsnrWeight(alpha, proposal),
    );
  const halves: HalfBlends = [fit(1), fit(0)];
  const nll = referenceNll(samples, meter.reference);
  let own = nll.reduce((sum, value) => sum + value / nll.length, 0);
  for (const block of blocks) {
    addBlended(nll, block, halves, proposal, levels);
    block.logsnr.forEach((alpha, i) => {
      const error = { logsnr: alpha, weight: logsnrWeight(alpha, proposal), mse: block.mse[i] };
      own += nllAgainstReference(error, block.mseReference[i], 0) / levels / nll.length;
    });
  }
  return { estimate: meanAndStderr(nll), own, blend: fit(), halves };
}

/**
 * The NLL of samples as {@linkcode blendedNll} estimates it, with blends that it fitted to others: of the same samples, told
 * something else, and the same noise, the difference is that of what they were told.
 *
 * @param meter Of the denoiser by itself.
 */
export async function nllOfHalves(
  meter: ErrorMeter,
  given: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
  halves: HalfBlends,
): Promise<Estimate> {
  const samples = drawn(given, random), nll = referenceNll(samples, meter.reference);
  for await (const block of pairedErrors(meter, samples, proposal, random, levels)) {
    addBlended(nll, block, halves, proposal, levels);
  }
  return meanAndStderr(nll);
}

/** Adds a block's part to the NLL of each sample. */
function addBlended(
  nll: Float64Array,
  { begin, logsnr, mse, mseReference, distance }: PairedErrors,
  halves: HalfBlends,
  proposal: Proposal,
  levels: number,
): void {
  const range = logsnrRange(proposal);
  logsnr.forEach((alpha, i) => {
    const lambda = blendAt(alpha, halves[(begin + i) % 2], range);
    const blended = blendedError(lambda, mse[i], mseReference[i], distance[i]);
    const error = { logsnr: alpha, weight: logsnrWeight(alpha, proposal), mse: blended };
    nll[begin + i] += nllAgainstReference(error, mseReference[i], 0) / levels;
  });
}

/** The rows of every other sample. @param half 0 for the first of each two, 1 for the second. */
function halfOf({ begin, logsnr, mse, mseReference, distance }: PairedErrors, half: number): BlendErrors {
  const every = (of: Float32Array | Float64Array) => of.filter((_, i) => (begin + i) % 2 === half);
  return { logsnr: every(logsnr), mse: every(mse), mseReference: every(mseReference), distance: every(distance) };
}

/**
 * The paired estimate of the data's NLL in nats. Its standard error covers both the noise and the finite number of
 * samples; it takes the samples' values as independent, which their shared strata make slightly too large.
 */
export async function estimateNll(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<Estimate> {
  return meanAndStderr(await nllPerSample(meter, samples, proposal, random, levels));
}

/** The seed's estimate of the NLL in nats: one log SNR per sample, compared with N(0, I) in expectation. */
export async function estimateNllAgainstStandard(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
): Promise<Estimate> {
  const { count: n, dimension: d } = samples;
  const u = random.fillUniform(new Float64Array(n));
  const logsnr = Float32Array.from(u, (quantile) => logsnrAtQuantile(quantile, proposal));
  const nll = new Float64Array(n);
  const block = evaluationsAtOnce(d);
  for (let begin = 0; begin < n; begin += block) {
    const end = Math.min(n, begin + block);
    const eps = random.fillNormal(new Float32Array((end - begin) * d));
    const { mse } = await meter.measure(
      toFloat32(samples, begin, end),
      eps,
      logsnr.subarray(begin, end),
      conditionOf(samples, begin, end),
    );
    mse.forEach((error, i) => {
      const alpha = logsnr[begin + i];
      nll[begin + i] = nllAgainstStandard({ logsnr: alpha, weight: logsnrWeight(alpha, proposal), mse: error }, d);
    });
  }
  return meanAndStderr(nll);
}
