import { basename, join, resolve } from "node:path";
import { printText, Progress, takeNotes } from "../../core/cli/mod.ts";
import type { BackendChoice } from "../../core/engine/mod.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { lockOutput } from "../../core/io/lock.ts";
import { requireWithin } from "../../core/io/within.ts";
import { internalsOf } from "../../core/model/internals.ts";
import { conditionInformation, type ModelInformation } from "../../core/mutual_information/condition_information.ts";
import { referenceOf } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { mixtureName } from "../../core/reference/mixture.ts";
import { noteThreads } from "../../core/run/backend.ts";
import { countLine, drawnSamples } from "../../core/run/drawn_samples.ts";
import { type ChoiceOptions, samplesOf } from "../../core/run/evaluation_data.ts";
import { startModel } from "../../core/run/load_model.ts";
import { peakMemory } from "../../core/run/memory.ts";
import { openRun } from "../../core/run/open_run.ts";
import { trustOf } from "../../core/run/options.ts";
import { requirePerSamplePath, writeColumns } from "../../core/run/per_sample_file.ts";
import { shown } from "../../core/run/result.ts";
import { mappedRows, mapRecord } from "./maps.ts";
import { labelRecord } from "./summary.ts";
import { beyondEntropy, formsApart, modelLabelLines } from "./text.ts";

/** What the command line says of the information of a run. */
export interface RunRequest extends ChoiceOptions {
  readonly samples: number | undefined;
  readonly rounds: number | undefined;
  readonly stderr: number | undefined;
  readonly budget: number | undefined;
  readonly perRow: string | undefined;
  readonly evalBatchSize: number | undefined;
  readonly trust: string | undefined;
  readonly seed: number;
  readonly backend: BackendChoice;
  /** Whether the command line says the backend; the run's own is taken otherwise. */
  readonly isBackendGiven: boolean;
  readonly threads: number | undefined;
  readonly figures: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** Prints the information that a run's model has of its samples and their condition, and writes it with figures. */
export async function measureRun(path: string, o: RunRequest): Promise<void> {
  if (o.perRow !== undefined) requirePerSamplePath(o.perRow, "--per-row");
  using progress = new Progress({ quiet: o.quiet || o.json });
  const { notes, onNote } = takeNotes(progress);
  const opened = await openRun(path, { trust: trustOf(o.trust, o.data) }, { onNote, signal: o.signal });
  const { condition, shape, range } = opened.info;
  if (!condition) {
    throw new UserError(
      `The run in ${path} was trained without a condition. Train one with --condition, as label, and with ` +
        "--drop-condition 0.5.",
    );
  }
  using chosen = await samplesOf(opened, o);
  const { samples, rows } = drawnSamples(chosen.samples, o.samples, Random.fromSeed(o.seed).split("mi"));
  const { name } = chosen, names = condition.map((variable) => variable.name);
  if (!samples.condition) {
    throw new UserError(`${name} does not say ${names.join(" and ")} of its samples. Give data that does, by --data.`);
  }
  const stem = join(
    "mi",
    [name, ...(rows ? [`${rows.length} samples`] : [])].join("-").replace(/[^\w.-]+/g, "_").slice(-80),
  );
  await requireWithin(opened.folder.path, opened.folder.file(stem));
  // Until the process ends: of two the one's figures would stand beside the other's numbers.
  await lockOutput(opened.folder.file(stem));
  if (o.perRow !== undefined) await lockOutput(resolve(o.perRow), ", or name another file");
  await using model = await startModel(opened, {
    ...{ backend: o.isBackendGiven ? o.backend : undefined, threads: o.threads },
  });
  const { engine } = internalsOf(model), started = performance.now();
  noteThreads(o.threads, engine, onNote);
  const mapped = o.figures ? mappedRows(samples, condition, shape) : undefined;
  progress.update({ label: "pilot", done: 0, total: 1 });
  const information = await conditionInformation(model, samples, {
    ...{ seed: o.seed, signal: o.signal, rounds: o.rounds, stderr: o.stderr, budget: o.budget },
    ...(mapped ? { mapped } : {}),
    ...(o.evalBatchSize === undefined ? {} : { batchSize: o.evalBatchSize }),
    onProgress(done, total, noiseStderr) {
      const fields = noiseStderr === undefined ? [] : [`± ${noiseStderr.toPrecision(2)} nats from noise`];
      progress.update({ label: "round", done, total, fields });
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const { difference, orthogonal } = information;
  if (o.perRow !== undefined) {
    await writeColumns(resolve(o.perRow), {
      ...{ information: difference.perRow, stderr: difference.perRowStderr },
      ...{ orthogonal: orthogonal.perRow, orthogonal_stderr: orthogonal.perRowStderr },
    }, rows);
  }
  const figures: string[] = [];
  if (o.figures) {
    const [{ renderSvg }, { informationFigure }] = await Promise.all([
      import("../../core/figures/render.ts"),
      import("../../core/mutual_information/figure.ts"),
    ]);
    const title = `${basename(opened.folder.path)}: error of ${name} without and with ${names.join(", ")}`;
    figures.push(`${stem}.svg`);
    await opened.folder.write(figures[0], await renderSvg(informationFigure(title, "c", information.curves)));
    if (mapped) {
      const { informationMapFigure } = await import("../../core/mutual_information/map_figure.ts");
      const record = {
        title: `${basename(opened.folder.path)}: where ${name} tells ${names.join(", ")}`,
        subtitle: `½ ∫ (ε̂(z) − ε̂(z | c))² dα of each pixel, ${orthogonal.mean.toFixed(2)} nats a picture on average`,
        ...mapRecord(information, samples, condition, { shape, ...(range ? { range } : {}) }),
      };
      figures.push(`${stem}-map.svg`);
      await opened.folder.write(figures[1], await renderSvg(informationMapFigure(record)));
    }
  }
  progress.finish();
  const { rounds, evaluations, gap, reference, classes } = information;
  const summary = {
    task: "mi",
    run: shown(opened.folder.path),
    epoch: opened.epoch,
    data: name,
    ...(chosen.description === undefined ? {} : { read: chosen.description }),
    samples: samples.count,
    ...(rows ? { drawn_from: chosen.samples.count } : {}),
    condition: names,
    mi_nats: difference.mean,
    mi_stderr: difference.stderr,
    noise_stderr: difference.noiseStderr,
    mi_bits: difference.mean / Math.LN2,
    mi_bits_stderr: difference.stderr / Math.LN2,
    orthogonal: {
      ...{ mi_nats: orthogonal.mean, mi_stderr: orthogonal.stderr, noise_stderr: orthogonal.noiseStderr },
    },
    gap: { nats: gap.mean, stderr: gap.stderr, is_plain: formsApart(gap).length > 0 },
    reference: { name: mixtureName(referenceOf(opened.info)), mi_nats: reference.mean, mi_stderr: reference.stderr },
    ...(classes ? { classes: labelRecord(classes), warnings: beyondEntropy(classes, names.join(", ")) } : {}),
    rounds,
    evaluations,
    reached: o.stderr === undefined || difference.noiseStderr <= o.stderr,
    seconds: Math.round(seconds * 1000) / 1000,
    peak_mb: peakMemory(),
    seed: o.seed,
    backend: engine.backend,
    ...(model.backendReason === undefined ? {} : { backend_reason: model.backendReason }),
    threads: engine.threads,
    versions: engine.versions,
    ...(o.perRow === undefined ? {} : { per_row: shown(resolve(o.perRow)) }),
    ...(figures.length > 0 ? { figures } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
  await opened.folder.writeJson(`${stem}.json`, summary);
  if (o.json) return printText(JSON.stringify(summary));
  const wrote = [
    ...(summary.per_row === undefined ? [] : [summary.per_row]),
    ...[`${stem}.json`, ...figures].map((file) => join(summary.run, file)),
  ];
  printText([
    `${countLine(summary)} of ${name} under ${summary.run}`,
    ...(summary.read === undefined ? [] : [`  read ${summary.read}`]),
    ...linesOf(information, names.join(", "), summary.reference.name),
    `${rounds} ${rounds === 1 ? "round" : "rounds"}, ${evaluations.toLocaleString("en")} evaluations of the denoiser ` +
    `without and with ${names.join(", ")}, ${seconds.toFixed(1)} s`,
    ...(summary.reached ? [] : [`The budget is spent; the noise's error is not down to ${o.stderr} yet.`]),
    `Wrote ${wrote.join(", ")}`,
  ].join("\n"));
}

/** What the terminal shows of the numbers. */
function linesOf(information: ModelInformation, names: string, referenceName: string): string[] {
  const { difference, orthogonal, gap, reference, classes, samples } = information;
  const estimate = (mean: number, stderr: number) => `${mean.toFixed(4)} ± ${stderr.toFixed(4)} nats`;
  return [
    `Information of ${names}, I(X; C)`,
    `  by the difference   ${estimate(difference.mean, difference.stderr)} (${
      (difference.mean / Math.LN2).toFixed(4)
    } bits), E[−log p(x)] − E[−log p(x | c)]`,
    samples === 1
      ? "                      the error is that of the noise alone"
      : `                      of the error ${Number(difference.noiseStderr.toPrecision(2))} nats is noise`,
    `  the orthogonal form ${estimate(orthogonal.mean, orthogonal.stderr)}, ½ ∫ E‖ε̂(z) − ε̂(z | c)‖² dα`,
    ...formsApart(gap),
    `  of the reference    ${estimate(reference.mean, reference.stderr)}, ${referenceName}`,
    ...(classes ? modelLabelLines(classes, names) : []),
  ];
}
