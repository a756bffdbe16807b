import { basename, join, resolve } from "node:path";
import { sizeOf } from "../data/tensors.ts";
import { bitsPerDimension, type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { estimatorsFigure } from "../figures/estimators.ts";
import { renderSvg } from "../figures/mod.ts";
import { COMPARED } from "./estimator_options.ts";
import { givenKind, type MeasuredNll, measureNll, type NllContext, type NllRequest, nllStem } from "./measure_nll.ts";
import { isOfDensity, nllLines, shownError } from "./nll_lines.ts";
import { writeColumns } from "./per_sample_file.ts";
import { shown } from "./result.ts";

/** The names of the estimators on the terminal and in the figure. */
const NAMES: Readonly<Record<typeof COMPARED[number], string>> = {
  paired: "paired",
  ode: "ode",
  elbo: "elbo, at most",
};

/** How one estimator's values of samples differ from another's, in nats. */
interface Difference extends Estimate {
  /** Of the noise of both, which for the flow has the solver's error and the range's in it. */
  readonly error: number;
}

/** Estimates of one likelihood beside each other. */
export interface ComparedNll {
  readonly summary: Readonly<Record<string, unknown>>;
  /** As the terminal shows them. */
  readonly lines: readonly string[];
}

/**
 * Estimates the density's likelihood by its denoiser's errors, by the probability flow and by the variational bound, one
 * after another, each with a result of its own; then what they say together, and a figure of it.
 *
 * @returns Nothing of a rank that is not the first.
 */
export async function compareEstimators(
  asked: Omit<NllRequest, "estimator">,
  context: NllContext,
): Promise<ComparedNll | undefined> {
  const { runs: [run], chosen, told, samples, rows, grid, options } = asked, d = sizeOf(run.info.shape);
  const measured: MeasuredNll[] = [];
  for (const estimator of COMPARED) {
    const one = await measureNll({ ...asked, estimator, options: { ...options, perSample: undefined } }, context);
    if (one) measured.push(one);
  }
  if (measured.length < COMPARED.length) return undefined;
  // Of discrete data the bound is on −log P, which is −log p and the log of a step for each value.
  const offset = grid ? d * Math.log(grid.delta) : 0;
  const [paired, ode, elbo] = measured.map(({ summary, perSample }) => {
    const shift = isOfDensity(summary) ? 0 : offset;
    return { nats: summary.nats + shift, perSample: perSample.nll.map((nll) => nll + shift), summary };
  });
  const bound = measured[2].facts!.bound!;
  const off = (one: MeasuredNll) =>
    Math.hypot(
      one.summary.noise_stderr,
      ...["solver_error", "range_error"].map((key) => Number(one.summary[key] ?? 0)),
    );
  const difference = (k: number, of: typeof ode): Difference => ({
    ...meanAndStderr(of.perSample.map((nll, i) => nll - paired.perSample[i])),
    error: Math.hypot(off(measured[k]), off(measured[0])),
  });
  const [flow, above] = [difference(1, ode), difference(2, elbo)];
  const stem = nllStem(chosen.name, ["all", ...(rows ? [`${rows.length} samples`] : []), ...givenKind(told.given)]);
  const [figure, file] = [join("nll", `${stem}.svg`), join("nll", `${stem}.json`)];
  const spec = estimatorsFigure({
    title: `${basename(run.folder.path)}: one likelihood by three estimators`,
    subtitle: `${
      samples.count.toLocaleString("en")
    } samples of ${chosen.name}, one standard error of the mean as a thin line, that of the noise as a bar`,
    estimates: COMPARED.map((name, k) => ({
      name: NAMES[name],
      nats: [paired, ode, elbo][k].nats,
      stderr: measured[k].summary.stderr,
      noiseStderr: measured[k].summary.noise_stderr,
    })),
    differences: ode.perSample.map((nll, i) => nll - paired.perSample[i]),
    difference: [flow.mean, flow.error],
    bound: { ...bound, prior: bound.prior.mean, decoder: bound.decoder.mean },
  });
  await run.folder.write(figure, await renderSvg(spec));
  if (options.perSample !== undefined) {
    const columns = Object.fromEntries(COMPARED.flatMap((name, k) => [
      [name, [paired, ode, elbo][k].perSample],
      [`${name}_stderr`, measured[k].perSample.stderr],
    ]));
    await writeColumns(resolve(options.perSample), columns, rows);
  }
  const meaning = meaningOf(flow, above, grid !== undefined);
  const summary = {
    task: "nll",
    run: shown(run.folder.path),
    data: chosen.name,
    samples: samples.count,
    ...(told.given === undefined ? {} : { given: told.given }),
    estimator: "all",
    nats: paired.nats,
    stderr: measured[0].summary.stderr,
    noise_stderr: measured[0].summary.noise_stderr,
    bits_per_dim: bitsPerDimension(paired.nats, d),
    evaluations: measured.reduce((sum, one) => sum + one.summary.evaluations, 0),
    seconds: Math.round(1000 * measured.reduce((sum, one) => sum + one.summary.seconds, 0)) / 1000,
    // As densities: of discrete data the bound is −log P and the log of a step for each value.
    estimates: Object.fromEntries(COMPARED.map((name, k) => [name, {
      nats: [paired, ode, elbo][k].nats,
      stderr: measured[k].summary.stderr,
      noise_stderr: measured[k].summary.noise_stderr,
      result: measured[k].file,
    }])),
    ...(chosen.logScale === undefined ? {} : { log_scale: chosen.logScale }),
    ode_less_paired: flow.mean,
    ode_less_paired_error: flow.error,
    elbo_less_paired: above.mean,
    elbo_less_paired_error: above.error,
    meaning,
    reached: measured.every((one) => one.summary.reached),
    seed: options.seed,
    ...(options.perSample === undefined ? {} : { per_sample: shown(resolve(options.perSample)) }),
    figures: [figure],
    ...(context.notes.length > 0 ? { notes: context.notes } : {}),
  };
  await run.folder.writeJson(file, summary);
  const [first, ...rest] = nllLines(measured[0].summary, d, undefined, measured[0].file);
  const about = rest.filter((line) => /^ {2}\S/.test(line));
  return {
    summary,
    lines: [
      first,
      ...about,
      ...COMPARED.flatMap((name, k) => {
        const { nats } = [paired, ode, elbo][k], { noise_stderr: noise, evaluations, seconds } = measured[k].summary;
        const width = Math.max(...Object.values(NAMES).map(({ length }) => length));
        return [
          `${NAMES[name].padEnd(width)}  ${nats.toFixed(4)} ± ${shownError(off(measured[k]))} nats ` +
          `(${bitsPerDimension(nats, d).toFixed(4)} bits/dim), ${evaluations.toLocaleString("en")} evaluations, ` +
          `${seconds.toFixed(1)} s${noise === 0 ? "; no noise" : ""}`,
          ...measured[k].facts?.lines ?? [],
        ];
      }),
      `The errors are those of the estimates; the finite number of samples, which they share, adds ${
        shownError(measured[0].summary.stderr)
      } nats.`,
      ...(grid
        ? [`All are of the density; the bound is on −log P, of which ${(-offset).toFixed(4)} nats are taken off.`]
        : []),
      ...(chosen.logScale === undefined
        ? []
        : [`All are of the scaled values; add ${chosen.logScale.toFixed(4)} nats for those of the file.`]),
      ...(summary.reached ? [] : [`The budget is spent; not every noise's error is down to ${options.stderr} yet.`]),
      ...meaning,
      `Wrote ${
        [...measured.map((one) => one.file), file, figure].map((name) => join(shown(run.folder.path), name)).join(", ")
      }`,
    ],
  };
}

/** What it means that they differ, or do not. */
function meaningOf(flow: Difference, above: Difference, isDiscrete: boolean): string[] {
  const signed = ({ mean, error }: Difference) =>
    `${mean < 0 ? "−" : "+"}${Math.abs(mean).toFixed(4)} ± ${shownError(error)} nats`;
  const agree = Math.abs(flow.mean) <= 2 * flow.error;
  return [
    `ode less paired  ${signed(flow)}: ` +
    (agree
      ? "within the errors, as it is where the denoiser is the score of a density."
      : "the density that the denoiser's errors imply and that of its flow differ, so that it is not the score of one " +
        "density. paired bounds the entropy; ode is of the density that --sampler ode draws from, which integrates to 1."),
    `elbo less paired ${signed(above)}: ` +
    (above.mean > -2 * above.error
      ? "what the bound gives away by its steps and their variances."
      : `the steps describe the data better, by their fresh noise${
        isDiscrete ? " or because their decoder knows which values there are" : ""
      }.`),
  ];
}
