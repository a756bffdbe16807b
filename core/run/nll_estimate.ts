import { basename, join } from "node:path";
import { dequantise, type Grid, proposalOfGrid } from "../diffusion/discrete.ts";
import type { Engine } from "../engine/mod.ts";
import { UserError } from "../errors/user_error.ts";
import { dequantisedGaussian } from "../evaluation/discrete.ts";
import { createDiscreteMeter, type Rounding } from "../evaluation/discrete_errors.ts";
import { chooseWinners, commonProposal, ensembleMeter, type Winners } from "../evaluation/ensemble.ts";
import { createErrorMeter } from "../evaluation/errors.ts";
import type { NllSums, RunningRounds } from "../evaluation/round_sums.ts";
import { RunningDiscreteNll } from "../evaluation/running_discrete_nll.ts";
import { RunningNll } from "../evaluation/running_nll.ts";
import { ensembleFigure } from "../figures/ensemble.ts";
import { renderSvg } from "../figures/mod.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import type { Ranks } from "../mpi/ranks.ts";
import type { Random } from "../random/random.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import { type ChosenSamples, ownData } from "./evaluation_data.ts";
import type { RunFolder } from "./folder.ts";
import type { OpenModel } from "./open_weights.ts";
import { shown } from "./result.ts";

/** How a likelihood is estimated. */
export const ESTIMATORS = ["paired", "discrete", "dequantised"] as const;

export type Estimator = typeof ESTIMATORS[number];

export interface EstimateRequest {
  readonly estimator: Estimator;
  readonly rounding: Rounding;
  /** Whether the data's Gaussian is used where it denoises better. */
  readonly clamp: boolean;
  readonly chosen: ChosenSamples;
  /** What is measured: the chosen samples, or these dequantised. */
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
  dispose(): Promise<void>;
}

/** Which model, or the data's Gaussian, is used where along the log SNRs. */
export interface OpenChoice {
  readonly runs: readonly string[];
  /** The parts of the log SNRs at which each is used. */
  readonly shares: readonly number[];
  /** The part at which the Gaussian is. */
  readonly gaussianShare: number;
  /** The samples that it was chosen by. */
  readonly chosenOn: "validation" | "the data itself";
  /** Draws who wins where. Returns the figure's path within the run's folder. */
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
  const { estimator, grid, chosen, samples, random, batch, ranks, from } = request;
  const states = runs.map(({ params }) => engine.createState(params));
  const disposeStates = () => states.forEach((state) => state.dispose());
  if (estimator === "discrete") {
    const meter = await createDiscreteMeter(
      engine,
      states[0],
      (s) => s,
      run.denoiser,
      {
        shape: run.info.shape,
        grid: grid!,
        rounding: request.rounding,
      },
      batch,
      { ranks },
    );
    // Training samples: the likelihood is asked of others. One switch between two errors hardly fits what it is chosen by.
    const hasOthers = chosen.pool === chosen.samples && Boolean(run.config.dataset);
    const heldOut = hasOthers ? (await ownData(run)).train : chosen.pool;
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
        disposeStates();
        return Promise.resolve();
      },
    };
  }
  const own = run.info.gaussian;
  const shared = estimator === "dequantised" ? { gaussian: dequantisedGaussian(own, grid!) } : run.info;
  const meters = await Promise.all(runs.map(({ denoiser, info }, i) => {
    if (info.shape.join() !== run.info.shape.join()) {
      throw new UserError(
        `${
          runs[i].member ?? shown(runs[i].folder.path)
        } is of samples of shape [${info.shape}], but the first run of [${run.info.shape}].`,
      );
    }
    return createErrorMeter(engine, states[i], (s) => s, denoiser, { ...shared, shape: info.shape }, batch, { ranks });
  }));
  const proposals = runs.map((each) => each.proposal);
  // Without the log SNRs at which a step is resolved the bound would be none.
  const proposal = commonProposal(
    estimator === "dequantised" ? [...proposals, proposalOfGrid(own.eigenvalues, grid!)] : proposals,
  );
  const choice = runs.length === 1 && !request.clamp ? undefined : await choose(runs, request, (heldOut) => {
    const dequantised = estimator === "dequantised" ? dequantise(heldOut, grid!, random.split("held out")) : heldOut;
    return chooseWinners(meters, dequantised, proposal, random.split("ensemble"), { gaussian: request.clamp });
  });
  const meter = choice ? ensembleMeter(meters, choice.winners) : meters[0];
  const running = new RunningNll(meter, samples, proposal, random, from);
  return {
    running,
    ...(choice ? { choice } : {}),
    async dispose() {
      await meter.dispose();
      disposeStates();
    },
  };
}

/** Held-out samples that are chosen by, at most. */
const HELD_OUT = 4096;

/** Chooses by samples that neither training nor the likelihood that is asked for has, if there are any. */
async function choose(
  runs: readonly OpenModel[],
  { chosen, random }: EstimateRequest,
  winnersOn: (heldOut: Samples) => Promise<Winners>,
): Promise<OpenChoice & { readonly winners: Winners }> {
  const hasOthers = Boolean(runs[0].config.dataset) && !chosen.name.endsWith("-validation");
  if (!hasOthers && runs.length > 1) {
    throw new UserError(
      "An ensemble is chosen on the validation data, so its likelihood must be asked of others. Give --part test where " +
        "the data has one, or a file with --data; of weights, other data with --fit.",
    );
  }
  const others = hasOthers ? (await ownData(runs[0])).validation : chosen.samples;
  const rows = random.split("held out").permutation(others.count).slice(0, HELD_OUT).sort();
  const winners = await winnersOn(selectRows(others, rows));
  const names = runs.map(({ folder, weights, member }) => member ?? weights?.name ?? shown(folder.path));
  const share = (member: number) => winners.winners.filter((w) => w === member).length / winners.winners.length;
  return {
    winners,
    runs: names,
    shares: runs.map((_, i) => share(i)),
    gaussianShare: share(winners.members),
    chosenOn: hasOthers ? "validation" : "the data itself",
    async draw(folder, stem) {
      const file = join("nll", `${stem}.svg`);
      const spec = ensembleFigure(
        `${basename(folder.path)}: who wins where`,
        names.map((name) => basename(name)),
        winners,
      );
      await writeFileAtomic(folder.file(file), await renderSvg(spec));
      return [file];
    },
  };
}
