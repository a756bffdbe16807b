import { basename, join } from "node:path";
import { type Progress, type TaskOption, UsageError } from "../../core/cli/mod.ts";
import { dataEnding, parseDataFile } from "../../core/data/data_file.ts";
import { toFloat32 } from "../../core/data/samples.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import type { BackendChoice } from "../../core/engine/mod.ts";
import { InterruptedError } from "../../core/errors/interrupted_error.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { imageShape } from "../../core/figures/pictures.ts";
import { openRows } from "../../core/files/open_rows.ts";
import { requireHeededReading } from "../../core/files/unheeded.ts";
import { IMAGE_ENDINGS } from "../../core/io/images.ts";
import { type Mask, readMask } from "../../core/io/mask.ts";
import { toldSamples } from "../../core/model/given.ts";
import { internalsOf } from "../../core/model/internals.ts";
import { DRAWING, IMPUTING, requireCount } from "../../core/model/use_ranges.ts";
import type { OptionValues } from "../../core/options/spec.ts";
import { withDefault } from "../../core/options/values.ts";
import { Random } from "../../core/random/random.ts";
import { noteThreads } from "../../core/run/backend.ts";
import { readingOptions } from "../../core/run/evaluation_data.ts";
import { FILLED_FILES, FilledImages } from "../../core/run/filled_files.ts";
import { RunFolder } from "../../core/run/folder.ts";
import { givenRecord } from "../../core/run/given.ts";
import { startModel } from "../../core/run/load_model.ts";
import { peakMemory } from "../../core/run/memory.ts";
import type { UsableModel } from "../../core/run/open_usable.ts";
import { shown } from "../../core/run/result.ts";
import { sampleFolder } from "../../core/run/sample_files.ts";
import { createInpainter, INPAINTING_METHODS } from "../../core/sampling/inpainting.ts";
import { INPAINTING, inpaintingPlan, WALKABLE } from "../../core/sampling/inpainting_plan.ts";

/** Where nothing is asked for. */
const { resample: RESAMPLE, jump: JUMP, steps: STEPS, draws: DRAWS, batch: BATCH } = INPAINTING;

/** What images without a known range are taken to lie in. */
const IMAGE_RANGE = [-1, 1] as const;

/** The options of filling in images. */
export const imageOptions = {
  mask: {
    optional: "string",
    placeholder: "picture",
    help: "A picture of the same size: white, or transparent, is filled in, black is kept.",
  },
  method: {
    default: "repaint",
    choices: INPAINTING_METHODS,
    help:
      "repaint: what is known is put in its place at each step. score: the estimate is moved to it, by its gradient.",
  },
  draws: { ...withDefault(IMPUTING.draws, DRAWS, "How often each picture is filled in."), min: 1 },
  mean: { default: false, help: "Write the mean of the draws and their scatter alone, not the draws." },
  resample: {
    ...IMPUTING.resample,
    help:
      `How often each stretch of steps is walked, so that what is filled in comes to fit (default ${RESAMPLE.repaint} ` +
      `of repaint, ${RESAMPLE.score} of score).`,
  },
  jump: {
    ...IMPUTING.jump,
    help: `The steps of a stretch (default ${JUMP}, or fewer of few steps).`,
  },
  iterations: {
    ...IMPUTING.iterations,
    help: "Of score: gradients of a step (default 1).",
  },
  sampler: {
    default: "ancestral",
    choices: WALKABLE,
    help: "The steps: DDPM's, or those of ddim without fresh noise.",
  },
  steps: { ...DRAWING.steps, help: `Log SNRs that the denoiser is evaluated at (default ${STEPS}).` },
  clip: {
    optional: "string",
    choices: ["on", "off"],
    help: "Keep estimates in the data's range (default on where it has one).",
  },
  given: {
    optional: "string",
    placeholder: "values",
    help: "Of a run with a condition: what else is known of the pictures, as label=3 (default nothing).",
  },
  range: readingOptions.range,
  layout: readingOptions.layout,
  size: readingOptions.size,
  background: readingOptions.background,
  batchSize: withDefault(DRAWING.batchSize, BATCH, "Draws per run of the denoiser."),
  seed: withDefault(DRAWING.seed, 0, "Seed of the noise; each draw has noise of its own."),
  out: {
    optional: "string",
    placeholder: "folder",
    help: "Where to write (default: a new folder impute in the run's).",
  },
} as const satisfies Record<string, TaskOption>;

/** What the command line says of them. */
export interface ImageValues {
  readonly mask: string | undefined;
  readonly method: typeof INPAINTING_METHODS[number];
  readonly draws: number;
  readonly mean: boolean;
  readonly iterations: number | undefined;
  readonly resample: number | undefined;
  readonly jump: number | undefined;
  readonly sampler: typeof WALKABLE[number];
  readonly steps: number | undefined;
  readonly clip: string | undefined;
  readonly given: string | undefined;
  readonly range: string | undefined;
  readonly layout: string | undefined;
  readonly size: string | undefined;
  readonly background: string | undefined;
  readonly batchSize: number;
  readonly seed: number;
  readonly out: string | undefined;
  readonly backend: BackendChoice | undefined;
  readonly threads: number | undefined;
}

/**
 * Fills in the images of a file and writes them.
 *
 * @param stop Ends it soon after; what is finished is written.
 * @returns What `--json` prints, and the lines that the terminal shows.
 * @throws {UserError} For a mask or images that do not fit, before anything is written.
 */
export async function imputeImages({ opened, file, options: o, progress, onNote, stop }: {
  readonly opened: UsableModel;
  readonly file: string;
  readonly options: ImageValues;
  readonly progress: Progress;
  readonly onNote: (note: string) => void;
  readonly stop: AbortSignal;
}): Promise<{ readonly summary: Record<string, unknown>; readonly lines: readonly string[] }> {
  const { info, proposal } = opened, { shape } = info;
  const d = sizeOf(shape), images = imageShape(shape)!;
  const { sampler, steps = STEPS } = o, clip = o.clip === undefined ? undefined : o.clip === "on";
  const { how, plan } = inpaintingPlan({ ...o, steps, clip }, proposal, info);
  const { given, values: told } = givenRecord(o.given, info.condition);
  const mask = await maskOf(o.mask, images);
  onNote(`mask ${basename(o.mask!)}: ${mask.description}`);
  // A model's condition is no part of a picture.
  const { condition: _, ...unconditional } = info;
  const reading = readingOf(file, o, opened.config.datasetOptions);
  using rows = await openRows(file, unconditional, reading);
  using raw = await openRows(file, { shape }, reading);
  onNote(rows.description);
  const { count } = rows.samples, { draws } = o;
  requireCount(count * draws, d);
  const isKnown = Uint8Array.from({ length: d }, (_, i) => mask.isMissing[i % mask.isMissing.length] ? 0 : 1);
  const range = rows.fileRange ?? info.range ?? IMAGE_RANGE;

  using claimed = await sampleFolder(o.out, join(opened.folder.path, "impute"), FILLED_FILES);
  const folder = new RunFolder(claimed.path);
  progress.update({ label: "impute", done: 0, total: count * draws });
  await using model = await startModel(opened, o);
  const { engine, state, denoiser } = internalsOf(model);
  noteThreads(o.threads, engine, onNote);
  const conditioned = told
    ? toldSamples({ count, dimension: d, copy() {} }, told, info.condition).condition
    : undefined;
  const inpainter = await createInpainter(engine, state, (s) => s, {
    ...{ denoiser, how, batch: Math.min(o.batchSize, count * draws) },
    data: conditioned ? info : unconditional,
  });
  const written = new FilledImages(folder.path, {
    ...{ shape, images, raw: raw.samples, isKnown, range, onlyMean: o.mean },
    units: { range: rows.fileRange, isWhole: rows.delta !== undefined || isPicture(file) },
  });
  const started = performance.now();
  // The draws of the image that is not whole yet.
  let open = new Float32Array(), finished = 0;
  try {
    const known = { values: toFloat32(rows.samples), isKnown, given: conditioned };
    for await (const record of inpainter.fill(known, draws, plan, Random.fromSeed(o.seed).split("impute"))) {
      if (record.kind === "evaluation") progress.update({ label: "impute", done: record.done, total: count * draws });
      else {
        finished = record.first + record.samples.length / d;
        const all = new Float32Array(open.length + record.samples.length);
        all.set(open);
        all.set(record.samples, open.length);
        let at = 0;
        for (; at + draws * d <= all.length; at += draws * d) await written.add(all.subarray(at, at + draws * d));
        open = all.slice(at);
      }
      if (stop.aborted && finished < count * draws) break;
    }
  } finally {
    await inpainter.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  if (finished === 0) throw new InterruptedError("Stopped before a picture was filled in; wrote nothing.");
  // Of the only one those draws that there are.
  if (written.count === 0) await written.add(open);

  const { count: pictures, draws: kept } = written, name = `${basename(opened.folder.path)}: ${basename(file)}`;
  const described = `${whatOf(pictures, kept)} by ${how.method} in ${steps} steps of ${sampler}, seed ${o.seed}`;
  const files = await written.finish({ title: name, subtitle: described });
  const summary = {
    task: "impute",
    run: shown(opened.folder.path),
    ...(opened.weights === undefined ? { epoch: opened.epoch } : { weights: opened.weights }),
    ...{ file, mask: o.mask, missing_pixels: mask.missing, pixels: mask.isMissing.length },
    ...{ pictures, draws: kept, ...how, sampler, steps },
    ...(given === undefined ? {} : { given }),
    clip: plan.range !== undefined,
    mean_stddev: written.scatter(),
    seed: o.seed,
    seconds: Math.round(seconds * 1000) / 1000,
    peak_mb: peakMemory(),
    backend: engine.backend,
    ...(model.backendReason === undefined ? {} : { backend_reason: model.backendReason }),
    ...{ threads: engine.threads, versions: engine.versions, folder: shown(folder.path), files },
  };
  await folder.writeJson("summary.json", summary);
  progress.finish();
  const wrote = `${summary.folder}, with ${files.join(", ")}`;
  if (finished < count * draws) {
    throw new InterruptedError(`Stopped after ${finished} of ${count * draws} draws; wrote ${wrote}.`);
  }
  return {
    summary,
    lines: [
      `${name}: ${described}, in ${seconds.toFixed(1)} s on ${engine.backend}`,
      `${mask.missing} of ${mask.isMissing.length} pixels filled in; the draws scatter by ${
        Number(summary.mean_stddev.toPrecision(3))
      } there, of a range of ${range[1] - range[0]}`,
      `Wrote ${wrote}`,
    ],
  };
}

/** How a file is read: pictures are brought to the size, and laid over the background, that the run's own were. */
function readingOf(file: string, { range, layout, size, background }: ImageValues, own: OptionValues): OptionValues {
  requireHeededReading(file, { size, background });
  const told = { range, layout, size: size ?? own.size, background: background ?? own.background };
  return Object.fromEntries(Object.entries(told).flatMap(([key, value]) => value ? [[key, value]] : []));
}

/** @throws {UserError} Unless it is a picture of the model's size. */
async function maskOf(path: string | undefined, { width, height }: { width: number; height: number }): Promise<Mask> {
  if (path === undefined) {
    throw new UsageError("--mask is missing: the picture that is white where the others are to be filled in.");
  }
  const mask = await readMask(path);
  if (mask.width === width && mask.height === height) return mask;
  throw new UserError(
    `The mask ${path} has ${mask.width} x ${mask.height} pixels, expected ${width} x ${height} as the model's images have.`,
  );
}

/** Whether a file is a picture, or a folder of them, whose values are whole numbers. */
function isPicture(file: string): boolean {
  const spec = parseDataFile(file);
  return spec !== undefined && (spec.isFolder ?? IMAGE_ENDINGS.some((ending) => ending === dataEnding(spec.path)));
}

function whatOf(pictures: number, draws: number): string {
  return `${draws} ${draws === 1 ? "draw" : "draws"} of ${
    pictures === 1 ? "one picture" : `each of ${pictures} pictures`
  }`;
}
