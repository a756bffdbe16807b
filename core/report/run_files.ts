import { ReportError } from "./errors.ts";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../errors/user_error.ts";
import { latestCheckpoint } from "../io/checkpoints.ts";
import { readConfig, type RunConfig } from "../run/config.ts";
import { readDataInfo } from "../run/data_info.ts";
import type { SavedDataInfo } from "../plugins/contracts.ts";
import { RunFolder } from "../run/folder.ts";
import type { Summary } from "../run/result.ts";
import type { EpochMetrics } from "../run/metrics.ts";
import { type SavedQuality, savedQuality } from "./qualities.ts";
import { type SavedFigure, savedFigure } from "./saved_figure.ts";

/** What summary.json says, as far as it is what it should be. */
export type KnownSummary = Partial<Pick<Summary, typeof NUMBERS[number] | typeof TEXTS[number] | "versions">>;

/** A likelihood that was measured after training, of a file in the run's folder `nll`. */
export interface SavedLikelihood {
  /** The file's name without its ending. */
  readonly name: string;
  readonly estimator?: string;
  readonly data?: string;
  readonly nats: number;
  readonly stderr?: number;
  readonly bits_per_dim?: number;
  readonly samples?: number;
  readonly evaluations?: number;
  readonly seconds?: number;
}

/** What lies in a run's folder, as far as a report shows it. */
export interface RunFiles {
  readonly folder: RunFolder;
  /** The folder's name. */
  readonly name: string;
  readonly config: RunConfig;
  /** None where the run is not finished. */
  readonly summary?: KnownSummary;
  /** Of the epochs so far. */
  readonly metrics: readonly EpochMetrics[];
  readonly figures: readonly SavedFigure[];
  readonly likelihoods: readonly SavedLikelihood[];
  readonly qualities: readonly SavedQuality[];
  /** None in runs of earlier versions. */
  readonly info?: SavedDataInfo;
  /** The folder of the checkpoint that the report is about, if there is one. */
  readonly checkpoint?: string;
  /** When the run ended, or last wrote. */
  readonly date?: Date;
}

const NUMBERS = [
  "epochs",
  "steps",
  "parameters",
  "val_nll",
  "val_nll_stderr",
  "val_bits_per_dim",
  "test_nll",
  "test_nll_stderr",
  "test_bits_per_dim",
  "reference_nll",
  "gain",
  "gain_stderr",
  "gaussian_nll",
  "entropy",
  "log_scale",
  "logsnr_loc",
  "logsnr_scale",
  "suggested_logsnr_loc",
  "suggested_logsnr_scale",
  "train_seconds",
  "total_seconds",
  "ms_per_step",
  "peak_mb",
  "threads",
] as const satisfies readonly (keyof Summary)[];

const TEXTS = ["backend", "precision", "reference"] as const satisfies readonly (keyof Summary)[];

/** The figures of a run in the order in which they are shown; of the grids of samples there is the last. */
const FIGURES = ["overview", "contours", "diagnosis", "blend", "mse", "loss"] as const;

/** Files that are shown are smaller. */
const MAX_FIGURE_BYTES = 4e6;
const MAX_JSON_BYTES = 1e6;
const MAX_LIKELIHOODS = 100;
const MAX_QUALITIES = 20;

/**
 * Reads what a run's folder holds. What is missing is left out, and so are files that are not what they should be.
 *
 * @param path The folder of a run, or of one of its checkpoints.
 * @throws {UserError} When it is no run, or its configuration or summary is damaged.
 */
export async function readRunFiles(path: string): Promise<RunFiles> {
  const full = resolve(path);
  const isCheckpoint = basename(dirname(full)) === "checkpoints";
  const folder = await RunFolder.open(isCheckpoint ? dirname(dirname(full)) : path);
  const config = await readConfig(folder);
  if (config.dataset === "") {
    throw new ReportError(
      `${path} holds a model that a program fitted to data of its own, so that there is no run to report on. Draw its ` +
        "figures in the program.",
    );
  }
  const checkpoint = isCheckpoint ? full : await latestCheckpoint(folder.path);
  const summary = await hasFile(folder.file("summary.json")) ? known(await folder.readJson("summary.json")) : undefined;
  const info = await ignoring(() => readDataInfo(folder));
  const date = await lastWritten(folder);
  return {
    folder,
    name: basename(folder.path),
    config,
    metrics: (await folder.readLines("metrics.jsonl")).filter(isMetrics),
    figures: await readFigures(folder),
    likelihoods: await readLikelihoods(folder),
    qualities: await readQualities(folder),
    ...(summary ? { summary } : {}),
    ...(info ? { info } : {}),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(date ? { date } : {}),
  };
}

function known(summary: unknown): KnownSummary {
  const record = recordOf(summary);
  const finite = NUMBERS.filter((key) => Number.isFinite(record[key]));
  const texts = TEXTS.filter((key) => typeof record[key] === "string");
  const versions = Object.entries(recordOf(record.versions)).filter(([, value]) => typeof value === "string");
  return Object.fromEntries<unknown>([
    ...[...finite, ...texts].map((key) => [key, record[key]] as const),
    ["versions", Object.fromEntries(versions)],
  ]) as KnownSummary;
}

function isMetrics(value: unknown): value is EpochMetrics {
  const record = recordOf(value);
  return Number.isSafeInteger(record.epoch) &&
    ["step", "train_nll", "val_nll", "val_nll_stderr", "seconds"].every((key) => typeof record[key] === "number");
}

async function readFigures(folder: RunFolder): Promise<SavedFigure[]> {
  const names = await namesIn(folder.file("figures"));
  const samples = names.filter((name) => /^samples-\d+\.svg$/.test(name)).sort().at(-1);
  const wanted = [...FIGURES.map((name) => `${name}.svg`), ...(samples === undefined ? [] : [samples])];
  const figures = wanted.filter((name) => names.includes(name)).map(async (name) => {
    const svg = await smallText(folder.file("figures", name), MAX_FIGURE_BYTES);
    return svg === undefined ? undefined : savedFigure(name.replace(/(-\d+)?\.svg$/, ""), svg);
  });
  return (await Promise.all(figures)).filter((figure) => figure !== undefined);
}

async function readLikelihoods(folder: RunFolder): Promise<SavedLikelihood[]> {
  const inFolder = (await namesIn(folder.file("nll"))).filter((name) => name.endsWith(".json")).sort();
  const files = ["nll.json", ...inFolder.slice(0, MAX_LIKELIHOODS).map((name) => join("nll", name))];
  const read = files.map(async (file) => {
    const text = await smallText(folder.file(file), MAX_JSON_BYTES);
    return text === undefined ? undefined : savedLikelihood(basename(file, ".json"), text);
  });
  return (await Promise.all(read)).filter((likelihood) => likelihood !== undefined);
}

async function readQualities(folder: RunFolder): Promise<SavedQuality[]> {
  const names = (await namesIn(folder.file("evaluate"))).filter((name) => name.endsWith(".json")).sort();
  const read = names.slice(0, MAX_QUALITIES).map(async (name) => {
    const stem = basename(name, ".json"), text = await smallText(folder.file("evaluate", name), MAX_JSON_BYTES);
    if (text === undefined) return undefined;
    const svg = await smallText(folder.file("evaluate", `${stem}.svg`), MAX_FIGURE_BYTES);
    return savedQuality(stem, text, svg === undefined ? undefined : savedFigure("evaluate", svg));
  });
  return (await Promise.all(read)).filter((quality) => quality !== undefined);
}

function savedLikelihood(name: string, text: string): SavedLikelihood | undefined {
  let record: Readonly<Record<string, unknown>>;
  try {
    record = recordOf(JSON.parse(text));
  } catch {
    return undefined;
  }
  const { nats } = record;
  if (typeof nats !== "number" || !Number.isFinite(nats)) return undefined;
  const numbers = ["stderr", "bits_per_dim", "samples", "evaluations", "seconds"].filter((key) =>
    Number.isFinite(record[key])
  );
  const texts = ["estimator", "data"].filter((key) => typeof record[key] === "string");
  return { name, nats, ...Object.fromEntries([...numbers, ...texts].map((key) => [key, record[key]])) };
}

/** When the run wrote the file that it wrote last. */
async function lastWritten(folder: RunFolder): Promise<Date | undefined> {
  for (const name of ["summary.json", "metrics.jsonl", "config.json"]) {
    const stat = await Deno.stat(folder.file(name)).catch(() => undefined);
    if (stat?.mtime) return stat.mtime;
  }
  return undefined;
}

async function smallText(path: string, maxBytes: number): Promise<string | undefined> {
  const stat = await Deno.stat(path).catch(() => undefined);
  if (!stat?.isFile || stat.size > maxBytes) return undefined;
  return await Deno.readTextFile(path).catch(() => undefined);
}

async function hasFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isFile ?? false;
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  } catch {
    return [];
  }
}

async function ignoring<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {};
}
