import { relative } from "node:path";
import { describeCondition } from "../data/condition.ts";
import { gaussianNll } from "../reference/gaussian.ts";
import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import configuration from "../../deno.json" with { type: "json" };
import { peakMemory } from "./memory.ts";
import { ranksRecord } from "../mpi/mod.ts";
import { referenceOf } from "../plugins/contracts.ts";
import { mixtureName } from "../reference/mixture.ts";
import { shellWord } from "../options/shell_word.ts";
import { namedAgain, RESUME_OPTIONS } from "../plugins/trust.ts";
import { describeTable } from "../rows/describe_table.ts";
import type { RunConfig } from "./config.ts";
import type { RunFolder } from "./folder.ts";
import type { ComparedNll } from "./training_task.ts";
import type { PreparedRun } from "./prepare.ts";
import type { TrainRunResult } from "./train_run.ts";

/** A finished run in numbers, as summary.json holds it. Likelihoods are in nats, times in seconds. */
export interface Summary {
  readonly task: string;
  readonly dataset: string;
  readonly denoiser: string;
  readonly recipe: string;
  readonly epochs: number;
  readonly steps: number;
  readonly parameters: number;
  readonly val_nll: number;
  readonly val_nll_stderr: number;
  readonly val_bits_per_dim: number;
  /** Of a model with a condition, whose other NLLs are E[−log p(x | c)]: E[−log p(x)] on the validation data. */
  readonly val_nll_unconditional?: number;
  readonly val_nll_unconditional_stderr?: number;
  /** What is known of a sample, in words. */
  readonly condition?: string;
  /** On samples that neither training nor validation saw; only where the data set has them. */
  readonly test_nll?: number;
  readonly test_nll_stderr?: number;
  readonly test_bits_per_dim?: number;
  /** What the model is compared with, and blended with where `blended` says so. */
  readonly reference: string;
  readonly blended: boolean;
  /** The NLL of the reference alone on the fresh samples, or on the validation data without them. */
  readonly reference_nll?: number;
  /** How far the model's NLL is below it, with its standard error: the same samples have both. */
  readonly gain?: number;
  readonly gain_stderr?: number;
  /** Of the training data's Gaussian (in high dimension of variances alone), on the validation data; of a table there is none. */
  readonly gaussian_nll?: number;
  /** The same on the samples of `test_nll`. */
  readonly gaussian_test_nll?: number;
  /** The data's true entropy, where it is known. */
  readonly entropy?: number;
  /** Added to an NLL in nats it gives that of the values before they were scaled. */
  readonly log_scale?: number;
  /** Of a table, what its columns were taken for; its NLLs are of rows as they are in the file. */
  readonly columns?: readonly string[];
  readonly logsnr_loc: number;
  readonly logsnr_scale: number;
  /** Whether they are drawn evenly from four scales below the location to four above it. */
  readonly logsnr_even: boolean;
  readonly suggested_logsnr_loc?: number;
  readonly suggested_logsnr_scale?: number;
  readonly train_seconds: number;
  readonly total_seconds: number;
  /** The median; none where nothing was trained. */
  readonly ms_per_step?: number;
  /** The largest resident memory of the process in MB. */
  readonly peak_mb: number;
  readonly backend: string;
  /** Why it was this backend, where that was left open. */
  readonly backend_reason?: string;
  readonly precision: string;
  /** Of each rank. */
  readonly threads: number;
  /** Processes that shared the run, where it was not one, and what they talked by. */
  readonly ranks?: number;
  readonly mpi?: string;
  readonly seed: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly folder: string;
  /** What was said to the user while the data and the denoiser were loaded. */
  readonly notes?: readonly string[];
}

/** Writes summary.json, and returns what it says. */
export async function finishRun(
  { config, data, info, engine, engineReason, training, folder, proposal, ranks, notes }: PreparedRun,
  { metrics, trainSeconds, msPerStep, seconds }: TrainRunResult,
  { validation, unconditional, test, suggestion, started, bits }: {
    /** More exact than the last epoch's, where the estimator allows it. */
    readonly validation: ComparedNll | undefined;
    /** Of samples of which nothing is known, of a model with a condition. */
    readonly unconditional: ComparedNll | undefined;
    readonly test: ComparedNll | undefined;
    readonly suggestion: Proposal | undefined;
    readonly started: number;
    readonly bits: (nats: number) => number;
  },
): Promise<Summary> {
  const last = metrics[metrics.length - 1];
  const { mean, stderr } = validation ?? { mean: last.val_nll, stderr: last.val_nll_stderr };
  const best = test ?? validation;
  // Earlier parts of a resumed run, this one up to the end of training, and what came after.
  const total = Math.max(seconds, (performance.now() - started) / 1000);
  const summary: Summary = {
    task: config.task,
    dataset: config.dataset,
    denoiser: config.denoiser,
    recipe: config.recipe,
    epochs: last.epoch,
    steps: last.step,
    parameters: training.parameterCount,
    val_nll: mean,
    val_nll_stderr: stderr,
    val_bits_per_dim: bits(mean),
    ...(data.condition ? { condition: describeCondition(data.condition) } : {}),
    ...(unconditional
      ? { val_nll_unconditional: unconditional.mean, val_nll_unconditional_stderr: unconditional.stderr }
      : last.val_nll_unconditional === undefined
      ? {}
      : { val_nll_unconditional: last.val_nll_unconditional }),
    ...(test ? { test_nll: test.mean, test_nll_stderr: test.stderr, test_bits_per_dim: bits(test.mean) } : {}),
    reference: mixtureName(referenceOf(info)),
    blended: await training.blend() !== undefined,
    ...(best ? { reference_nll: best.mean + best.gain.mean, gain: best.gain.mean, gain_stderr: best.gain.stderr } : {}),
    ...(data.table ? { columns: describeTable(data.table) } : {
      gaussian_nll: meanAndStderr(gaussianNll(data.validation, info.gaussian)).mean,
    }),
    ...(test && data.test ? { gaussian_test_nll: meanAndStderr(gaussianNll(data.test, info.gaussian)).mean } : {}),
    ...(data.entropy === undefined ? {} : { entropy: data.entropy }),
    ...(data.logScale === undefined ? {} : { log_scale: data.logScale }),
    logsnr_loc: proposal.loc,
    logsnr_scale: proposal.scale,
    logsnr_even: proposal.even ?? false,
    ...(suggestion ? { suggested_logsnr_loc: suggestion.loc, suggested_logsnr_scale: suggestion.scale } : {}),
    train_seconds: round(trainSeconds),
    total_seconds: round(total),
    ...(msPerStep === undefined ? {} : { ms_per_step: round(msPerStep) }),
    peak_mb: peakMemory(),
    backend: engine.backend,
    ...(engineReason === undefined ? {} : { backend_reason: engineReason }),
    precision: config.precision,
    threads: engine.threads,
    ...ranksRecord(ranks),
    seed: config.seed,
    versions: { itdiffusion: configuration.version, deno: Deno.version.deno, ...engine.versions },
    folder: shown(folder.path),
    ...(notes.length > 0 ? { notes } : {}),
  };
  await folder.writeJson("summary.json", summary);
  return summary;
}

/** What the terminal shows of a finished run. */
export function reportLines(dataset: string, s: Summary, figures: readonly string[]): string[] {
  const perStep = s.ms_per_step === undefined ? "" : `, ${s.ms_per_step.toFixed(2)} ms a step`;
  const unit = s.columns ? "bits/column" : "bits/dim";
  const nll = (mean: number, stderr: number, bits: number) =>
    `${mean.toFixed(3)} ± ${stderr.toFixed(3)} nats (${bits.toFixed(3)} ${unit})`;
  const lines = [
    `${dataset}: ${s.epochs} ${s.epochs === 1 ? "epoch" : "epochs"} in ${
      s.train_seconds.toFixed(1)
    } s${perStep}, on ${s.backend}${s.ranks ? `, ${s.ranks} ranks` : ""}`,
    `NLL on the validation data  ${nll(s.val_nll, s.val_nll_stderr, s.val_bits_per_dim)}`,
  ];
  if (s.test_nll !== undefined) {
    lines.push(`NLL on fresh data           ${nll(s.test_nll, s.test_nll_stderr!, s.test_bits_per_dim!)}`);
  }
  if (s.val_nll_unconditional !== undefined) {
    lines.push(
      "  of −log p(x | c); told nothing, the model has " +
        s.val_nll_unconditional.toFixed(3) +
        (s.val_nll_unconditional_stderr === undefined ? "" : ` ± ${s.val_nll_unconditional_stderr.toFixed(3)}`) +
        " on the validation data",
    );
  }
  if (s.gain !== undefined && s.reference !== "one Gaussian") {
    lines.push(
      `Reference alone             ${s.reference_nll!.toFixed(3)} nats, ${s.reference}; the network gains ` +
        `${s.gain.toFixed(4)} ± ${s.gain_stderr!.toFixed(4)}`,
    );
  }
  if (s.gaussian_nll !== undefined) {
    lines.push(
      `NLL of the data's Gaussian  ${
        s.gaussian_test_nll === undefined
          ? `${s.gaussian_nll.toFixed(3)} nats on the validation data`
          : `${s.gaussian_test_nll.toFixed(3)} nats on fresh data, ${s.gaussian_nll.toFixed(3)} on the validation data`
      }`,
    );
  }
  if (s.entropy !== undefined) lines.push(`True entropy                ${s.entropy.toFixed(3)} nats`);
  if (s.log_scale !== undefined) {
    lines.push(`These are of the scaled values; add ${s.log_scale.toFixed(3)} nats for those of the file.`);
  }
  if (s.columns) {
    lines.push(
      "These are −log P of a row's known values: of classes and rounded numbers probabilities, of others densities",
    );
    lines.push("in the file's own units.");
  }
  lines.push(logsnrLine(s));
  lines.push(`Wrote ${s.folder}${figures.length > 0 ? `, with ${figures.join(", ")}` : ""}`);
  return lines;
}

/** What the log SNRs were, and what the MSE curve says of them. */
function logsnrLine(s: Summary): string {
  const { logsnr_loc: loc, logsnr_scale: scale, suggested_logsnr_loc, suggested_logsnr_scale } = s;
  if (s.logsnr_even) {
    const [low, high] = [-4, 4].map((k) => (loc + k * scale).toFixed(1).replace("-", "−"));
    return `Log SNRs                    drawn evenly from ${low} to ${high}`;
  }
  const used = `used: ${loc.toFixed(2)} and ${scale.toFixed(2)}`;
  return suggested_logsnr_loc === undefined
    ? `The MSE curve does not pass half of the dimension, so it suggests no log SNR proposal (${used}).`
    : `The MSE curve suggests      --logsnr-loc ${suggested_logsnr_loc.toFixed(2)} ` +
      `--logsnr-scale ${suggested_logsnr_scale!.toFixed(2)} (${used})`;
}

/** The command that goes on with a run, which names its code from outside the project again. */
export function resumeCommand({ task, denoiser, dataset }: RunConfig, folder: RunFolder): string {
  const plugins = namedAgain({ denoisers: denoiser, datasets: dataset }, RESUME_OPTIONS);
  return ["deno task", task, "--resume", shellWord(shown(folder.path)), ...plugins].join(" ");
}

/** A path below the working folder relative to it, any other in full. */
export function shown(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short && !short.startsWith("..") ? short : path;
}

function round(x: number): number {
  return Math.round(x * 1000) / 1000;
}
