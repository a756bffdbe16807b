import { printText, Progress } from "../cli/mod.ts";
import { bitsPerDimension, type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { BackendError } from "../engine/program.ts";
import { InterruptedError, orStopped } from "../errors/interrupted_error.ts";
import { UserError } from "../errors/user_error.ts";
import type { Ranks } from "../mpi/mod.ts";
import { type MseCurve, mseCurve, suggestProposal } from "../evaluation/curve.ts";
import type { ErrorMeter } from "../evaluation/errors.ts";
import { nllPerSample } from "../evaluation/nll.ts";
import { latestCheckpoint } from "../io/checkpoints.ts";
import { type Dataset, referenceOf } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { drawn } from "../random/row_uniforms.ts";
import { givenNothing } from "../data/condition.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import { onlyGaussian, referenceNll } from "../reference/mixture.ts";
import { collapsed } from "../reference/table_moments.ts";
import { sizeOf } from "../data/tensors.ts";
import { dimensionsOf } from "./dimensions.ts";
import { readRequest, type RunRequest } from "./config.ts";
import type { TaskSpec } from "./options.ts";
import { type PreparedRun, prepareRun } from "./prepare.ts";
import { finishRun, reportLines, resumeCommand } from "./result.ts";
import type { EpochMetrics } from "./metrics.ts";
import { trainRun, type TrainRunHooks, type TrainRunResult } from "./train_run.ts";

/** An NLL in nats, and how far it is below that of the reference alone on the same samples. */
export interface ComparedNll extends Estimate {
  readonly gain: Estimate;
}

/** A finished run's measurements, which its figures show. */
export interface Measurements {
  readonly metrics: readonly EpochMetrics[];
  readonly curve: MseCurve;
  readonly suggestion: Proposal | undefined;
  /** The NLL on samples that neither training nor validation saw, where the data set has them. */
  readonly test: ComparedNll | undefined;
}

/** A backend that failed in a run, which can go on from its last checkpoint. */
class BackendFailure extends UserError {
  override readonly exitCode = 1;
}

/** How a task shows a run. */
export interface Display extends TrainRunHooks {
  /** Draws the figures; returns the files' paths within the run's folder. */
  draw?(measurements: Measurements): Promise<readonly string[]>;
}

/** A training task: its command line, the data it takes, what it measures at the end and how it shows it. */
export interface TrainingTask extends TaskSpec {
  /** Says what is wrong with data that the task cannot show, or nothing. */
  readonly unsupported: (data: Dataset) => string | undefined;
  readonly measure: {
    /** Log SNRs per sample in the final NLL on the validation data; none leaves it at the last epoch's. */
    readonly validationLevels?: number;
    /** Log SNRs per sample in the NLL on the test data. */
    readonly testLevels: number;
    /** Log SNRs of the MSE curve, and the samples that it is measured on at most. */
    readonly curvePoints: number;
    readonly curveSamples: number;
  };
  readonly show: (run: PreparedRun, request: RunRequest) => Promise<Display> | Display;
}

/**
 * Runs a training task from its command line to its result: data, denoiser, training, likelihoods, figures, summary.
 *
 * @param args The arguments, as in `Deno.args`.
 * @param ranks All are given the same arguments.
 */
export async function runTrainingTask(task: TrainingTask, args: readonly string[], ranks: Ranks): Promise<void> {
  const started = performance.now();
  const request = await readRequest(task, args);
  const quiet = request.quiet || ranks.rank > 0;
  const run = await orStopped(
    "Stopped before training began; nothing was written.",
    () => prepareRun(request, task.unsupported, ranks),
  );
  const { data, folder, training } = run;
  if (run.engineReason !== undefined && !quiet) {
    console.error(`Backend ${run.engine.backend}, chosen by auto: ${run.engineReason}.`);
  }
  const { draw, ...hooks } = await task.show(run, request);
  try {
    const trained = await trainRun(run, {
      ...hooks,
      quiet,
      started,
    });
    const measured = await orStopped(
      "Stopped before the likelihoods and figures were finished; the training is, and is saved.",
      () => measure(task, run, trained, quiet, draw),
    );
    const { validation, unconditional, test, suggestion, figures } = measured;
    const summary = await finishRun(run, trained, {
      validation,
      unconditional,
      test,
      suggestion,
      started,
      bits: (nats) => bitsPerDimension(nats, dimensionsOf(data)),
    });
    if (ranks.rank > 0) return;
    printText(
      request.json ? JSON.stringify(summary) : reportLines(request.dataset.name, summary, figures).join("\n"),
    );
  } catch (error) {
    if (error instanceof InterruptedError) {
      throw new InterruptedError(`${error.message} ${goOn(run, request)}`);
    }
    if (error instanceof BackendError && await latestCheckpoint(folder.path) !== undefined) {
      throw new BackendFailure(`${error.message} What was trained is saved. ${goOn(run, request)}`);
    }
    throw error;
  } finally {
    await training.dispose();
    await run.engine.dispose();
    run.lock?.[Symbol.dispose]();
  }
}

/** The likelihoods and curves of a finished training, and its figures. */
async function measure(
  { measure }: TrainingTask,
  { training, data, info, config, proposal, random, ranks }: PreparedRun,
  { metrics }: TrainRunResult,
  quiet: boolean,
  draw: Display["draw"],
) {
  using progress = new Progress({ quiet });
  progress.update({ label: "likelihood and figures", done: 0, total: 1 });
  const { validationLevels, testLevels, curvePoints, curveSamples } = measure;
  const validation = validationLevels !== undefined && config.estimator === "paired"
    ? await compared(training.meter, data.validation, proposal, random.split("final"), validationLevels)
    : undefined;
  // What the same network knows of samples of which it is told nothing.
  const unconditional = data.condition && validation
    ? await compared(training.meter, givenNothing(data.validation), proposal, random.split("final"), validationLevels!)
    : undefined;
  const test = data.test && await compared(training.meter, data.test, proposal, random.split("test"), testLevels);
  const curveData = atMost(data.validation, curveSamples, random.split("curve samples"));
  const curveMeter = await training.meterOf(
    (denoiser) => denoiser,
    data.table ? collapsed(referenceOf(info)) : onlyGaussian(info.gaussian),
  );
  const curve = await mseCurve(curveMeter, curveData, proposal, random.split("curve"), curvePoints);
  await curveMeter.dispose();
  // An even proposal follows from the data's structure, and not from where the error is half of the dimension.
  const suggestion = proposal.even ? undefined : suggestProposal(curve, sizeOf(data.shape));
  ranks.stop.throwIfAborted();
  const figures = await draw?.({ metrics, curve, suggestion, test }) ?? [];
  return { validation, unconditional, test, suggestion, figures };
}

function goOn({ config, folder }: PreparedRun, { figures }: RunRequest): string {
  return `Go on with: ${resumeCommand(config, folder)}${figures ? "" : " --figures off"}`;
}

/** The NLL of samples, and by how much it is below that of the reference alone: much more exact than either. */
async function compared(
  meter: ErrorMeter,
  given: Samples,
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<ComparedNll> {
  const samples = drawn(given, random), nll = await nllPerSample(meter, samples, proposal, random, levels);
  const reference = referenceNll(samples, meter.reference);
  return { ...meanAndStderr(nll), gain: meanAndStderr(reference.map((value, i) => value - nll[i])) };
}

/** All samples, or so many of them, drawn at random. */
function atMost(samples: Samples, count: number, random: Random): Samples {
  if (samples.count <= count) return samples;
  return selectRows(samples, random.permutation(samples.count).slice(0, count).sort());
}
