import "../core/cli/listen.ts";
import { basename, join, resolve } from "node:path";
import { mainOnRanks, mpiOption, parseCommandLine, printText, Progress, takeNotes } from "../core/cli/mod.ts";
import { InterruptedError, orStopped } from "../core/errors/interrupted_error.ts";
import { UserError } from "../core/errors/user_error.ts";
import { type Classification, likeliest, scoreClasses } from "../core/evaluation/classification.ts";
import { classLogProbabilities, type ClassLogs, LABELLED_SAMPLES } from "../core/evaluation/class_probabilities.ts";
import { ROUNDS } from "../core/evaluation/take_rounds.ts";
import { lockOutput } from "../core/io/lock.ts";
import { requireWithin } from "../core/io/within.ts";
import { internalsOf } from "../core/model/internals.ts";
import { SETTINGS } from "../core/model/setting_ranges.ts";
import { MEASURING } from "../core/model/use_ranges.ts";
import { ranksRecord } from "../core/mpi/mod.ts";
import { withDefault } from "../core/options/values.ts";
import type { Samples } from "../core/data/samples.ts";
import { type ClassVariable, type Condition, levelsOf } from "../core/data/condition.ts";
import { Random } from "../core/random/random.ts";
import { runBackendOption } from "../core/run/backend.ts";
import { countLine, drawnSamples } from "../core/run/drawn_samples.ts";
import { type ChosenSamples, ownData, PARTS, readingOptions, samplesOf } from "../core/run/evaluation_data.ts";
import { startModel } from "../core/run/load_model.ts";
import { peakMemory } from "../core/run/memory.ts";
import type { OpenModel } from "../core/run/open_weights.ts";
import { openRun } from "../core/run/open_run.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { requirePerSamplePath, writeColumns } from "../core/run/per_sample_file.ts";
import { shown } from "../core/run/result.ts";

const options = {
  data: { optional: "string", placeholder: "data", help: "A file or data set (default: the run's own)." },
  part: { optional: "string", choices: PARTS, help: "Which samples of it (default: test, or validation without one)." },
  samples: { ...MEASURING.samples, help: "So many samples, drawn from all (default: all)." },
  variable: {
    optional: "string",
    placeholder: "name",
    help: "Which variable of the run's condition to tell (default: its only class).",
  },
  rounds: withDefault(MEASURING.rounds, ROUNDS, "Log SNRs per sample and class."),
  perSample: {
    optional: "string",
    placeholder: "file",
    help: "Write the likeliest class and log p(c | x) of every class for every sample: .csv, .h5.",
  },
  seed: withDefault(SETTINGS.seed, 0, "Seed of the log SNRs and the noise, which all classes have in common."),
  evalBatchSize: { ...SETTINGS.evalBatchSize, help: "Samples per run of the denoiser (default: the run's)." },
  ...readingOptions,
  ...runBackendOption,
  ...mpiOption,
  ...trustOption,
  ...outputOptions,
} as const;

/** What is said of the likelihoods. */
const FORMS = { paired: "against the reference", errors: "by the errors alone" };

await mainOnRanks(async (ranks) => {
  const { options: o, positional } = await parseCommandLine({
    name: "classify",
    summary: "Tells the classes of data by Bayes' rule from the likelihoods of a model with a condition.",
    positional: [{ name: "run", help: "The folder of a run with a condition, or of one of its checkpoints." }],
    options,
  }, Deno.args);
  if (o.perSample !== undefined) requirePerSamplePath(o.perSample);
  const isFirst = ranks.rank === 0;
  using progress = new Progress({ quiet: o.quiet || o.json || !isFirst });
  const { notes, onNote } = takeNotes(progress);
  const opened = await openRun(positional.run, { trust: trustOf(o.trust, o.data) }, { onNote });
  const { condition, variable, own } = variableOf(opened.info.condition, o.variable, positional.run);
  using chosen = await samplesOf(opened, o);
  const random = Random.fromSeed(o.seed).split("classify");
  const { samples, rows } = drawnSamples(chosen.samples, o.samples, random);
  const { name } = chosen, levels = levelsOf(samples, condition, variable);
  const truth = levels?.some((level) => level >= 0) ? levels : undefined;
  const unlabelled = truth?.filter((level) => level < 0).length ?? 0;
  if (unlabelled > 0) {
    onNote(`${own.name} is unknown of ${unlabelled} of the ${samples.count} samples, by which nothing is scored`);
  }
  if (!truth && o.perSample === undefined) {
    throw new UserError(
      `${name} does not say the ${own.name} of its samples, so that there is nothing to compare with. Write what is ` +
        "told by --per-sample, or give data that does.",
    );
  }
  if (isFirst && o.perSample !== undefined) await lockOutput(resolve(o.perSample), ", or name another file");
  const labelled = await labelledOf(opened, chosen, random, onNote);
  await using model = await startModel(opened, o);
  const { engine, meter: meterOf, evalBatchSize } = internalsOf(model);
  const started = performance.now();
  await using meter = await meterOf({
    batch: Math.min(o.evalBatchSize ?? evalBatchSize, 2 * samples.count),
    ...{ signal: ranks.stop, ranks },
  });
  const told = await orStopped(
    "Stopped before all classes were measured; nothing is written.",
    () =>
      classLogProbabilities(meter, samples, condition, opened.proposal, random, {
        ...{ variable, rounds: o.rounds, signal: ranks.stop, ...(labelled ? { labelled } : {}) },
        onProgress: (done, total) => progress.update({ label: "class", done, total }),
      }),
  );
  if (!told) throw new InterruptedError("Stopped before all classes were measured; nothing is written.");
  const { logs, form, chosenBy, logsnrUpTo, temperature } = told;
  if (logs.some(Number.isNaN)) {
    throw new UserError("The likelihoods came out as no numbers: the model has diverged, or the data is not its own.");
  }
  const seconds = (performance.now() - started) / 1000;
  if (!isFirst) return;

  const result = truth && scoreClasses(...knownOf(logs, truth, own.levels.length));
  if (o.perSample !== undefined) await writeColumns(resolve(o.perSample), columnsOf(logs, own, truth), rows);
  const stem = join(
    "classify",
    [name, ...(rows ? [`${rows.length} samples`] : [])].join("-").replace(/[^\w.-]+/g, "_").slice(-80),
  );
  await requireWithin(opened.folder.path, opened.folder.file(stem));
  const figures = result ? [`${stem}.svg`] : [];
  if (result) {
    const { calibrationFigure, renderSvg } = await import("../core/figures/mod.ts");
    const record = {
      title: `${basename(opened.folder.path)}: ${own.name} of ${name}`,
      subtitle: `${percent(result.accuracy.mean)} right, log loss ${result.logLoss.mean.toFixed(3)} nats`,
      bins: result.bins,
    };
    await opened.folder.write(figures[0], await renderSvg(calibrationFigure(record)));
  }
  progress.finish();
  const summary = {
    task: "classify",
    run: shown(opened.folder.path),
    epoch: opened.epoch,
    data: name,
    ...(chosen.description === undefined ? {} : { read: chosen.description }),
    samples: samples.count,
    ...(rows ? { drawn_from: chosen.samples.count } : {}),
    ...(unlabelled > 0 ? { unlabelled } : {}),
    variable: own.name,
    classes: own.levels,
    ...(own.names ? { names: own.names } : {}),
    ...(result ? scoresOf(result) : {}),
    likelihoods: form,
    ...(logsnrUpTo === undefined ? {} : { logsnr_up_to: logsnrUpTo }),
    temperature,
    ...(chosenBy > 0 ? { chosen_by_labelled: chosenBy } : {}),
    rounds: o.rounds,
    seconds: Math.round(seconds * 1000) / 1000,
    peak_mb: peakMemory(),
    seed: o.seed,
    backend: engine.backend,
    ...(model.backendReason === undefined ? {} : { backend_reason: model.backendReason }),
    ...ranksRecord(ranks),
    versions: engine.versions,
    ...(o.perSample === undefined ? {} : { per_sample: shown(resolve(o.perSample)) }),
    ...(figures.length > 0 ? { figures } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
  await opened.folder.writeJson(`${stem}.json`, summary);
  const wrote = [
    ...o.perSample === undefined ? [] : [summary.per_sample],
    ...figures.map((path) => join(summary.run, path)),
  ];
  printText(
    o.json ? JSON.stringify(summary) : [
      `${countLine(summary)} of ${name}: ${own.name} under ${summary.run}`,
      ...(chosen.description === undefined ? [] : [`  read ${chosen.description}`]),
      ...(result ? linesOf(result, own.name) : []),
      `${o.rounds} rounds of ${own.levels.length} classes, ${planWords(told)}, ${seconds.toFixed(1)} s`,
      ...(wrote.length > 0 ? [`Wrote ${wrote.join(", ")}`] : []),
    ].join("\n"),
  );
});

/**
 * Samples of the run's own data that are none of those to tell: of its validation data, or, where those are told, of its
 * training data.
 */
async function labelledOf(
  opened: OpenModel,
  { own }: ChosenSamples,
  random: Random,
  onNote: (note: string) => void,
): Promise<Samples | undefined> {
  try {
    const { validation, train } = own?.dataset ?? await ownData(opened);
    return drawnSamples(own?.part === "validation" ? train : validation, LABELLED_SAMPLES, random.split("labelled"))
      .samples;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onNote(`no labelled samples choose at which log SNRs classes are asked: ${error.message}`);
    return undefined;
  }
}

/** How classes were asked, and who chose it. */
function planWords({ form, logsnrUpTo, temperature, chosenBy }: ClassLogs): string {
  const range = logsnrUpTo === undefined ? "" : ` up to log SNR ${logsnrUpTo.toFixed(2)}`;
  const less = temperature === 1 ? "" : ` at a temperature of ${temperature.toFixed(2)}`;
  return `${FORMS[form]}${range}${less}${
    chosenBy > 0 ? `, as ${chosenBy} labelled samples of the run's own are told best` : ""
  }`;
}

/** The class that is to be told. @throws {UserError} Where the run has none, or several. */
function variableOf(
  condition: Condition | undefined,
  name: string | undefined,
  run: string,
): { readonly condition: Condition; readonly variable: number; readonly own: ClassVariable } {
  if (!condition) {
    throw new UserError(`The run in ${run} was trained without a condition. Train one with --condition, as label.`);
  }
  const classes = condition.filter((variable) => variable.kind === "class");
  const names = classes.map((variable) => variable.name).join(", ");
  if (name === undefined && classes.length !== 1) {
    throw new UserError(
      `The run in ${run} is given ${classes.length} classes${names ? ` (${names})` : ""}, expected one. ` +
        (names ? "Name one by --variable." : "Train with a condition that is a class."),
    );
  }
  const own = name === undefined ? classes[0] : classes.find((variable) => variable.name === name);
  if (!own) throw new UserError(`--variable is ${name}, expected a class of the run: ${names || "it has none"}.`);
  return { condition, variable: condition.indexOf(own), own };
}

/** What was told of the samples whose class is known, and these classes. */
function knownOf(logs: Float64Array, truth: readonly number[], classes: number): [Float64Array, number[]] {
  const rows = [...truth.keys()].filter((i) => truth[i] >= 0);
  const own = Float64Array.from(
    { length: rows.length * classes },
    (_, at) => logs[rows[Math.floor(at / classes)] * classes + at % classes],
  );
  return [own, rows.map((i) => truth[i])];
}

function columnsOf(logs: Float64Array, { name, levels }: ClassVariable, truth: readonly number[] | undefined) {
  const n = logs.length / levels.length;
  const each = (of: (row: Float64Array, i: number) => number) =>
    Float64Array.from({ length: n }, (_, i) => of(logs.subarray(i * levels.length, (i + 1) * levels.length), i));
  return {
    ...(truth ? { [name]: each((_, i) => levels[truth[i]] ?? NaN) } : {}),
    predicted: each((row) => levels[likeliest(row)]),
    ...Object.fromEntries(levels.map((level, k) => [`log_p_${level}`, each((row) => row[k])])),
  };
}

function scoresOf({ accuracy, logLoss, entropy, information, calibrationError, bins }: Classification) {
  return {
    ...{ accuracy: accuracy.mean, accuracy_stderr: accuracy.stderr },
    ...{ log_loss: logLoss.mean, log_loss_stderr: logLoss.stderr },
    ...{ entropy_nats: entropy, mi_at_least_nats: information.mean, mi_at_least_stderr: information.stderr },
    ...{ calibration_error: calibrationError, calibration: bins },
  };
}

function linesOf(
  { accuracy, logLoss, entropy, information, calibrationError }: Classification,
  name: string,
): string[] {
  return [
    `Accuracy  ${percent(accuracy.mean)} ± ${(100 * accuracy.stderr).toFixed(1)} %`,
    `Log loss  ${logLoss.mean.toFixed(4)} ± ${logLoss.stderr.toFixed(4)} nats`,
    `Calibration error  ${calibrationError.toFixed(4)}`,
    `Information  at least ${information.mean.toFixed(4)} ± ${information.stderr.toFixed(4)} nats of the ${
      entropy.toFixed(4)
    } of ${name}`,
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
