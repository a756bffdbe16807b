import "../core/cli/listen.ts";
import { withDefault } from "../core/options/values.ts";
import { DRAWING, requireCount } from "../core/model/use_ranges.ts";
import { basename, join, resolve } from "node:path";
import { mainOnRanks, mpiOption, parseCommandLine, printText, Progress, takeNotes } from "../core/cli/mod.ts";
import { sizeOf } from "../core/data/tensors.ts";
import { InterruptedError } from "../core/errors/interrupted_error.ts";
import { imageShape, type Picture } from "../core/figures/pictures.ts";
import { UsageError } from "../core/errors/usage_error.ts";
import { internalsOf } from "../core/model/internals.ts";
import { ranksRecord } from "../core/mpi/mod.ts";
import { noteThreads, runBackendOption } from "../core/run/backend.ts";
import { readPanel } from "../core/run/density_panels.ts";
import { RunFolder } from "../core/run/folder.ts";
import { givenRecord } from "../core/run/given.ts";
import { givenPanel } from "../core/run/given_panel.ts";
import { startModel } from "../core/run/load_model.ts";
import { openUsable } from "../core/run/open_usable.ts";
import { peakMemory } from "../core/run/memory.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { shown } from "../core/run/result.ts";
import {
  drawGrid,
  drawPoints,
  inUnits,
  sampleFolder,
  writeCsv,
  writeImages,
  writeTensor,
} from "../core/run/sample_files.ts";
import { isTableFile } from "../core/tables/open_table.ts";
import { tableCells } from "../core/rows/table_coding.ts";
import { writeRows } from "../core/tables/write_table.ts";
import { lockOutput } from "../core/io/lock.ts";
import { samplerOf, samplingPlan } from "../core/sampling/plan.ts";

/** What images without a known range are taken to lie in. */
const IMAGE_RANGE = [-1, 1] as const;

const options = {
  sampler: {
    ...DRAWING.sampler,
    help:
      "ode is the probability flow by DPM-Solver++(2M); ancestral is DDPM's (default ancestral for points, ode for images).",
  },
  steps: {
    ...DRAWING.steps,
    help: "Evaluations of the denoiser per sample (default 100 for ode, 250 for the others).",
  },
  eta: { ...DRAWING.eta, help: "Fresh noise of ddim, 0 for none; 1 is ancestral (default 0)." },
  clip: {
    optional: "string",
    choices: ["on", "off"],
    help: "Keep estimates in the data's range (default on where it has one, off for ode).",
  },
  count: withDefault(DRAWING.count, 64, "How many samples."),
  given: {
    optional: "string",
    placeholder: "values",
    help: "Of a run with a condition: what is known of the samples, as label=3 or label=3,age=40 (default nothing).",
  },
  guidance: {
    ...DRAWING.guidance,
    help: "How strongly that guides them: 0 not at all, 1 as p(x | c), above 1 more typical of it (default 1).",
  },
  batchSize: withDefault(DRAWING.batchSize, 64, "Samples per run of the denoiser."),
  seed: withDefault(DRAWING.seed, 0, "Seed of the noise; sample i has noise of its own."),
  out: {
    optional: "string",
    placeholder: "folder",
    help:
      "Where to write (default: a new folder samples in the run's); of a table also a file, as rows.csv or rows.jsonl.",
  },
  ...runBackendOption,
  ...mpiOption,
  ...trustOption,
  ...outputOptions,
} as const;

await mainOnRanks(async (ranks) => {
  const { options: o, positional } = await parseCommandLine({
    name: "sample",
    summary:
      "Draws samples from a trained model: points as CSV in the units of their file, images as PNG, and a figure of them.",
    positional: [{ name: "run", help: "The folder of a run, of one of its checkpoints, or of a diffusers model." }],
    options,
  }, Deno.args);
  using progress = new Progress({ quiet: o.quiet || o.json || ranks.rank > 0 });
  const { notes, onNote } = takeNotes(progress);
  const opened = await openUsable(positional.run, trustOf(o.trust), { onNote });
  await using model = await startModel(opened, o);
  const { backendReason: reason, info, proposal, epoch } = model;
  const { engine, draw } = internalsOf(model);
  noteThreads(o.threads, engine, onNote);
  const run = new RunFolder(model.folder);
  const { shape, range } = info;
  const d = sizeOf(shape);
  requireCount(o.count, d);
  const { eta, seed, batchSize } = o, { sampler, steps } = samplerOf(o, shape);
  const clip = o.clip === undefined ? undefined : o.clip === "on";
  const { given, values: known } = givenRecord(o.given, info.condition);
  if (o.guidance !== undefined && !known) {
    throw new UsageError("--guidance is by what is given, but nothing is. Name it by --given, or leave it out.");
  }
  const { guidance } = o;
  const guided = { ...(known ? { given: known } : {}), ...(guidance === undefined ? {} : { guidance }) };
  const drawing = { sampler, steps, eta, clip, seed, batchSize, ranks, ...guided };
  // What cannot be drawn is said before anything is made.
  const { logsnr, range: clipped } = samplingPlan(drawing, proposal, info);
  // Only the first rank writes; the others must not take for full what it has begun.
  const rowsFile = info.table && o.out !== undefined && isTableFile(o.out) ? resolve(o.out) : undefined;
  if (rowsFile !== undefined && ranks.rank === 0) await lockOutput(rowsFile, ", or name another file");
  using claimed = ranks.rank > 0 || rowsFile !== undefined
    ? undefined
    : await sampleFolder(o.out, join(run.path, "samples"));
  const folder = new RunFolder(claimed?.path ?? "");

  progress.update({ label: "sample", done: 0, total: o.count });
  const images = imageShape(shape);
  const samples = new Float32Array(o.count * d);
  const pictures: Picture[] = [];
  let finished = 0;
  const started = performance.now();
  for await (const record of draw(o.count, drawing)) {
    if (record.kind === "evaluation") {
      progress.update({ label: "sample", done: record.done, total: o.count });
    } else {
      samples.set(record.samples, record.first * d);
      finished = record.first + record.samples.length / d;
      if (images && ranks.rank === 0) {
        pictures.push(...await writeImages(folder.path, record.samples, record.first, images, range ?? IMAGE_RANGE));
      }
    }
    if (ranks.stop.aborted && finished < o.count) break;
  }
  const seconds = (performance.now() - started) / 1000;
  if (ranks.rank > 0) return;
  if (finished === 0) throw new InterruptedError("Stopped before a sample was finished; wrote nothing.");

  const name = basename(run.path);
  const record = {
    title: `${name}: samples`,
    subtitle: [
      describe(opened.weights === undefined ? epoch : undefined, drawing, finished),
      ...(known ? [`given ${given}${guidance === undefined ? "" : `, guidance ${guidance}`}`] : []),
    ].join(", "),
  };
  const drawn = samples.subarray(0, finished * d);
  const { table } = info, values = table ? tableCells(table, drawn) : inUnits(drawn, info.axes);
  if (table && rowsFile !== undefined) {
    const { notes: said } = await writeRows(rowsFile, table.schema, values as Float64Array);
    said.forEach(onNote);
    progress.finish();
    printText(
      o.json
        ? JSON.stringify({
          task: "sample",
          run: shown(run.path),
          epoch,
          count: finished,
          sampler,
          steps,
          seed,
          out: shown(rowsFile),
        })
        : `${name}: ${record.subtitle}, in ${seconds.toFixed(1)} s on ${engine.backend}\nWrote ${shown(rowsFile)}`,
    );
    if (finished < o.count) {
      throw new InterruptedError(`Stopped after ${finished} of ${o.count} rows, which are written.`);
    }
    return;
  }
  const files = table ? [] : [await writeTensor(folder.path, values, shape)];
  if (table) {
    const { notes: said } = await writeRows(join(folder.path, "samples.csv"), table.schema, values as Float64Array);
    said.forEach(onNote);
    files.push("samples.csv");
  } else if (shape.length === 1) files.push(await writeCsv(folder.path, values, d, info.columns, info.axes));
  if (images) files.push("images", ...await drawGrid(folder.path, pictures, record));
  else if (shape.length === 1 && d >= 2 && !table) {
    // As the model sees them, and as its density panel has them; the table is in the file's units.
    const asSeen = info.axes ? { ...record, subtitle: `${record.subtitle}, standardised` } : record;
    const isGiven = known !== undefined && guidance !== 0;
    const density = d !== 2
      ? undefined
      : isGiven
      ? await givenPanel(model, known, drawn, o.seed, ranks.stop)
      : await readPanel(run, epoch);
    files.push(await drawPoints(folder.path, drawn, d, { ...asSeen, ...(density ? { density } : {}) }));
  }
  const summary = {
    task: "sample",
    run: shown(run.path),
    ...(opened.weights === undefined ? { epoch } : { weights: opened.weights }),
    count: finished,
    ...(given === undefined ? {} : { given }),
    ...(known ? { guidance: guidance ?? 1 } : {}),
    ...{ sampler, steps },
    ...(sampler === "ddim" ? { eta: o.eta ?? 0 } : {}),
    clip: clipped !== undefined,
    logsnr_low: logsnr[0],
    logsnr_high: logsnr[logsnr.length - 1],
    seed: o.seed,
    seconds: Math.round(seconds * 1000) / 1000,
    peak_mb: peakMemory(),
    backend: engine.backend,
    ...(reason === undefined ? {} : { backend_reason: reason }),
    threads: engine.threads,
    ...ranksRecord(ranks),
    versions: engine.versions,
    folder: shown(folder.path),
    files,
    ...(notes.length > 0 ? { notes } : {}),
  };
  await folder.writeJson("summary.json", summary);
  progress.finish();
  const wrote = `${summary.folder}, with ${files.join(", ")}`;
  if (finished < o.count) {
    throw new InterruptedError(`Stopped after ${finished} of ${o.count} samples; wrote ${wrote}.`);
  }
  printText(
    o.json
      ? JSON.stringify(summary)
      : `${name}: ${record.subtitle}, in ${seconds.toFixed(1)} s on ${engine.backend}${
        reason ? ` (${reason})` : ""
      }\nWrote ${wrote}`,
  );
});

/** How samples were drawn, on one line. */
function describe(
  epoch: number | undefined,
  { sampler, steps, eta, seed }: { sampler: string; steps: number; eta: number | undefined; seed: number },
  count: number,
): string {
  const noise = eta ? `, η ${eta}` : "";
  const samples = count === 1 ? "1 sample" : `${count} samples`;
  return `${samples}${
    epoch === undefined ? "" : ` after epoch ${epoch},`
  } by ${sampler} in ${steps} steps${noise}, seed ${seed}`;
}
