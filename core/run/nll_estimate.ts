import { basename, join } from "node:path";
import { dequantise, type Grid, proposalOfGrid } from "../diffusion/discrete.ts";
import type { StepVariance } from "../diffusion/variational_bound.ts";
import type { BoundTerms } from "../evaluation/variational_nll.ts";
import type { Engine } from "../engine/mod.ts";
import { UserError } from "../errors/user_error.ts";
import { dequantisedGaussian } from "../evaluation/discrete.ts";
import { createDiscreteMeter, type Rounding } from "../evaluation/discrete_errors.ts";
import {
  type Combination,
  combinedDenoiser,
  combineMembers,
  commonProposal,
  memberParams,
} from "../evaluation/ensemble.ts";
import { createErrorMeter } from "../evaluation/errors.ts";
import type { NllSums, RunningRounds } from "../evaluation/round_sums.ts";
import { RunningDiscreteNll } from "../evaluation/running_discrete_nll.ts";
import { RunningNll } from "../evaluation/running_nll.ts";
import { ensembleFigure } from "../figures/ensemble.ts";
import { renderSvg } from "../figures/mod.ts";
import type { Ranks } from "../mpi/ranks.ts";
import type { Random } from "../random/random.ts";
import { toldAs } from "../plugins/told_as.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import { type ChosenSamples, ownData } from "./evaluation_data.ts";
import type { RunFolder } from "./folder.ts";
import type { GivenSamples } from "./given.ts";
import { openBound } from "./bound_estimate.ts";
import { openFlow } from "./flow_estimate.ts";
import type { OpenModel } from "./open_weights.ts";
import { shown } from "./result.ts";

/** How a likelihood is estimated. */
export const ESTIMATORS = ["paired", "discrete", "dequantised", "ode", "elbo"] as const;

export type Estimator = typeof ESTIMATORS[number];

export interface EstimateRequest {
  readonly estimator: Estimator;
  readonly rounding: Rounding;
  /** Of the probability flow's solver. */
  readonly tolerance?: number | undefined;
  /** Of the variational bound: its steps, and their variance. */
  readonly steps?: number | undefined;
  readonly variance?: StepVariance | undefined;
  /** Whether the reference counts where that denoises better. */
  readonly clamp: boolean;
  readonly chosen: ChosenSamples;
  /** The chosen samples with what is given of them. */
  readonly given: GivenSamples;
  /** What is measured: these, or these dequantised. */
  readonly samples: Samples;
  /** Of discrete data. */
  readonly grid: Grid | undefined;
  readonly random: Random;
  /** Samples per run of the denoiser. */
  readonly batch: number;
  /** Sums of earlier rounds. */
  readonly from?: NllSums;
  /** All make the same estimate, and each computes a part of it. */
  readonly ranks: Ranks;
}

/** An estimate that is ready for its rounds. */
export interface OpenEstimate {
  readonly running: RunningRounds;
  readonly choice?: OpenChoice;
  /** The rounds that it takes where neither their number nor an error is asked for, if not the usual ones. */
  readonly rounds?: number;
  /** Whether more than one round tells no more. */
  readonly isExact?: boolean;
  /** What else there is to say of a finished estimate. */
  facts?(): EstimateFacts;
  dispose(): Promise<void>;
}

/** What an estimator has to say besides the likelihood and its noise. */
export interface EstimateFacts {
  /** As the result's file has it. */
  readonly record: Readonly<Record<string, unknown>>;
  /** As the terminal shows it. */
  readonly lines: readonly string[];
  /** Of a variational bound. */
  readonly bound?: BoundTerms;
}

/** How much of each model, and of the reference, there is in what is estimated. */
export interface OpenChoice {
  readonly runs: readonly string[];
  /** Each one's part, the mean over the log SNRs. */
  readonly shares: readonly number[];
  /** The reference's. */
  readonly referenceShare: number;
  /** The samples that it was chosen by. */
  readonly chosenOn: "validation" | "the data itself";
  /** Draws who counts how much where. Returns the figure's path within the run's folder. */
  draw(folder: RunFolder, stem: string): Promise<string[]>;
}

/**
 * Sets up an estimate of the likelihood under a model, or under an ensemble of models.
 *
 * @param runs The model and, for an ensemble, the others.
 * @throws {UserError} When they do not fit each other or the estimator.
 */
export async function openEstimate(
  engine: Engine,
  runs: readonly OpenModel[],
  request: EstimateRequest,
): Promise<OpenEstimate> {
  const [run] = runs;
  const { estimator, grid, chosen, given, samples, random, batch, ranks, from } = request;
  const { condition } = run.info;
  if (estimator === "discrete") {
    const state = engine.createState(run.params);
    const meter = await createDiscreteMeter(
      engine,
      state,
      (s) => s,
      run.denoiser,
      {
        shape: run.info.shape,
        grid: grid!,
        rounding: request.rounding,
        ...(condition ? { condition } : {}),
      },
      batch,
      { ranks },
    );
    // Training samples: the likelihood is asked of others. One switch between two errors hardly fits what it is chosen by.
    const hasOthers = chosen.pool === chosen.samples && Boolean(run.config.dataset);
    const heldOut = hasOthers
      ? given.alike((await ownData(run)).train)
      : chosen.pool === chosen.samples
      ? given.samples
      : given.alike(chosen.pool);
    const running = new RunningDiscreteNll(meter, samples, {
      // It has to reach to where a step is told apart, beyond what the model was trained on: there rounding corrects it.
      proposal: commonProposal([run.proposal, proposalOfGrid(run.info.gaussian.eigenvalues, grid!)]),
      ...{ eigenvalues: run.info.gaussian.eigenvalues, heldOut, random },
      ...(from ? { from } : {}),
    });
    return {
      running,
      dispose() {
        meter.dispose();
        state.dispose();
        return Promise.resolve();
      },
    };
  }
  if (estimator === "elbo") return await openBound(engine, run, request);
  const own = run.info.gaussian;
  const shared = estimator === "dequantised" ? { gaussian: dequantisedGaussian(own, grid!) } : run.info;
  const data = { ...shared, shape: run.info.shape, ...(condition ? { condition } : {}) };
  runs.forEach(({ info, member, folder }) => {
    if (info.shape.join() === run.info.shape.join()) return;
    throw new UserError(
      `${
        member ?? shown(folder.path)
      } is of samples of shape [${info.shape}], but the first run of [${run.info.shape}].`,
    );
  });
  const ofTable = runs.length > 1 ? runs.find(({ info }) => info.table) : undefined;
  if (ofTable) {
    throw new UserError(
      `${shown(ofTable.folder.path)} is of a table, which is no member of an ensemble. Leave it out.`,
    );
  }
  // Each has its own names, classes and scales of what is known.
  const members = runs.map(({ denoiser, params, info }) => ({
    denoiser: toldAs(denoiser, info.condition, condition),
    params,
  }));
  const proposals = runs.map((each) => each.proposal);
  // Without the log SNRs at which a step is resolved the bound would be none.
  const proposal = commonProposal(
    estimator === "dequantised" ? [...proposals, proposalOfGrid(own.eigenvalues, grid!)] : proposals,
  );
  const choice = runs.length === 1 && !request.clamp ? undefined : await choose(runs, request, async (heldOut) => {
    const dequantised = estimator === "dequantised" ? dequantise(heldOut, grid!, random.split("held out")) : heldOut;
    const options = { reference: request.clamp, ranks };
    return await combineMembers(engine, members, data, dequantised, proposal, batch, random.split("ensemble"), options);
  });
  const denoiser = choice ? combinedDenoiser(members, data, choice.combination) : run.denoiser;
  const state = choice ? engine.createState(memberParams(members)) : engine.createState(run.params);
  if (estimator === "ode") {
    const flow = await openFlow(engine, state, denoiser, run, proposal, request);
    return { ...flow, ...(choice ? { choice } : {}) };
  }
  const meter = await createErrorMeter(engine, state, (s) => s, denoiser, data, batch, { ranks });
  const running = new RunningNll(meter, samples, proposal, random, from);
  return {
    running,
    ...(choice ? { choice } : {}),
    async dispose() {
      await meter.dispose();
      state.dispose();
    },
  };
}

/** Held-out samples that are chosen by, at most. */
const HELD_OUT = 4096;

/** Chooses by samples that neither training nor the likelihood that is asked for has, if there are any. */
async function choose(
  runs: readonly OpenModel[],
  { chosen, given, random }: EstimateRequest,
  combinedOn: (heldOut: Samples) => Promise<Combination>,
): Promise<OpenChoice & { readonly combination: Combination }> {
  const hasOthers = Boolean(runs[0].config.dataset) && !chosen.name.endsWith("-validation");
  if (!hasOthers && runs.length > 1) {
    throw new UserError(
      "An ensemble is chosen on the validation data, so its likelihood must be asked of others. Give --part test where " +
        "the data has one, or a file with --data; of weights, other data with --fit.",
    );
  }
  const others = hasOthers ? given.alike((await ownData(runs[0])).validation) : given.samples;
  const rows = random.split("held out").permutation(others.count).slice(0, HELD_OUT).sort();
  const combination = await combinedOn(selectRows(others, rows));
  const names = runs.map(({ folder, weights, member }) => member ?? weights?.name ?? shown(folder.path));
  const { weights } = combination;
  const share = (member: number) => weights.reduce((sum, own) => sum + own[member] / weights.length, 0);
  return {
    combination,
    runs: names,
    shares: runs.map((_, i) => share(i)),
    referenceShare: share(combination.members),
    chosenOn: hasOthers ? "validation" : "the data itself",
    async draw(folder, stem) {
      const file = join("nll", `${stem}.svg`);
      const spec = ensembleFigure(
        `${basename(folder.path)}: who counts where`,
        names.map((name) => basename(name)),
        combination,
      );
      await folder.write(file, await renderSvg(spec));
      return [file];
    },
  };
}
