import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { storageError, writeFileAtomic } from "../io/atomic.ts";
import { FOLDER_LOCK } from "../io/lock.ts";
import type { AxisMap } from "../data/standardisation.ts";
import { encodeSafetensors } from "../io/safetensors.ts";
import type { ImageShape, Picture } from "../figures/pictures.ts";
import type { PointSamplesRecord, SamplesRecord } from "../figures/records.ts";
import { claimFolder } from "./folder.ts";

/** Digits that tell every float32 from its neighbours. */
const FLOAT_DIGITS = 9;

/** Images that a grid shows at most. */
const GRID_IMAGES = 256;

/** What ends a folder of samples. */
const SUMMARY = "summary.json";

/** What it has before that. */
const FILES = ["samples.safetensors", "samples.csv", "samples.svg", "images", "grid.png", "grid.svg"];

/**
 * The folder that samples are written to, which this process has until it is disposed of. In one that was left without a
 * summary, by a process that was killed or found the disk full, the samples are drawn again: what it had is removed.
 *
 * @param out The folder that the user named.
 * @param standard Where they go otherwise; a number follows if that is taken.
 * @param files What such a process leaves in it before its summary.
 * @throws {UserError} When the folder that the user named holds something else, or another process is at work in it.
 */
export async function sampleFolder(
  out: string | undefined,
  standard: string,
  files: readonly string[] = FILES,
): Promise<{ path: string } & Disposable> {
  const isWhole = (folder: string) => existsSync(join(folder, SUMMARY));
  // A lock without a process, and no summary, is what such a process leaves.
  const isLeft = (path: string) => {
    const folder = dirname(path);
    return files.includes(basename(path)) && existsSync(join(folder, FOLDER_LOCK)) && !isWhole(folder);
  };
  const { path, lock } = await claimFolder(out, standard, isLeft, { isWhole });
  for (const name of files) {
    const left = join(path, name);
    if (!existsSync(left)) continue;
    await Deno.remove(left, { recursive: true }).catch((error) => {
      throw storageError(left, error);
    });
  }
  return {
    path,
    [Symbol.dispose]() {
      const isBegun = files.some((name) => existsSync(join(path, name)));
      if (isBegun && !isWhole(path)) lock.leave();
      else lock[Symbol.dispose]();
    },
  };
}

/** Samples in the units of the file that a model's data came from: float64 where they were standardised. */
export function inUnits(samples: Float32Array, axes: AxisMap | undefined): Float32Array | Float64Array {
  if (!axes) return samples;
  const { mean, scale } = axes, d = mean.length;
  return Float64Array.from(samples, (value, i) => value * scale[i % d] + mean[i % d]);
}

/** Writes the values of all samples as the tensor `samples` of samples.safetensors; returns the file's name. */
export async function writeTensor(
  folder: string,
  samples: Float32Array | Float64Array,
  shape: readonly number[],
): Promise<string> {
  const count = samples.length / shape.reduce((product, n) => product * n, 1);
  const bytes = encodeSafetensors({ samples: { shape: [count, ...shape], data: samples } });
  await writeFileAtomic(join(folder, "samples.safetensors"), bytes);
  return "samples.safetensors";
}

/**
 * Writes points as samples.csv, a line each, with digits enough for float32 about each column's mean.
 *
 * @param columns The names of the columns, x1, x2, … if left out.
 * @param axes How the columns were standardised.
 * @returns The file's name.
 */
export async function writeCsv(
  folder: string,
  samples: Float32Array | Float64Array,
  d: number,
  columns: readonly string[] = Array.from({ length: d }, (_, k) => `x${k + 1}`),
  axes?: AxisMap,
): Promise<string> {
  const lines = [columns.map(quoted).join()];
  const digits = (x: number, k: number) =>
    axes ? Math.min(17, FLOAT_DIGITS + Math.max(0, Math.ceil(Math.log10(Math.abs(x) / axes.scale[k])))) : FLOAT_DIGITS;
  for (let row = 0; row < samples.length; row += d) {
    lines.push(Array.from(samples.subarray(row, row + d), (x, k) => Number(x.toPrecision(digits(x, k)))).join());
  }
  await writeFileAtomic(join(folder, "samples.csv"), `${lines.join("\n")}\n`);
  return "samples.csv";
}

/** A name as a cell of a table. */
function quoted(name: string): string {
  return /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

/**
 * Draws points as samples.svg, by their first two components.
 *
 * @param samples Rows of d values, d at least 2.
 * @returns The file's name.
 */
export async function drawPoints(
  folder: string,
  samples: Float32Array,
  d: number,
  record: Omit<PointSamplesRecord, "points">,
): Promise<string> {
  const { pointSamplesFigure, renderSvg } = await import("../figures/mod.ts");
  const points = samples.filter((_, i) => i % d < 2);
  await writeFileAtomic(join(folder, "samples.svg"), await renderSvg(pointSamplesFigure({ ...record, points })));
  return "samples.svg";
}

/**
 * Writes each image as a PNG file in `images`, named by the index of its sample.
 *
 * @param first The index of the first sample.
 * @param range The values that are black and white.
 * @returns The pictures.
 */
export async function writeImages(
  folder: string,
  samples: Float32Array,
  first: number,
  shape: ImageShape,
  range: readonly [number, number],
): Promise<Picture[]> {
  const { encodePng, pictureOf } = await import("../figures/pictures.ts");
  const size = shape.channels * shape.height * shape.width;
  const pictures: Picture[] = [];
  for (let i = 0; i < samples.length / size; i++) {
    const picture = pictureOf(samples.subarray(i * size, (i + 1) * size), shape, range);
    await writeFileAtomic(join(folder, "images", `${String(first + i).padStart(6, "0")}.png`), encodePng(picture));
    pictures.push(picture);
  }
  return pictures;
}

/** Draws the first of some pictures in a grid, as grid.png pixel by pixel and as the figure grid.svg; returns the names. */
export async function drawGrid(
  folder: string,
  pictures: readonly Picture[],
  record: SamplesRecord,
): Promise<string[]> {
  const { encodePng, imageGridFigure, pictureGrid, renderSvg } = await import("../figures/mod.ts");
  const shown = pictures.slice(0, GRID_IMAGES);
  await writeFileAtomic(join(folder, "grid.png"), encodePng(pictureGrid(shown)));
  await writeFileAtomic(join(folder, "grid.svg"), await renderSvg(imageGridFigure(record, shown)));
  return ["grid.png", "grid.svg"];
}
