import { basename, join } from "node:path";
import { type Progress, type TaskOption, UsageError } from "../../core/cli/mod.ts";
import { dataEnding, parseDataFile } from "../../core/data/data_file.ts";
import { toFloat32 } from "../../core/data/samples.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import type { BackendChoice } from "../../core/engine/mod.ts";
import { InterruptedError } from "../../core/errors/interrupted_error.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { imageShape, type Picture } from "../../core/figures/pictures.ts";
import { openRows } from "../../core/files/open_rows.ts";
import { writeFileAtomic } from "../../core/io/atomic.ts";
import { IMAGE_ENDINGS } from "../../core/io/images.ts";
import { type Mask, readMask } from "../../core/io/mask.ts";
import { toldSamples } from "../../core/model/given.ts";
import { internalsOf } from "../../core/model/internals.ts";
import { DRAWING, requireCount } from "../../core/model/use_ranges.ts";
import { withDefault } from "../../core/options/values.ts";
import { Random } from "../../core/random/random.ts";
import { noteThreads } from "../../core/run/backend.ts";
import { readingOptions } from "../../core/run/evaluation_data.ts";
import {
  FILLED_FILES,
  filledPng,
  gridPicture,
  inFileUnits,
  overDraws,
  type Units,
  writeFilled,
  writePicture,
} from "../../core/run/filled_files.ts";
import { RunFolder } from "../../core/run/folder.ts";
import { givenRecord } from "../../core/run/given.ts";
import { startModel } from "../../core/run/load_model.ts";
import { peakMemory } from "../../core/run/memory.ts";
import type { UsableModel } from "../../core/run/open_usable.ts";
import { shown } from "../../core/run/result.ts";
import { sampleFolder } from "../../core/run/sample_files.ts";
import { createInpainter, type Inpainting, INPAINTING_METHODS } from "../../core/sampling/inpainting.ts";
import { samplingPlan } from "../../core/sampling/plan.ts";

/** Where nothing is asked for: how often a stretch of steps is walked, its length, steps, and draws at a time. */
const RESAMPLE = { repaint: 10, score: 5 } as const, JUMP = 10, STEPS = 100, BATCH = 16;

/** The samplers whose steps may be walked again. */
const WALKABLE = ["ancestral", "ddim"] as const;

/** Pictures whose draws the grid shows at most, and draws of one. */
const GRID_ROWS = 16, GRID_DRAWS = 8;

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
  draws: { default: 5, min: 1, max: 10_000, integer: true, help: "How often each picture is filled in." },
  mean: { default: false, help: "Write the mean of the draws and their scatter alone, not the draws." },
  resample: {
    optional: "number",
    min: 1,
    max: 1000,
    integer: true,
    help:
      `How often each stretch of steps is walked, so that what is filled in comes to fit (default ${RESAMPLE.repaint} ` +
      `of repaint, ${RESAMPLE.score} of score).`,
  },
  jump: {
    optional: "number",
    min: 1,
    max: 10_000,
    integer: true,
    help: `The steps of a stretch (default ${JUMP}, or fewer of few steps).`,
  },
  iterations: {
    optional: "number",
    min: 1,
    max: 100,
    integer: true,
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
  const how = methodOf(o),
    { info, proposal } = opened,
    { shape } = info,
    d = sizeOf(shape),
    images = imageShape(shape)!;
  const { sampler, steps = STEPS } = o;
  const plan = samplingPlan(
    { sampler, steps, eta: undefined, clip: o.clip === undefined ? undefined : o.clip === "on" },
    proposal,
    info,
  );
  const { given, values: told } = givenRecord(o.given, info.condition);
  const mask = await maskOf(o.mask, images);
  onNote(`mask ${basename(o.mask!)}: ${mask.description}`);
  // A model's condition is no part of a picture.
  const { condition: _, ...unconditional } = info;
  const reading = { ...(o.range ? { range: o.range } : {}), ...(o.layout ? { layout: o.layout } : {}) };
  using rows = await openRows(file, unconditional, reading);
  using raw = await openRows(file, { shape }, reading);
  onNote(rows.description);
  const { count } = rows.samples, { draws } = o;
  requireCount(count * draws, d);
  const isKnown = Uint8Array.from({ length: d }, (_, i) => mask.isMissing[i % mask.isMissing.length] ? 0 : 1);
  const range = rows.fileRange ?? info.range ?? IMAGE_RANGE;
  const units: Units = { range: rows.fileRange, isWhole: rows.delta !== undefined || isPicture(file) };

  using claimed = await sampleFolder(o.out, join(opened.folder.path, "impute"), FILLED_FILES);
  const folder = new RunFolder(claimed.path);
  progress.update({ label: "impute", done: 0, total: count * draws });
  await using model = await startModel(opened, o);
  const { engine, state, denoiser } = internalsOf(model);
  noteThreads(o.threads, engine, onNote);
  const values = toFloat32(rows.samples);
  const conditioned = told
    ? toldSamples({ count, dimension: d, copy() {} }, told, info.condition).condition
    : undefined;
  const inpainter = await createInpainter(engine, state, (s) => s, {
    ...{ denoiser, how, batch: Math.min(o.batchSize, count * draws) },
    data: conditioned ? info : unconditional,
  });
  const filled = new Float32Array(count * draws * d), started = performance.now();
  let finished = 0;
  try {
    const known = { values, isKnown, given: conditioned };
    for await (const record of inpainter.fill(known, draws, plan, Random.fromSeed(o.seed).split("impute"))) {
      if (record.kind === "evaluation") progress.update({ label: "impute", done: record.done, total: count * draws });
      else {
        filled.set(record.samples, record.first * d);
        finished = record.first + record.samples.length / d;
      }
      if (stop.aborted && finished < count * draws) break;
    }
  } finally {
    await inpainter.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  // Of a picture whose draws are not all there, those that are, where it is the only one.
  const whole = Math.floor(finished / draws),
    kept = whole > 0 ? draws : finished,
    pictures = Math.max(whole, kept > 0 ? 1 : 0);
  if (finished === 0) throw new InterruptedError("Stopped before a picture was filled in; wrote nothing.");

  const name = `${basename(opened.folder.path)}: ${basename(file)}`;
  const result = {
    means: new Float32Array(pictures * d),
    sds: new Float32Array(pictures * d),
    all: new Float32Array(pictures * kept * d),
  };
  const grid: Picture[] = [], drawn = o.mean ? 0 : Math.min(kept, GRID_DRAWS);
  for (let i = 0; i < pictures; i++) {
    const own = toFloat32(raw.samples, i, i + 1), some = filled.subarray(i * draws * d, (i * draws + kept) * d);
    const inUnits = inFileUnits(some, own, isKnown, units), { mean, sd } = overDraws(inUnits, d);
    const label = String(i).padStart(6, "0"), numbers = String(kept).length;
    const toWrite = inFileUnits(overDraws(some, d).mean, own, isKnown, units);
    if (!o.mean) {
      for (let k = 0; k < kept; k++) {
        const png = filledPng(inUnits.subarray(k * d, (k + 1) * d), images, range);
        await writePicture(folder.path, join("images", `${label}-${String(k + 1).padStart(numbers, "0")}.png`), png);
      }
    }
    const [low, high] = range, half = [0, (high - low) / 2] as const;
    await writePicture(folder.path, join("mean", `${label}.png`), filledPng(toWrite, images, range));
    if (kept > 1) await writePicture(folder.path, join("stddev", `${label}.png`), filledPng(sd, images, half));
    result.means.set(mean, i * d);
    result.sds.set(sd, i * d);
    result.all.set(inUnits, i * kept * d);
    if (i >= GRID_ROWS) continue;
    const masked = own.map((x, k) => isKnown[k] ? x : (low + high) / 2);
    grid.push(gridPicture(masked, images, range));
    for (let k = 0; k < drawn; k++) grid.push(gridPicture(inUnits.subarray(k * d, (k + 1) * d), images, range));
    grid.push(gridPicture(toWrite, images, range));
    if (kept > 1) grid.push(gridPicture(sd, images, half));
  }
  await writeFilled(folder.path, {
    ...(o.mean ? {} : { filled: { shape: [pictures, kept, ...shape], data: result.all } }),
    mean: { shape: [pictures, ...shape], data: result.means },
    stddev: { shape: [pictures, ...shape], data: result.sds },
  });
  const described = `${whatOf(pictures, kept)} by ${how.method} in ${steps} steps of ${sampler}, seed ${o.seed}`;
  await writeGrid(folder.path, name, described, grid, drawn + (kept > 1 ? 3 : 2));
  const files = [
    "filled.safetensors",
    ...(o.mean ? [] : ["images"]),
    "mean",
    ...(kept > 1 ? ["stddev"] : []),
    "grid.png",
    "grid.svg",
  ];
  const summary = {
    task: "impute",
    run: shown(opened.folder.path),
    ...(opened.weights === undefined ? { epoch: opened.epoch } : { weights: opened.weights }),
    ...{ file, mask: o.mask, missing_pixels: mask.missing, pixels: mask.isMissing.length },
    ...{ pictures, draws: kept, ...how, sampler, steps },
    ...(given === undefined ? {} : { given }),
    clip: plan.range !== undefined,
    mean_stddev: meanScatter(result.sds, isKnown),
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

/** @throws {UsageError} For options that do not go together. */
function methodOf({ method, iterations, resample = RESAMPLE[method], jump, steps = STEPS }: ImageValues): Inpainting {
  if (jump !== undefined && jump >= steps) {
    throw new UsageError(`--jump is ${jump}, expected fewer than the ${steps} steps.`);
  }
  const walk = { resample, jump: jump ?? Math.min(JUMP, Math.max(1, Math.floor(steps / 5))) };
  if (method === "score") return { method, iterations: iterations ?? 1, ...walk };
  if (iterations === undefined) return { method, ...walk };
  throw new UsageError(
    `--iterations is ${iterations}, but --method is ${method}, which takes no gradients. Leave it out.`,
  );
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

/** The root mean square, over what was filled in, of the draws' standard deviation, in the file's units. */
function meanScatter(sds: Float32Array, isKnown: Uint8Array): number {
  let sum = 0, count = 0;
  for (let i = 0; i < sds.length; i++) {
    if (isKnown[i % isKnown.length]) continue;
    sum += sds[i] ** 2;
    count++;
  }
  return Math.sqrt(sum / count);
}

/** Draws a row for each picture: what is known, draws, mean and scatter. */
async function writeGrid(
  folder: string,
  title: string,
  subtitle: string,
  pictures: readonly Picture[],
  columns: number,
): Promise<void> {
  const { encodePng, imageGridFigure, pictureGrid, renderSvg } = await import("../../core/figures/mod.ts");
  await writeFileAtomic(join(folder, "grid.png"), encodePng(pictureGrid(pictures, columns)));
  const record = { title, subtitle: `${subtitle}, each row what is known and draws and mean and scatter` };
  const figure = imageGridFigure(record, pictures, { columns, what: "images with what was filled in" });
  await writeFileAtomic(join(folder, "grid.svg"), await renderSvg(figure));
}
