import "../core/cli/listen.ts";
import { basename, join, resolve } from "node:path";
import { main, parseCommandLine, printText, Progress, takeNotes, UsageError } from "../core/cli/mod.ts";
import { parseDataFile } from "../core/data/data_file.ts";
import { sizeOf } from "../core/data/tensors.ts";
import { UserError } from "../core/errors/user_error.ts";
import { anomalyMeasures } from "../core/evaluation/anomaly_measures.ts";
import { partToCompareWith, referenceRows } from "../core/evaluation/row_comparison.ts";
import { sampleBlocks, scoreBlocks, type TopRow } from "../core/evaluation/score_blocks.ts";
import { ranksFromHighest } from "../core/evaluation/score_ranks.ts";
import { tableBlocks } from "../core/files/table_blocks.ts";
import { lockOutput } from "../core/io/lock.ts";
import { requireWithin } from "../core/io/within.ts";
import { internalsOf } from "../core/model/internals.ts";
import { scorerOf, SCORERS } from "../core/model/scorer.ts";
import { SETTINGS } from "../core/model/setting_ranges.ts";
import { MEASURING } from "../core/model/use_ranges.ts";
import { withDefault } from "../core/options/values.ts";
import { Random } from "../core/random/random.ts";
import { runBackendOption } from "../core/run/backend.ts";
import { ownData, PARTS, readingOptions, samplesOf } from "../core/run/evaluation_data.ts";
import { startModel } from "../core/run/load_model.ts";
import { peakMemory } from "../core/run/memory.ts";
import { openRun } from "../core/run/open_run.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { shown } from "../core/run/result.ts";
import { valueNames } from "../core/rows/describe_table.ts";
import { openTable } from "../core/tables/open_table.ts";
import { labelsOf } from "./score/labels.ts";
import { linesOf } from "./score/text.ts";
import { requireScorePath, writeScores } from "./score/write.ts";

const options = {
  part: { optional: "string", choices: PARTS, help: "Which samples of a data set (default: test, or validation)." },
  against: {
    default: "auto",
    choices: ["auto", "train", "validation"],
    help: "Rows that p-values are among; auto: the validation rows, or from under 200 of these the training rows.",
  },
  by: {
    default: "auto",
    choices: SCORERS,
    help:
      "What scores: the model, or its reference alone, in closed form; auto: the model where its network changes anything.",
  },
  threshold: {
    optional: "number",
    min: 0,
    max: 1,
    placeholder: "p",
    help: "Rows of a p-value of at most this are anomalies, as 0.01.",
  },
  label: {
    optional: "string",
    placeholder: "column",
    help:
      "Of a table: the column that says which rows are anomalies, as outcome=malignant, for AUROC and average precision.",
  },
  rounds: withDefault(MEASURING.rounds, 16, "Log SNRs per row."),
  out: {
    optional: "string",
    placeholder: "file",
    help: "Write the scores of all rows in their order: .csv and .jsonl have a table's own columns as well, .h5.",
  },
  seed: withDefault(SETTINGS.seed, 0, "Seed of the log SNRs and the noise."),
  evalBatchSize: { ...SETTINGS.evalBatchSize, help: "Samples per run of the denoiser (default: the run's)." },
  ...readingOptions,
  ...runBackendOption,
  ...trustOption,
  ...outputOptions,
} as const;

/** Values whose parts a figure shows at most. */
const SHOWN = 24;

await main(async (stop) => {
  const { options: o, positional, given } = await parseCommandLine({
    name: "score",
    summary: "Scores rows by −log p(x), with ranks and p-values, and says which columns carry the scores of anomalies.",
    positional: [
      { name: "run", help: "The folder of a run, or of one of its checkpoints." },
      { name: "data", help: "A file or data set (default: the run's own).", default: "" },
    ],
    options,
  }, Deno.args);
  using progress = new Progress({ quiet: o.quiet || o.json });
  const { notes, onNote } = takeNotes(progress);
  const data = given.has("data") ? positional.data : undefined;
  const run = await openRun(positional.run, { trust: trustOf(o.trust, data) }, { onNote });
  const { table: coding, columns } = run.info, file = data === undefined ? undefined : parseDataFile(data)?.path;
  const table = coding && file !== undefined ? await openTable(file, { header: headerOf(o.header) }) : undefined;
  if (o.out !== undefined) {
    requireScorePath(o.out, table !== undefined);
    await lockOutput(resolve(o.out), ", or name another file");
  }
  if (o.label !== undefined && !table) {
    throw new UsageError("--label is of a table that is scored by a run of a table, which this is not. Leave it out.");
  }
  const labels = o.label === undefined ? undefined : await labelsOf(table!, o.label);
  await using model = await startModel(run, o);
  await using scorer = await scorerOf(model, o.by, { batch: o.evalBatchSize, signal: stop });
  const random = Random.fromSeed(o.seed).split("score"), started = performance.now();
  progress.update({ label: "reference rows", done: 0, total: 1 });
  const own = await ownData(run), against = o.against === "auto" ? partToCompareWith(own) : o.against;
  using chosen = table ? undefined : await samplesOf(run, { ...o, data });
  const reference = await referenceRows(scorer, own[against], chosen?.samples ?? {}, {
    ...{ random: random.split("reference"), rounds: o.rounds, signal: stop },
  });
  const name = table ? basename(file!) : chosen!.name, said: string[] = table ? [...table.notes] : [];
  const blocks = table ? tableBlocks(coding!, table, (read) => said.push(...read)) : sampleBlocks(chosen!.samples);
  const begun = performance.now();
  const scores = await scoreBlocks(blocks, {
    ...{ scorer, reference, random, rounds: o.rounds, signal: stop },
    onProgress: (rows) =>
      progress.update({ label: "rows", done: Math.round(rows), total: Math.max(1, Math.round(rows)) }),
  });
  const seconds = (performance.now() - begun) / 1000;
  if (scores.nll.length === 0) throw new UserError(`${name} has no rows. Give some.`);
  if (scores.nll.some((nll) => !Number.isFinite(nll))) {
    throw new UserError("Scores came out as no finite numbers: the model has diverged, or the data is not its own.");
  }
  const names = valueNames(coding, columns, sizeOf(run.info.shape));
  const ranksOfRows = ranksFromHighest(scores.nll);
  const written = { ...scores, ranks: ranksOfRows, threshold: o.threshold };
  if (o.out !== undefined) await writeScores(resolve(o.out), written, names, { table, coding, scorer, reference });
  const measures = labels && anomalyMeasures(scores.nll, labels.isAnomaly);
  const flagged = o.threshold === undefined ? undefined : scores.p.reduce((n, p) => n + Number(p <= o.threshold!), 0);
  const stem = join("score", name.replace(/[^\w.-]+/g, "_").slice(-80));
  await requireWithin(run.folder.path, run.folder.file(stem));
  const { scoresFigure, renderSvg } = await import("../core/figures/mod.ts");
  const record = {
    title: `${basename(run.folder.path)}: scores of ${name}`,
    subtitle: `${scores.nll.length} rows, p-values among ${reference.samples.count} ${
      against === "train" ? "training" : "validation"
    } rows`,
    ...{ reference: reference.scores.nll, scores: scores.nll },
    ...(o.threshold === undefined ? {} : { threshold: scoreAt(reference.scores.nll, o.threshold) }),
    ...shownParts(names, scores.top),
  };
  await run.folder.write(`${stem}.svg`, await renderSvg(scoresFigure(record)));
  progress.finish();
  const summary = {
    task: "score",
    run: shown(run.folder.path),
    epoch: run.epoch,
    data: name,
    rows: scores.nll.length,
    ...(said.length > 0
      ? { read: said.join("; ") }
      : chosen?.description === undefined
      ? {}
      : { read: chosen.description }),
    nats: scores.nll.reduce((sum, nll) => sum + nll / scores.nll.length, 0),
    ...(chosen?.logScale === undefined ? {} : { log_scale: chosen.logScale }),
    by: !scorer.isReference
      ? "the model"
      : o.by === "reference"
      ? "the reference alone"
      : "the reference, which the network does not change",
    against: { part: against, rows: reference.samples.count },
    ...(o.threshold === undefined ? {} : { threshold: o.threshold, anomalies: flagged }),
    ...(measures
      ? {
        label: labels.said,
        ...{ auroc: measures.auroc, auroc_stderr: measures.aurocStderr, average_precision: measures.averagePrecision },
        labelled: measures.anomalies,
      }
      : {}),
    top: scores.top.map(({ row, nll, stderr, p, excess }) => ({
      ...{ row, nll, stderr, p },
      because: Object.fromEntries(
        [...excess].flatMap((nats, k) => nats > 1 ? [[names[k], Math.round(nats * 100) / 100]] : []),
      ),
    })),
    rounds: o.rounds,
    seconds: Math.round(seconds * 1000) / 1000,
    total_seconds: Math.round(performance.now() - started) / 1000,
    rows_per_second: Math.round(scores.nll.length / seconds),
    peak_mb: peakMemory(),
    seed: o.seed,
    backend: internalsOf(model).engine.backend,
    ...(o.out === undefined ? {} : { out: shown(resolve(o.out)) }),
    figures: [`${stem}.svg`],
    ...(notes.length > 0 ? { notes } : {}),
  };
  await run.folder.writeJson(`${stem}.json`, summary);
  printText(o.json ? JSON.stringify(summary) : linesOf(summary, scores.top, names, coding).join("\n"));
});

/** The parts of the most anomalous rows, of the values that carry the most of any. */
function shownParts(names: readonly string[], top: readonly TopRow[]) {
  if (!top.some(({ excess }) => excess.length > 0)) return { columns: [], rows: [] };
  const most = names.map((_, k) =>
    Math.max(...top.map(({ excess }) => Number.isNaN(excess[k]) ? -Infinity : excess[k]))
  );
  const places = [...names.keys()].sort((a, b) => most[b] - most[a]).slice(0, SHOWN).sort((a, b) => a - b);
  return {
    columns: places.map((k) => names[k]),
    rows: top.map(({ row, excess }) => ({ label: `row ${row}`, excess: Float64Array.from(places, (k) => excess[k]) })),
  };
}

function headerOf(header: string | undefined): "auto" | "on" | "off" {
  return header === "on" || header === "off" ? header : "auto";
}

/** The score of a p-value among reference rows. */
function scoreAt(reference: Float64Array, p: number): number {
  const sorted = reference.slice().sort();
  return sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil((1 - p) * (sorted.length + 1)) - 1))];
}
