import "../core/cli/listen.ts";
import { givenNothing } from "../core/data/condition.ts";
import { SETTINGS } from "../core/model/setting_ranges.ts";
import { withDefault } from "../core/options/values.ts";
import { basename } from "node:path";
import { main, parseCommandLine, printText, Progress, takeNotes } from "../core/cli/mod.ts";
import { diagnose, type Diagnosis, diagnosisLines } from "../core/evaluation/diagnosis.ts";
import { lockOutput } from "../core/io/lock.ts";
import { requireWithin } from "../core/io/within.ts";
import { UserError } from "../core/errors/user_error.ts";
import { imageShape, renderSvg } from "../core/figures/mod.ts";
import { diagnosisFigure } from "../core/figures/diagnosis.ts";
import { type Integral, integralOf } from "../core/evaluation/integral.ts";
import { Random } from "../core/random/random.ts";
import { MAX_MIXTURE_DIMENSION } from "../core/reference/choose_mixture.ts";
import { mixtureNear } from "../core/reference/choose_reference.ts";
import { noteThreads, runBackendOption } from "../core/run/backend.ts";
import { PARTS, samplesOf } from "../core/run/evaluation_data.ts";
import { peakMemory } from "../core/run/memory.ts";
import { internalsOf } from "../core/model/internals.ts";
import { type LoadedModel, startModel } from "../core/run/load_model.ts";
import { openRun } from "../core/run/open_run.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { shown } from "../core/run/result.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { onlyGaussian } from "../core/reference/mixture.ts";
import { type Samples, selectRows } from "../core/data/samples.ts";

/** Samples where no number of them is asked for. */
const POINTS = 4096, IMAGES = 256;

/** Points that a density is integrated by in more dimensions, where each takes longer. */
const FEW_DIMENSIONS = 3, MANY_POINTS = 2048;

/** A part of the points below which an integral is said to be doubtful. */
const LEAST_EFFICIENCY = 0.02;

const FIGURE = "figures/diagnosis.svg", FILE = "diagnosis.json";

const options = {
  data: { optional: "string", placeholder: "data", help: "A file or data set (default: the run's own)." },
  part: { optional: "string", choices: PARTS, help: "Which samples of it (default: test, or validation without one)." },
  samples: {
    optional: "number",
    min: 2,
    max: 2 ** 31,
    integer: true,
    help: `How many of them at most (default ${POINTS} points or ${IMAGES} images).`,
  },
  levels: { default: 49, min: 3, max: 1025, integer: true, help: "Log SNRs to measure at." },
  seed: withDefault(SETTINGS.seed, 0, "Seed of the noise, and of which samples are taken."),
  ...runBackendOption,
  ...trustOption,
  ...outputOptions,
} as const;

await main((stop) =>
  orStopped("Stopped before the diagnosis was finished; wrote nothing.", async () => {
    const { options: o, positional } = await parseCommandLine({
      name: "diagnose",
      summary: "Tells where along the log SNRs a model's likelihood and its error come from.",
      positional: [{ name: "run", help: "The folder of a run, or of one of its checkpoints." }],
      options,
    }, Deno.args);
    using progress = new Progress({ quiet: o.quiet || o.json });
    const { notes, onNote } = takeNotes(progress);
    const run = await openRun(positional.run, { trust: trustOf(o.trust, o.data) }, { onNote });
    const { shape } = run.info;
    if (run.info.table) {
      throw new UserError(
        `The run in ${positional.run} is of a table, whose error over the log SNRs is compared with no Gaussian. Take nll or score.`,
      );
    }
    const chosen = await samplesOf(run, o);
    const random = Random.fromSeed(o.seed).split("diagnosis");
    const count = Math.min(chosen.samples.count, o.samples ?? (imageShape(shape) ? IMAGES : POINTS));
    const rows = random.split("samples").permutation(chosen.samples.count).slice(0, count).sort();
    // What is integrated is p(x), of a model with a condition as of any other.
    const samples = givenNothing(selectRows(chosen.samples, rows));
    if (run.info.condition) onNote("condition: the diagnosis is that of p(x), with nothing known of the samples");

    // Until the process ends: of two the one's figure would stand beside the other's numbers.
    await requireWithin(run.folder.path, run.folder.file(FILE));
    await lockOutput(run.folder.file(FILE));
    progress.update({ label: "diagnose", done: 0, total: o.levels });
    await using model = await startModel(run, o);
    const { engine, meter: meterOf } = internalsOf(model);
    noteThreads(o.threads, engine, onNote);
    const { backendReason: reason } = model;
    const meter = await meterOf({
      batch: Math.min(run.config.evalBatchSize, 2 * count),
      signal: stop,
      reference: onlyGaussian(run.info.gaussian),
    });
    const started = performance.now();
    const diagnosis = await diagnose(meter, samples, run.proposal, random.split("noise"), {
      levels: o.levels,
      signal: stop,
      onProgress: (done, total) =>
        progress.update({ label: "diagnose", done: o.levels * done / total, total: o.levels }),
    });
    await meter.dispose();
    progress.update({ label: "integral", done: 0, total: 1 });
    const integral = await modelIntegral(model, samples, random.split("integral"), stop);
    progress.update({ label: "diagnose", done: o.levels, total: o.levels });
    const seconds = (performance.now() - started) / 1000;

    const name = basename(run.folder.path);
    const svg = await renderSvg(diagnosisFigure(`${name}: diagnosis on ${chosen.name}`, diagnosis));
    await run.folder.write(FIGURE, svg);
    const summary = {
      task: "diagnose",
      run: shown(run.folder.path),
      epoch: run.epoch,
      data: chosen.name,
      ...recordOf(diagnosis),
      ...(integral ? { integral: integral.mean, integral_stderr: integral.stderr } : {}),
      ...(integral ? { normalised_nll: diagnosis.nll.mean + Math.log(integral.mean) } : {}),
      ...(chosen.logScale === undefined ? {} : { log_scale: chosen.logScale }),
      evaluations: 2 * count * o.levels,
      seconds: Math.round(seconds * 1000) / 1000,
      peak_mb: peakMemory(),
      seed: o.seed,
      backend: engine.backend,
      ...(reason === undefined ? {} : { backend_reason: reason }),
      versions: engine.versions,
      files: [FILE, FIGURE],
      ...(notes.length > 0 ? { notes } : {}),
    };
    await run.folder.writeJson(FILE, summary);
    progress.finish();
    const lines = [
      `${name} after epoch ${run.epoch} on ${chosen.name}, in ${seconds.toFixed(1)} s on ${engine.backend}`,
      ...diagnosisLines(diagnosis),
      ...(integral ? [integralLine(integral, diagnosis.nll.mean)] : []),
      ...(chosen.logScale === undefined
        ? []
        : [`The NLL is of the scaled values; add ${chosen.logScale.toFixed(3)} nats for those of the file.`]),
      `Wrote ${shown(run.folder.file(FILE))} and ${FIGURE}`,
    ];
    printText(o.json ? JSON.stringify(summary) : lines.join("\n"));
  })
);

/** What the model's density integrates to; none in so many dimensions that no mixture is near it. */
async function modelIntegral(model: LoadedModel, samples: Samples, random: Random, signal: AbortSignal) {
  const { engine, meter: meterOf, evalBatchSize } = internalsOf(model);
  const d = samples.dimension;
  if (d > MAX_MIXTURE_DIMENSION) return undefined;
  const near = model.info.reference ?? await mixtureNear(engine, samples, random.split("mixture"), signal);
  await using meter = await meterOf({ signal, batch: evalBatchSize });
  return await integralOf(meter, near, model.proposal, random, d <= FEW_DIMENSIONS ? {} : { points: MANY_POINTS });
}

function integralLine({ mean, stderr, efficiency }: Integral, nll: number): string {
  const digits = stderr > 0 ? Math.min(6, Math.max(2, 1 - Math.floor(Math.log10(stderr)))) : 3;
  const doubt = efficiency < LEAST_EFFICIENCY
    ? ", from few points: the mixture it is integrated by is far from it"
    : "";
  return `Integral       ${mean.toFixed(digits)} ± ${stderr.toFixed(digits)}${doubt}; ` +
    `the NLL of the normalised density is ${(nll + Math.log(mean)).toFixed(3)}`;
}

/** A diagnosis under the names that files use. Likelihoods are in nats. */
function recordOf(d: Diagnosis) {
  return {
    samples: d.samples,
    dimension: d.dimension,
    logsnr_loc: d.proposal.loc,
    logsnr_scale: d.proposal.scale,
    nll: d.nll.mean,
    nll_stderr: d.nll.stderr,
    gaussian_nll: d.gaussianNll.mean,
    gain: d.gain.mean,
    gain_stderr: d.gain.stderr,
    clamped_nll: d.clampedNll.mean,
    clamped_nll_stderr: d.clampedNll.stderr,
    gaussian_wins: d.gaussianWins.map(({ interval, nats }) => ({ interval, nats: nats.mean, stderr: nats.stderr })),
    gain_interval: d.gainInterval ?? null,
    variance_interval: d.varianceInterval ?? null,
    variance_ratio: d.varianceRatio,
    cut_off: d.cutOff.map(({ end, logsnr, gain }) => ({ end, logsnr, gain: gain.mean, stderr: gain.stderr })),
    ...(d.suggestion ? { suggested_logsnr_loc: d.suggestion.loc, suggested_logsnr_scale: d.suggestion.scale } : {}),
    spectrum_logsnr_loc: d.spectrum.loc,
    spectrum_logsnr_scale: d.spectrum.scale,
    levels: d.levels,
  };
}
