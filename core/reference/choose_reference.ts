import { createEngine, type Engine } from "../engine/mod.ts";
import { UserError } from "../errors/user_error.ts";
import type { Dataset } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import type { Condition } from "../data/condition.ts";
import { floatSamples, type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import { evenProposal, type Proposal } from "../diffusion/logsnr.ts";
import { chooseConditional, isBetter } from "./choose_conditional.ts";
import { leastDistance } from "./atoms.ts";
import { chooseMixture, MAX_MIXTURE_DIMENSION } from "./choose_mixture.ts";
import { structureOf } from "./conditioning.ts";
import { someSamples } from "./fit_mixture.ts";
import { fitGaussian, type Gaussian } from "./gaussian.ts";
import { type GaussianMixture, mixtureNll, onlyGaussian } from "./mixture.ts";
import { projected, type Subspace, widestSubspace } from "./subspace.ts";

/** What a reference is asked for by; a mixture may have its number of components, as `mixture:32`. */
export const REFERENCES = ["auto", "gaussian", "mixture", "kernel", "none"] as const;

/** Kernels of a kernel density, and samples that its width is chosen by. */
const KERNELS = 1024;
const KERNEL_JUDGES = 2048;

/** Widths that are tried, from a quarter of the data's scale down by powers of √2. */
const WIDTHS = 14;

/** Above this dimension kernels around so many samples are no density that a model is near to. */
const MAX_KERNEL_DIMENSION = 16;

/** What mixtures are fitted on. */
const FITTING = "onnx-cpu";

/**
 * In more dimensions than a mixture of full covariances can be fitted in, it is one along so many of the directions in which
 * the data varies the most, and the samples that it is fitted to are at most so many.
 */
const SUBSPACE = 64;
const SUBSPACE_SAMPLES = 1 << 15;

/** Samples that a mixture is fitted to at least. */
const LEAST_SAMPLES = 20;

/** How a reference is chosen. */
export interface ReferenceRequest {
  readonly kind: typeof REFERENCES[number];
  /** Of a mixture; by the validation samples if left out. */
  readonly components?: number;
}

/** A reference, and the mixture that the data's range of log SNRs is read from. */
export interface ChosenReference {
  /** One Gaussian where no other was asked for, or none describes the validation samples better. */
  readonly reference: GaussianMixture;
  /** What resolves the data's structure, whatever the reference. */
  readonly structure: GaussianMixture;
}

/** Whether a text is one that {@linkcode referenceRequest} reads. */
export function isReference(text: string): boolean {
  try {
    referenceRequest(text);
    return true;
  } catch {
    return false;
  }
}

/** Reads `auto`, `gaussian`, `mixture`, `mixture:32`, `kernel` or `none`. @throws {UserError} For anything else. */
export function referenceRequest(text: string): ReferenceRequest {
  const [kind, count, ...rest] = text.split(":");
  const components = Number(count);
  const isKnown = (REFERENCES as readonly string[]).includes(kind) && rest.length === 0;
  if (isKnown && count === undefined) return { kind: kind as ReferenceRequest["kind"] };
  if (isKnown && kind === "mixture" && Number.isInteger(components) && components >= 1 && components <= 4096) {
    return { kind, components };
  }
  throw new UserError(
    `--reference is ${text}, expected ${REFERENCES.join(", ")}, or mixture:32 for a mixture of 32 Gaussians.`,
  );
}

/**
 * Fits the density that a model of the data is compared and blended with.
 *
 * @param gaussian The training data's.
 * @param condition What is known of the samples, which they have with them. The reference is then a conditional density
 * where that says more of the validation samples than one without it.
 * @throws {UserError} When what is asked for cannot be had in so many dimensions, or of so few samples.
 */
export async function chooseReference(
  engine: Engine,
  { train, validation }: Pick<Dataset, "train" | "validation">,
  gaussian: Gaussian,
  { kind, components }: ReferenceRequest,
  random: Random,
  signal?: AbortSignal,
  condition?: Condition,
): Promise<ChosenReference> {
  const d = train.dimension, one = onlyGaussian(gaussian);
  const within = d > MAX_MIXTURE_DIMENSION ? widestSubspace(gaussian, SUBSPACE) : undefined;
  // Of fewer samples nothing is to be told but the Gaussian.
  const isEnough = train.count >= LEAST_SAMPLES && train.count >= 2 * (within ? SUBSPACE : d);
  if (kind === "kernel" && d > MAX_KERNEL_DIMENSION) {
    throw new UserError(
      `--reference is kernel, but the data has ${d} dimensions, expected at most ${MAX_KERNEL_DIMENSION}. Take mixture.`,
    );
  }
  if (components !== undefined && components > train.count) {
    throw new UserError(
      `--reference is a mixture of ${components}, but the data has ${train.count} training samples. Take fewer.`,
    );
  }
  if (!isEnough && kind === "mixture") {
    throw new UserError(
      `--reference is mixture, but the data has ${train.count} training samples of ${d} values, expected at least ` +
        `${Math.max(LEAST_SAMPLES, 2 * (within ? SUBSPACE : d))}. Take auto or gaussian.`,
    );
  }
  if (!isEnough) return { reference: one, structure: one };
  // The compiled engine is the fastest at it on every machine, and the mixture the same whatever trains the model.
  const compiled = engine.backend === FITTING ? engine : await createEngine(FITTING, engine.threads);
  const options = { components, signal };
  const parts = within ? { train: part(train, within), validation: part(validation, within) } : { train, validation };
  const choose = async () => {
    const plain = await chooseMixture(compiled, parts.train, parts.validation, random.split("mixture"), options);
    if (!condition || kind === "kernel") return { chosen: plain.mixture };
    const each = { ...options, ...(kind === "gaussian" ? { components: 1 } : {}) };
    const stream = random.split("conditional");
    const conditional = await chooseConditional(compiled, parts.train, parts.validation, condition, stream, each);
    const than = kind === "gaussian" ? one : plain.mixture;
    // Of samples in a subspace both are compared within it.
    const isChosen = conditional &&
      isBetter(conditional, within && than === one ? plain.mixture : than, parts.validation);
    return { chosen: plain.mixture, ...(isChosen ? { conditional } : {}) };
  };
  const { chosen, conditional } = await choose().finally(() => compiled === engine || compiled.dispose());
  if (conditional) {
    const mixture = { ...conditional, ...(within ? { within } : {}) };
    return { reference: kind === "none" ? one : mixture, structure: structureOf(mixture) };
  }
  const mixture = within && chosen.components.length > 1 ? { ...chosen, within } : within ? one : chosen;
  if (kind === "kernel") {
    return { reference: kernelDensity(train, validation, gaussian, random.split("kernel")), structure: mixture };
  }
  const isMixture = kind === "mixture" || kind === "auto" && mixture.components.length > 1;
  return { reference: isMixture ? mixture : one, structure: mixture };
}

/** Samples within a subspace in memory, evenly many of them where all would take too much. */
function part(samples: Samples, within: Subspace): Samples {
  const step = Math.max(1, samples.count / SUBSPACE_SAMPLES);
  const rows = Uint32Array.from({ length: Math.floor(samples.count / step) }, (_, k) => Math.floor(k * step));
  const { condition, ...some } = step === 1 ? samples : selectRows(samples, rows);
  return { ...floatSamples(projected(some, within), within.axes.length), ...(condition ? { condition } : {}) };
}

/** A part of the samples that their structure is chosen by, where there are no others. */
const JUDGES = 0.1;

/** A mixture fitted to samples alone, of which a part chooses it; one Gaussian where a mixture is too much. */
export async function mixtureNear(
  engine: Engine,
  samples: Samples,
  random: Random,
  signal?: AbortSignal,
): Promise<GaussianMixture> {
  if (samples.dimension > MAX_MIXTURE_DIMENSION) return onlyGaussian(fitGaussian(samples));
  const { count } = samples, judges = Math.max(1, Math.floor(JUDGES * count));
  const order = random.split("judges").permutation(count);
  const parts = {
    train: selectRows(samples, order.slice(judges).sort()),
    validation: selectRows(samples, order.slice(0, judges).sort()),
  };
  const request = { kind: "auto" } as const;
  return (await chooseReference(engine, parts, fitGaussian(samples), request, random, signal)).structure;
}

/** A logistic proposal from the data alone, over the log SNRs that its structure has. @param train The training samples. */
export async function autoProposal(
  engine: Engine,
  train: Samples,
  random: Random,
  signal?: AbortSignal,
): Promise<Proposal> {
  const { even: _, ...logistic } = evenProposal(...rangeOf(await mixtureNear(engine, train, random, signal)));
  return logistic;
}

/** Gaussians of one width around training samples, of the width under which the validation samples are the most likely. */
function kernelDensity(train: Samples, validation: Samples, gaussian: Gaussian, random: Random): GaussianMixture {
  const d = train.dimension;
  const centres = toFloat32(someSamples(train, KERNELS, random.split("centres")));
  const judges = someSamples(validation, KERNEL_JUDGES, random.split("judges"));
  const count = centres.length / d;
  const scale = Math.sqrt(gaussian.eigenvalues.reduce((sum, l) => sum + l / d, 0));
  const weights = new Float64Array(count).fill(1 / count);
  const ofWidth = (width: number): GaussianMixture => {
    const eigenvalues = new Float64Array(d).fill(width ** 2);
    const component = (i: number) => ({ mean: Float64Array.from(centres.subarray(i * d, (i + 1) * d)), eigenvalues });
    return { weights, components: Array.from({ length: count }, (_, i) => component(i)) };
  };
  const tried = Array.from({ length: WIDTHS }, (_, k) => {
    const mixture = ofWidth(0.25 * scale * Math.SQRT1_2 ** k);
    return { mixture, nll: mixtureNll(judges, mixture).reduce((sum, nll) => sum + nll, 0) };
  });
  return tried.reduce((a, b) => b.nll < a.nll ? b : a).mixture;
}

/**
 * Nats below where the largest structure is resolved, and above where the finest is, that a range holds. What lies beyond
 * the upper end falls as e^−α, for each of the dimensions.
 */
const AROUND = 5, AROUND_EACH = 0.5, FEW = 4;

/** The part of a mixture's variances, by weight, that may be finer than its finest structure. */
const FINEST = 0.02;

/** Deviations of the noise that levels are apart where it no longer confuses them: half of it is beyond 4.5 in 7e-6. */
const TOLD = 9;

/** How far a range goes above where the largest structure shows: beyond it the noise is near the rounding of float32 data. */
const MOST = 24;

/**
 * The log SNRs outside which data of a mixture is as good as lost in noise, or as good as known: the gap to the model's own
 * error lies between them. In nats.
 */
export function rangeOf({ weights, components, within, atoms }: GaussianMixture): [number, number] {
  if (atoms && atoms.blocks.length > 0) {
    // Levels are as good as told where their points are this many deviations of the noise apart.
    const told = Math.log(TOLD ** 2 / leastDistance(atoms.blocks)), own: [number, number][] = [[-AROUND, told]];
    if (components[0].mean.length > 0) own.push(rangeOf({ weights, components }));
    return [Math.min(...own.map(([low]) => low)), Math.max(...own.map(([, high]) => high))];
  }
  if (within) {
    const whole = rangeOf(onlyGaussian(within.gaussian)), own = rangeOf({ weights, components });
    return [Math.min(whole[0], own[0]), Math.max(whole[1], own[1])];
  }
  const centre = components[0].mean.map((_, j) =>
    components.reduce((sum, { mean }, i) => sum + weights[i] * mean[j], 0)
  );
  const largest = components.reduce((most, { mean, eigenvalues }) => {
    const distance = mean.reduce((sum, m, j) => sum + (m - centre[j]) ** 2, 0);
    return Math.max(most, distance + eigenvalues.reduce((a, b) => Math.max(a, b)));
  }, 0);
  const variances = components.flatMap(({ eigenvalues }, i) =>
    Array.from(eigenvalues, (l) => ({ variance: l, weight: weights[i] / eigenvalues.length }))
  ).sort((a, b) => a.variance - b.variance);
  let finest = 0, passed = 0;
  while (finest < variances.length - 1 && (passed += variances[finest].weight) < FINEST) finest++;
  const above = AROUND + AROUND_EACH * Math.log(Math.max(1, centre.length / FEW));
  const bottom = -Math.log(largest);
  return [bottom - AROUND, Math.min(bottom + MOST, -Math.log(variances[finest].variance) + above)];
}
