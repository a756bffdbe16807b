import { join } from "node:path";
import { bitsPerDimension } from "../diffusion/likelihood.ts";
import { countLine } from "./drawn_samples.ts";
import type { OutlyingComponent } from "../evaluation/outlying_components.ts";

/** A likelihood as its file in a run's folder says it. In nats. */
export interface NllSummary {
  readonly task: string;
  readonly run: string;
  readonly data: string;
  readonly read?: string;
  readonly samples: number;
  /** How many samples they were drawn from. */
  readonly drawn_from?: number;
  readonly given?: string;
  readonly estimator: string;
  /** Whether noise within a step was added to discrete data. */
  readonly dequantised?: boolean;
  /** Of a variational bound, `discrete` or `continuous`: of probabilities, or of a density. */
  readonly data_kind?: string;
  readonly weights?: string;
  readonly gaussian_of?: string;
  readonly ensemble?: { readonly runs: readonly string[]; readonly shares: readonly number[] };
  readonly reference?: string;
  readonly reference_share?: number;
  readonly chosen_on?: string;
  readonly outlying_components?: readonly OutlyingComponent[];
  readonly nats: number;
  readonly stderr: number;
  readonly noise_stderr: number;
  readonly bits_per_dim: number;
  readonly log_scale?: number;
  readonly rounds: number;
  readonly evaluations: number;
  readonly seconds: number;
  readonly per_sample?: string;
  readonly figures?: readonly string[];
  readonly reached: boolean;
  /** What the likelihood is of, where it is of a table's rows. */
  readonly of?: string;
  readonly [fact: string]: unknown;
}

/**
 * What the terminal shows of a likelihood.
 *
 * @param d The data's dimension, or the columns of a table.
 * @param wanted The noise's error that was asked for.
 * @param file The result within the run's folder.
 * @param more What the estimator has to say besides.
 */
export function nllLines(
  s: NllSummary,
  d: number,
  wanted: number | undefined,
  file: string,
  more: readonly string[] = [],
): string[] {
  const isDensity = isOfDensity(s), p = isDensity ? "p" : "P";
  const what = !isDensity ? "−log P at most" : s.estimator === "elbo" ? "NLL at most" : "NLL";
  const added = [...(s.weights === undefined ? [] : [file]), ...s.figures ?? []].map((name) => join(s.run, name));
  const wrote = [...(s.per_sample === undefined ? [] : [s.per_sample]), ...added];
  return [
    `${countLine(s)} of ${s.data} under ${s.weights ?? s.run}`,
    ...(s.read === undefined ? [] : [`  read ${s.read}`]),
    ...(s.given === undefined ? [] : [`  −log ${p}(${s.given === "nothing" ? "x)" : `x | c)`}, given ${s.given}`]),
    ...(s.gaussian_of === undefined ? [] : [`  compared with the Gaussian of ${s.gaussian_of}`]),
    ...(s.ensemble?.runs.map((run, i) =>
      `  with ${Math.round(100 * s.ensemble!.shares[i])}% of ${run}, on average over the log SNRs`
    ) ??
      []),
    ...(s.reference_share === undefined ? [] : [
      `  with ${
        Math.round(100 * s.reference_share)
      }% of the reference, ${s.reference}, on average over the log SNRs, by ${
        s.chosen_on === "validation" ? "the validation data" : s.chosen_on
      }`,
    ]),
    `${what}  ${s.nats.toFixed(4)} ± ${shownError(s.stderr)} nats ` +
    `(${s.bits_per_dim.toFixed(4)} ± ${shownError(bitsPerDimension(s.stderr, d))} ${
      s.of === undefined ? "bits/dim" : "bits/column"
    })`,
    ...(s.of === undefined ? [] : ["     of what is known of each row, in the file's own units"]),
    s.noise_stderr === 0 && s.estimator === "ode"
      ? "     the error is that of the finite number of samples; the divergence is exact"
      : s.samples === 1
      ? "     the error is that of the noise alone"
      : `     of the error ${shownError(s.noise_stderr)} nats is noise, the rest the finite number of samples`,
    ...more,
    ...(s.log_scale === undefined
      ? []
      : [`     of the scaled values; add ${s.log_scale.toFixed(4)} nats for those of the file`]),
    `${s.rounds} ${s.rounds === 1 ? "round" : "rounds"}, ${
      s.evaluations.toLocaleString("en")
    } evaluations of the denoiser, ${s.seconds.toFixed(1)} s`,
    ...(s.outlying_components ? [warning(s.outlying_components, s.data, d)] : []),
    ...(s.reached ? [] : [`The budget is spent; the noise's error is not down to ${wanted} yet.`]),
    ...(wrote.length === 0 ? [] : [`Wrote ${wrote.join(", ")}`]),
  ];
}

/** Whether a likelihood is one of a density, −log p, and not of probabilities of discrete values, −log P. */
export function isOfDensity({ estimator, dequantised, data_kind: kind }: NllSummary): boolean {
  return estimator === "paired" || estimator === "ode" && !dequantised || estimator === "elbo" && kind !== "discrete";
}

/** Says why a likelihood is out of all proportion. */
function warning(outlying: readonly OutlyingComponent[], data: string, d: number): string {
  const most = outlying.reduce((a, b) => b.deviations > a.deviations ? b : a);
  const names = outlying.slice(0, 10).map(({ index }) => index).join(", ") + (outlying.length > 10 ? ", …" : "");
  return `Warning: ${outlying.length} of ${d} components (${names}) hardly vary in what the model was trained on, but ` +
    `are up to ${
      Number(most.deviations.toPrecision(2)).toLocaleString("en")
    } standard deviations off in ${data}. The NLL is mostly of these, and only ` +
    "says that the model has seen nothing like it.";
}

/** An error with two digits. */
export function shownError(x: number): string {
  return Number.isFinite(x) ? String(Number(x.toPrecision(2))) : "?";
}
