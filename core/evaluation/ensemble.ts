import * as tf from "@tensorflow/tfjs";
import { noisyChannel } from "../diffusion/channel.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import { sizeOf } from "../data/tensors.ts";
import type { HostTensors } from "../data/tensors.ts";
import { conditionOf, type Samples, toFloat32 } from "../data/samples.ts";
import { type Engine, separable } from "../engine/program.ts";
import { UserError } from "../errors/user_error.ts";
import { type DataInfo, type Denoiser, referenceOf, widthOfCondition } from "../plugins/contracts.ts";
import { predict } from "../plugins/predict.ts";
import type { Random } from "../random/random.ts";
import { blendNodes, nodesAt, nodeShares } from "../reference/blend.ts";
import { mixturePrediction } from "../reference/mixture_prediction.ts";
import { ErrorForm, type ErrorProducts, type Weights } from "./combination.ts";
import { errorInputs, errorWidths, evaluationsAtOnce, givenRows } from "./errors.ts";
import { type MeterOptions, rowProgram, rowsOfRun } from "./row_program.ts";

/** Log SNRs for each held-out sample. */
const LEVELS = 32;

/** Models that make no ensemble. */
export class EnsembleError extends UserError {}

/** A model that takes part in an ensemble. */
export interface Member {
  readonly denoiser: Denoiser;
  readonly params: HostTensors;
}

/** How much of each member there is in an ensemble at each log SNR, and all that it is from. */
export interface Combination {
  /** The smallest and the largest log SNR of the nodes, in nats. Beyond them the outermost nodes' weights hold. */
  readonly range: readonly [number, number];
  readonly members: number;
  /** `[nodes][members + 1]`, each node's 1 in all; the last is the reference's, 0 where it is no member. */
  readonly weights: Weights;
  /** Of each member about each node: the mean of its squared error less the reference's. */
  readonly gaps: readonly (readonly number[])[];
  /** The standard errors of the gaps. */
  readonly stderrs: readonly (readonly number[])[];
  /** Of each member: how many nats its NLL lies below the reference's, by the errors that the weights were fitted to. */
  readonly gains: readonly number[];
  /** The same of the ensemble, which is a little too good for that. */
  readonly gain: number;
}

/** How an ensemble is fitted. */
export interface CombineOptions extends MeterOptions {
  /** Whether the reference is a member too. */
  readonly reference?: boolean;
  /** Log SNRs for each held-out sample. */
  readonly levels?: number;
  /** Told after each measurement how many of all are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Scales at which a common proposal is cut off. */
const CLIP = 4;

/**
 * A proposal over the log SNRs of all members' proposals: that of the first where all have its range, even where all are.
 * Members are also measured where they were not trained; there the others count.
 */
export function commonProposal(proposals: readonly Proposal[]): Proposal {
  const ranges = proposals.map(logsnrRange);
  if (ranges.every(([low, high]) => low === ranges[0][0] && high === ranges[0][1])) return proposals[0];
  const low = Math.min(...ranges.map(([from]) => from)), high = Math.max(...ranges.map(([, to]) => to));
  const even = proposals.every((proposal) => proposal.even) ? { even: true } : {};
  return { loc: (low + high) / 2, scale: (high - low) / 2 / CLIP, clip: CLIP, ...even };
}

/** The parameters of all members under names of their own. */
export function memberParams(members: readonly Member[]): HostTensors {
  return Object.assign(
    {},
    ...members.map(({ params }, member) =>
      Object.fromEntries(Object.entries(params).map(([name, tensor]) => [`${member}.${name}`, tensor]))
    ),
  );
}

/** One member's part of the parameters of all. */
function paramsOf(all: Readonly<Record<string, tf.Tensor>>, member: number): Record<string, tf.Tensor> {
  const prefix = `${member}.`;
  const own = Object.entries(all).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/**
 * The convex combination of an ensemble's members with the smallest squared error at each log SNR: ε̂ = Σ λ_m(α)·ε̂_m, whose
 * error is quadratic in λ, fitted on the same samples and noise for all. Whether λ follows the log SNR, is the same at all of
 * them, is the same for all members, or is the best member alone, is what does best on one half of the samples when it is fitted to the other: so that
 * differences within the noise change nothing.
 *
 * @param members All of samples of the data's shape, under the parameters of {@linkcode memberParams}.
 * @param data Whose reference they are compared with.
 * @param heldOut Samples that neither the members were trained on nor the ensemble is judged by, with what is known of them.
 * @param batch Samples per run of the program.
 * @param random Decides the log SNRs within their strata and the noise.
 * @throws {EnsembleError} When there are no members, too few samples, or no member has finite errors.
 */
export async function combineMembers(
  engine: Engine,
  members: readonly Member[],
  data: DataInfo,
  heldOut: Samples,
  proposal: Proposal,
  batch: number,
  random: Random,
  { reference = false, levels = LEVELS, signal, ranks, onProgress }: CombineOptions = {},
): Promise<Combination> {
  if (members.length === 0) {
    throw new EnsembleError("Got no models for the ensemble, expected at least one. Name some.");
  }
  const { count: n, dimension: d } = heldOut;
  if (n < 2) throw new EnsembleError(`Got ${n} held-out samples to fit an ensemble by, expected two. Give more.`);
  const range = logsnrRange(proposal), [low, high] = range;
  const options = { ...(signal ? { signal } : {}), ...(ranks ? { ranks } : {}) };
  const products = await productProgram(engine, members, data, batch, options);
  const block = evaluationsAtOnce(d), blocks = Math.ceil(n / block);
  const all: (ErrorProducts & { readonly begin: number })[] = [];
  for (let part = 0; part < blocks; part++) {
    const begin = part * block, end = Math.min(n, begin + block), x = toFloat32(heldOut, begin, end);
    const condition = conditionOf(heldOut, begin, end);
    for (let level = 0; level < levels; level++) {
      const stream = random.split(level).split(part);
      const eps = stream.fillNormal(new Float32Array(x.length));
      const within = stream.fillUniform(new Float64Array(x.length / d));
      const logsnr = Float32Array.from(within, (u) => low + (high - low) * (level + u) / levels);
      all.push({ begin, logsnr, products: await products.measure(x, eps, logsnr, condition) });
      onProgress?.(part * levels + level + 1, blocks * levels);
    }
  }
  products.dispose();
  return combine(all, members.length, range, reference);
}

/** Measures the products of errors on noisy samples, of which nothing is known where no condition is given. */
interface ProductMeter {
  measure(
    x: Float32Array,
    eps: Float32Array,
    logsnr: Float32Array,
    condition?: Float32Array,
  ): Promise<Float64Array>;
  dispose(): void;
}

/** The products of the errors of all members, and of the reference as the last, by rows. */
async function productProgram(
  engine: Engine,
  members: readonly Member[],
  data: DataInfo,
  batch: number,
  options: MeterOptions,
): Promise<ProductMeter> {
  const { shape } = data, d = sizeOf(shape), all = members.length + 1, known = widthOfCondition(data);
  const size = rowsOfRun(batch, options.ranks);
  const predictReference = mixturePrediction(referenceOf(data));
  const pairs = Array.from({ length: all }, (_, a) => Array.from({ length: a + 1 }, (_, b) => [a, b] as const)).flat();
  const state = engine.createState(memberParams(members));
  const program = await engine.compile(
    separable((params, { x, eps, logsnr, condition }) => {
      const z = noisyChannel(x, eps, logsnr);
      const flat = (epsHat: tf.Tensor) => tf.reshape(tf.sub(eps, epsHat), [-1, d]);
      const errors = [
        ...members.map(({ denoiser }, member) =>
          flat(predict(denoiser, paramsOf(params, member), z, logsnr, condition))
        ),
        flat(predictReference(z, logsnr, condition)),
      ];
      return {
        outputs: Object.fromEntries(
          pairs.map(([a, b]) => [`${a}.${b}`, tf.sum(tf.mul(errors[a], errors[b]), 1)]),
        ),
      };
    }),
    state,
    errorInputs(size, shape, known),
  );
  const rows = rowProgram(program, errorWidths(d, known), size, options);
  return {
    async measure(x, eps, logsnr, condition) {
      const n = logsnr.length, results = pairs.map(() => new Float64Array(n));
      await rows.run({ x, eps, logsnr, ...givenRows(n, known, condition) }, results, (got, { begin, end }) => {
        pairs.forEach(([a, b], k) => results[k].set(got[`${a}.${b}`].subarray(0, end - begin), begin));
      });
      const products = new Float64Array(n * all * all);
      pairs.forEach(([a, b], k) =>
        results[k].forEach((value, i) => {
          products[(i * all + a) * all + b] = products[(i * all + b) * all + a] = value;
        })
      );
      return products;
    },
    dispose() {
      program.dispose();
      state.dispose();
    },
  };
}

/** What the errors say. @param count Of members; the reference is one more. */
function combine(
  measured: readonly (ErrorProducts & { readonly begin: number })[],
  count: number,
  range: readonly [number, number],
  reference: boolean,
): Combination {
  const { gaps, stderrs, finite } = gapsOf(measured, count, range);
  const chosen = [...finite.flatMap((isFinite, member) => isFinite ? [member] : []), ...(reference ? [count] : [])];
  if (!finite.includes(true)) {
    throw new EnsembleError(
      "No member of the ensemble has finite errors: they have diverged, or the data is not their own. Leave out what has.",
    );
  }
  const formOf = (half?: number) => {
    const form = new ErrorForm(chosen.length, range);
    for (const { begin, logsnr, products } of measured) {
      const rows = Array.from(logsnr, (_, i) => i).filter((i) => half === undefined || (begin + i) % 2 === half);
      form.add({
        logsnr: rows.map((i) => logsnr[i]),
        products: Float64Array.from(
          rows.flatMap((i) =>
            chosen.flatMap((a) => chosen.map((b) => products[(i * (count + 1) + a) * (count + 1) + b]))
          ),
        ),
      });
    }
    return form;
  };
  const halves = [formOf(0), formOf(1)], whole = formOf();
  // From what asks least of the data to what asks most; of equals the first counts.
  const ways: readonly ((form: ErrorForm) => Weights)[] = [
    bestAlone,
    () => evenWeights(chosen.length),
    (form) => form.leastConstant(),
    (form) => form.least(form.leastConstant()),
  ];
  const errors = ways.map((way) => halves[0].error(way(halves[1])) + halves[1].error(way(halves[0])));
  const weights = ways[errors.indexOf(Math.min(...errors))](whole);
  const alone = (member: number) => whole.error(constantWeights(chosen.length, member));
  const width = 0.5 * (range[1] - range[0]) / measured.reduce((sum, { logsnr }) => sum + logsnr.length, 0);
  const ofReference = measured.reduce((sum, { logsnr, products }) => {
    for (let i = 0; i < logsnr.length; i++) sum += products[(i + 1) * (count + 1) ** 2 - 1];
    return sum;
  }, 0);
  const gainOf = (error: number) => width * (ofReference - error);
  return {
    range,
    members: count,
    weights: weights.map((own) =>
      Array.from({ length: count + 1 }, (_, member) => chosen.includes(member) ? own[chosen.indexOf(member)] : 0)
    ),
    ...{ gaps, stderrs },
    gains: finite.map((isFinite, member) => isFinite ? gainOf(alone(chosen.indexOf(member))) : -Infinity),
    gain: gainOf(whole.error(weights)),
  };
}

/** Of members that are as good as each other the mean is better than each. */
function evenWeights(members: number): Weights {
  return blendNodes([0, 1]).map(() => new Array<number>(members).fill(1 / members));
}

function constantWeights(members: number, one: number): Weights {
  const own = Array.from({ length: members }, (_, member) => member === one ? 1 : 0);
  return blendNodes([0, 1]).map(() => own);
}

/** The member with the least error over all. */
function bestAlone(form: ErrorForm): Weights {
  const errors = Array.from({ length: form.members }, (_, member) => form.error(constantWeights(form.members, member)));
  return constantWeights(form.members, errors.indexOf(Math.min(...errors)));
}

/** The members' errors less the reference's about each node, and which members' are all finite. */
function gapsOf(measured: readonly ErrorProducts[], count: number, range: readonly [number, number]) {
  const all = count + 1, nodes = blendNodes(range).length;
  const sums = () => Array.from({ length: count }, () => new Float64Array(nodes));
  const [first, second, weight] = [sums(), sums(), new Float64Array(nodes)];
  const finite = new Array<boolean>(count).fill(true);
  for (const { logsnr, products } of measured) {
    for (let i = 0; i < logsnr.length; i++) {
      const at = i * all * all, { node, share } = nodesAt(logsnr[i], range);
      const near = share < 0.5 ? node : node + 1;
      weight[near]++;
      for (let member = 0; member < count; member++) {
        const gap = products[at + member * (all + 1)] - products[at + all * all - 1];
        if (!Number.isFinite(gap)) finite[member] = false;
        first[member][near] += gap;
        second[member][near] += gap ** 2;
      }
    }
  }
  const gaps = first.map((sum) => [...sum].map((value, k) => value / weight[k]));
  const stderrs = second.map((squares, member) =>
    [...squares].map((value, k) =>
      Math.sqrt(Math.max(0, value / weight[k] - gaps[member][k] ** 2) / Math.max(1, weight[k] - 1))
    )
  );
  return { gaps, stderrs, finite };
}

/**
 * The denoiser that combines the members by their weights, under the parameters of {@linkcode memberParams}. Members without
 * any weight are not evaluated.
 *
 * @param data Whose reference is a member where it has weights.
 * @throws {EnsembleError} When there are not as many members as the weights are of.
 */
export function combinedDenoiser(
  members: readonly Member[],
  data: DataInfo,
  { members: count, weights, range }: Combination,
): Denoiser {
  if (members.length !== count) {
    throw new EnsembleError(
      `Got ${members.length} models, but the ensemble was fitted of ${count}. Give the same ones in the same order.`,
    );
  }
  const used = Array.from({ length: count + 1 }, (_, member) => member)
    .filter((member) => weights.some((own) => own[member] > 0));
  const table = Float32Array.from(weights.flatMap((own) => used.map((member) => own[member])));
  const predictReference = mixturePrediction(referenceOf(data));
  return {
    init: () => memberParams(members),
    predict(params, z, logsnr, condition) {
      const lambdas = tf.matMul(nodeShares(logsnr, range), tf.tensor2d(table, [weights.length, used.length]));
      return used.map((member, k) => {
        const own = member === count
          ? predictReference(z, logsnr, condition)
          : predict(members[member].denoiser, paramsOf(params, member), z, logsnr, condition);
        const lambda = tf.reshape(tf.slice(lambdas, [0, k], [-1, 1]), [-1, ...z.shape.slice(1).map(() => 1)]);
        return tf.mul(lambda, own);
      }).reduce((sum, part) => tf.add(sum, part));
    },
  };
}
