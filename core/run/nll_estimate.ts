import { basename, join } from "node:path";
import { type Grid, proposalOfGrid } from "../diffusion/discrete.ts";
import type { Engine } from "../engine/mod.ts";
import { UserError } from "../errors.ts";
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
import type { Random } from "../random.ts";
import { type Samples, selectRows } from "../samples.ts";
import { type ChosenSamples, ownData } from "./evaluation_data.ts";
import type { RunFolder } from "./folder.ts";
import type { OpenRun } from "./open_run.ts";
import { shown } from "./result.ts";

/** How a likelihood is estimated. */
export const ESTIMATORS = ["paired", "discrete", "dequantised"] as const;

export type Estimator = typeof ESTIMATORS[number];

export interface EstimateRequest {
  readonly estimator: Estimator;
  readonly rounding: Rounding;
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
}

/** An estimate that is ready for its rounds. */
export interface OpenEstimate {
  readonly running: RunningRounds;
  readonly ensemble?: OpenEnsemble;
  dispose(): Promise<void>;
}

/** Which model of an ensemble is used where. */
export interface OpenEnsemble {
  readonly record: { readonly runs: readonly string[]; readonly shares: readonly number[] };
  /** Draws who wins where. Returns the figure's path within the run's folder. */
  draw(folder: RunFolder, stem: string): Promise<string[]>;
}

/**
 * Sets up an estimate of the likelihood under a run's model, or under an ensemble of runs.
 *
 * @param runs The run and, for an ensemble, the others.
 * @throws {UserError} When they do not fit each other or the estimator.
 */
export async function openEstimate(
  engine: Engine,
  runs: readonly OpenRun[],
  request: EstimateRequest,
): Promise<OpenEstimate> {
  const [run] = runs;
  const { estimator, grid, chosen, samples, random, batch, from } = request;
  const states = runs.map(({ params }) => engine.createState(params));
  const disposeStates = () => states.forEach((state) => state.dispose());
  if (estimator === "discrete") {
    const meter = await createDiscreteMeter(engine, states[0], (s) => s, run.denoiser, {
      shape: run.info.shape,
      grid: grid!,
      rounding: request.rounding,
    }, batch);
    // Training samples: the likelihood is asked of others.
    const heldOut = chosen.pool === chosen.samples ? (await ownData(run)).train : chosen.pool;
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
  const gaussian = estimator === "dequantised" ? dequantisedGaussian(own, grid!) : own;
  const meters = await Promise.all(runs.map(({ denoiser, info }, i) => {
    if (info.shape.join() !== run.info.shape.join()) {
      throw new UserError(
        `${
          shown(runs[i].folder.path)
        } is of samples of shape [${info.shape}], but the first run of [${run.info.shape}].`,
      );
    }
    return createErrorMeter(engine, states[i], (s) => s, denoiser, { shape: info.shape, gaussian }, batch);
  }));
  const proposals = runs.map((each) => each.proposal);
  // Without the log SNRs at which a step is resolved the bound would be none.
  const proposal = commonProposal(
    estimator === "dequantised" ? [...proposals, proposalOfGrid(own.eigenvalues, grid!)] : proposals,
  );
  const ensemble = runs.length === 1 ? undefined : await chooseEnsemble(
    runs,
    chosen,
    random,
    (heldOut) => chooseWinners(meters, heldOut, proposal, random.split("ensemble")),
  );
  const meter = ensemble ? ensembleMeter(meters, ensemble.winners) : meters[0];
  const pool = estimator === "dequantised" ? samples : chosen.pool;
  const running = new RunningNll(meter, samples, proposal, random, { pool, ...(from ? { from } : {}) });
  return {
    running,
    ...(ensemble ? { ensemble } : {}),
    async dispose() {
      await meter.dispose();
      disposeStates();
    },
  };
}

/** Held-out samples that an ensemble is chosen by, at most. */
const HELD_OUT = 4096;

/** Chooses by samples that neither training nor the likelihood that is asked for has. */
async function chooseEnsemble(
  runs: readonly OpenRun[],
  chosen: ChosenSamples,
  random: Random,
  choose: (heldOut: Samples) => Promise<Winners>,
): Promise<OpenEnsemble & { readonly winners: Winners }> {
  const { validation } = await ownData(runs[0]);
  if (chosen.name.endsWith("-validation")) {
    throw new UserError(
      "An ensemble is chosen on the validation data, so its likelihood must be asked of others. Give --part test where " +
        "the data has one, or a file with --data.",
    );
  }
  const rows = random.split("held out").permutation(validation.count).slice(0, HELD_OUT).sort();
  const winners = await choose(selectRows(validation, rows));
  const names = runs.map(({ folder }) => shown(folder.path));
  const shares = runs.map((_, i) => winners.winners.filter((w) => w === i).length / winners.winners.length);
  return {
    winners,
    record: { runs: names, shares },
    async draw(folder, stem) {
      const file = join("nll", `${stem}.svg`);
      const spec = ensembleFigure(basename(folder.path), names.map((name) => basename(name)), winners);
      await writeFileAtomic(folder.file(file), await renderSvg(spec));
      return [file];
    },
  };
}
