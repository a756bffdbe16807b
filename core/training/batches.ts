import { nllAgainstReference, nllAgainstStandard } from "../diffusion/likelihood.ts";
import { reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import type { Engine, State } from "../engine/program.ts";
import { mostRows, ownRows, type Ranks } from "../mpi/ranks.ts";
import { type DataInfo, type Dataset, type Denoiser, referenceOf, widthOfCondition } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { type Samples, whatIsKnown } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { drawn } from "../random/row_uniforms.ts";
import { adamSchedule } from "./adam.ts";
import { dropping } from "./drop_condition.ts";
import { hiding } from "./hide_values.ts";
import { mirrored } from "./mirror.ts";
import { DivergenceError } from "./divergence.ts";
import type { ParameterLayout } from "./parameters.ts";
import type { ProposalLearner } from "./proposal_learner.ts";
import { learningRateAt } from "./recipe.ts";
import { rowNlls } from "./row_nlls.ts";
import { accumulationStep, GRADIENT, gradientInputs, gradientStep, optimiserStep, PARTIAL_GRADIENT } from "./step.ts";
import type { TrainingSettings } from "./settings.ts";

/** What float16's loss scale starts from for each sample, and what it falls by at each overflow. */
const LOSS_SCALE = 16;
const LOSS_SCALE_FACTOR = 16;

/** The batches of a training and its steps on them. */
export interface Batches {
  /**
   * Takes one step, numbered from 1, and returns the batch's NLL in nats; nothing where the ranks were to stop.
   *
   * @throws {DivergenceError} When the loss or its gradient is not finite. The weights are still those of the last step.
   */
  train(step: number): Promise<number | undefined>;
  dispose(): Promise<void>;
}

/** Whether a rank takes its part of a batch in several, which are then added up. */
export function inParts(ranks: Ranks, { batchSize, microBatchSize }: TrainingSettings): boolean {
  return microBatchSize < mostRows(ranks, batchSize);
}

/**
 * Compiles the steps. Each rank draws and computes its own rows of every batch; what else a batch has, the log SNRs and
 * the errors of its samples, all ranks have whole.
 */
export async function createBatches(
  engine: Engine,
  state: State,
  { denoiser, layout }: { readonly denoiser: Denoiser; readonly layout: ParameterLayout },
  data: Dataset,
  info: DataInfo,
  settings: TrainingSettings,
  random: Random,
  learner: ProposalLearner | undefined,
  ranks: Ranks,
): Promise<Batches> {
  const { recipe, proposal, batchSize, learningRate, epochs, precision } = settings;
  const { shape } = info, reference = referenceOf(info), width = widthOfCondition(info);
  const draws = denoiser.training?.draws ?? 0;
  const severalParts = inParts(ranks, settings);
  const partSize = Math.min(settings.microBatchSize, mostRows(ranks, batchSize));
  const gradient = await engine.compile(
    gradientStep(denoiser, layout, recipe, reference, info, severalParts ? PARTIAL_GRADIENT : GRADIENT),
    state,
    gradientInputs(partSize, shape, precision, width, draws),
    precision,
    settings.checkpointing,
  );
  const accumulation = severalParts ? await engine.compile(accumulationStep, state, { keep: [] }) : undefined;
  const optimiser = await engine.compile(optimiserStep(recipe.beta2), state, { rootScale: [], offset: [] });

  const d = sizeOf(shape);
  const rows = data.train.count;
  const stepsPerEpoch = Math.floor(rows / batchSize);
  const paired = recipe.estimator === "paired";
  const baselines = paired ? rowNlls(data.train, reference) : undefined;
  const mirroredBaselines = paired && settings.flip ? rowNlls(mirrored(data.train, shape), reference) : undefined;
  const fixed = reweightedProposal(proposal);
  const own = ownRows(ranks, batchSize);
  const u = new Float64Array(batchSize);
  const logsnr = new Float32Array(batchSize);
  const weight = new Float32Array(batchSize);
  const errors = new Float32Array(3 * batchSize);
  const [mse, mseReference, overflow] = [0, 1, 2].map((k) => errors.subarray(k * batchSize, (k + 1) * batchSize));
  const part = {
    x: new Float32Array(partSize * d),
    eps: new Float32Array(partSize * d),
    logsnr: new Float32Array(partSize),
    weight: new Float32Array(partSize),
    ...(width > 0 ? { condition: new Float32Array(partSize * width) } : {}),
    ...(draws > 0 ? { draws: new Float32Array(partSize * draws) } : {}),
  };
  const uniforms = new Float64Array(draws), below = denoiser.training?.below ?? 0;
  const streams = {
    order: random.split("order"),
    noise: random.split("noise"),
    conditions: random.split("conditions"),
    gaps: random.split("gaps"),
    dropout: random.split("dropout"),
  };
  const drop = info.condition && dropping(info.condition, settings.dropCondition ?? 0, width);
  const hide = info.gaps && hiding(info.gaps, info, width);
  const known = new Float32Array(batchSize * width), isTold = new Uint8Array(batchSize).fill(1);
  const vectors = whatIsKnown(data.train);
  let order: { epoch: number; rows: Uint32Array; samples: Samples; isMirrored?: Uint8Array } | undefined;

  /** The gradient of the samples from `begin` on. The last part may have fewer than a part holds. */
  const runPart = async (begin: number, first: number, noise: Random, chance: Random) => {
    const size = Math.min(partSize, own.end - begin);
    noise.fillNormalPart(batchSize, begin * d, part.eps.subarray(0, size * d));
    for (let i = 0; i < size; i++) {
      const row = order!.rows[first + begin + i];
      order!.samples.copy(row, row + 1, part.x, i * d);
    }
    part.condition?.set(known.subarray(begin * width, (begin + size) * width));
    for (let i = 0; part.draws && i < size; i++) {
      // A stream for every sample, so that its draws do not depend on how the batch is divided.
      chance.split(begin + i).fillUniform(uniforms);
      part.draws.set(uniforms.map((u) => Math.floor(below * u)), i * draws);
    }
    part.logsnr.set(logsnr.subarray(begin, begin + size));
    // A part's loss is a mean over the part; weighted so, all parts add up to the batch's. What is beyond has no weight.
    for (let i = 0; i < partSize; i++) part.weight[i] = i < size ? weight[begin + i] * partSize / batchSize : 0;
    const got = precision === "f16" ? await runScaled() : await gradient.run(part);
    mse.set(got.mse.subarray(0, size), begin);
    if (paired) mseReference.set(got.mseReference.subarray(0, size), begin);
    if (got.overflow) overflow[begin] = got.overflow[0];
    await accumulation?.run({ keep: Float32Array.of(begin === own.begin ? 0 : 1) });
  };

  /** Where the gradient overflows float16, it is taken again with a smaller loss scale. */
  const runScaled = async () => {
    for (let scale = 2 ** Math.ceil(Math.log2(partSize)) * LOSS_SCALE;; scale /= LOSS_SCALE_FACTOR) {
      const result = await gradient.run({ ...part, lossScale: Float32Array.of(scale) });
      if (result.overflow[0] === 0 || scale < 1) return result;
    }
  };

  /** Moves the weights along the gradient, which is added up over the ranks meanwhile. */
  const optimise = async (step: number) => {
    const rate = learningRateAt(recipe, learningRate, step, epochs * stepsPerEpoch);
    const schedule = adamSchedule(rate, step, recipe.beta2);
    const inputs = { rootScale: Float32Array.of(schedule.rootScale), offset: Float32Array.of(schedule.offset) };
    if (ranks.size === 1) return await optimiser.run(inputs);
    const { [GRADIENT]: sum } = await state.read([GRADIENT]);
    // Of more ranks than samples some have none, and what is there is the last step's.
    if (own.begin === own.end) sum.data.fill(0);
    const { runPlaces } = optimiser;
    await ranks.sumInPieces(sum.data, ({ begin, end }) => runPlaces?.(inputs, begin, end));
    if (runPlaces) return;
    state.write({ [GRADIENT]: sum });
    await optimiser.run(inputs);
  };

  return {
    async train(step) {
      const epoch = Math.floor((step - 1) / stepsPerEpoch);
      if (order?.epoch !== epoch) {
        const ofEpoch = streams.order.split(epoch);
        const samples = drawn(data.train, ofEpoch);
        const isMirrored = settings.flip ? halfOf(rows, ofEpoch.split("flip")) : undefined;
        order = {
          ...{ epoch, rows: ofEpoch.permutation(rows) },
          ...(isMirrored ? { isMirrored, samples: mirrored(samples, shape, isMirrored) } : { samples }),
        };
      }
      const first = (step - 1) % stepsPerEpoch * batchSize;
      const noise = streams.noise.split(step), chance = streams.dropout.split(step);
      noise.fillUniform(u);
      const distribution = learner?.distribution ?? fixed;
      for (let i = 0; i < batchSize; i++) {
        // Samples come in an order of chance, so each may have the stratum of its place.
        logsnr[i] = distribution.atQuantile(proposal.even ? (i + u[i]) / batchSize : u[i]);
        weight[i] = distribution.weight(logsnr[i]);
      }
      if (vectors) {
        const rows = order.rows.subarray(first, first + batchSize);
        rows.forEach((row, i) => vectors.copy(row, row + 1, known, i * width));
        isTold.fill(1);
        drop?.(known, isTold, streams.conditions.split(step));
        hide?.(known, isTold, streams.gaps.split(step));
      }
      errors.fill(0);
      for (let begin = own.begin; begin < own.end; begin += partSize) {
        if (begin > own.begin && ranks.stop.aborted) return undefined;
        await runPart(begin, first, noise, chance);
      }
      await ranks.sum(errors);
      const baseline = baselines?.(order.rows, first, first + batchSize);
      const ofMirrored = mirroredBaselines?.(order.rows, first, first + batchSize);
      let total = 0, told = 0;
      for (let i = 0; i < batchSize; i++) {
        const error = { logsnr: logsnr[i], weight: weight[i], mse: mse[i] };
        const row = order.rows[first + i];
        const nll = baseline
          ? nllAgainstReference(
            error,
            mseReference[i],
            (order.isMirrored?.[row] ? ofMirrored ?? baseline : baseline)[row],
          )
          : nllAgainstStandard(error, d);
        if (!Number.isFinite(nll)) throw new DivergenceError(step, error.logsnr, "loss");
        if (Number.isNaN(overflow[i])) throw new DivergenceError(step, error.logsnr, "gradient");
        // The batch's NLL is that of what is asked later, −log p(x | c), and its loss has the others too.
        if (isTold[i] === 1) total += nll;
        told += isTold[i];
      }
      for (let i = 0; learner && i < batchSize; i++) {
        learner.add({ logsnr: logsnr[i], weight: weight[i], mse: mse[i] }, paired ? mseReference[i] : 0);
      }
      await optimise(step);
      return told > 0 ? total / told : 0;
    },
    async dispose() {
      await gradient.dispose();
      await accumulation?.dispose();
      await optimiser.dispose();
    },
  };
}

/** 1 for each of some rows that is among the half that is drawn. */
function halfOf(rows: number, random: Random): Uint8Array {
  return Uint8Array.from(random.fillUniform(new Float64Array(rows)), (u) => u < 0.5 ? 1 : 0);
}
