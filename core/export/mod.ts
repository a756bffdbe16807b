import { rmdir } from "node:fs/promises";
import { basename } from "node:path";
import { type Contents, storageError, writeFolderAtomic } from "../io/atomic.ts";
import type { UsableModel } from "../run/open_usable.ts";
import { ExportError } from "./errors.ts";
import { exportDiffusers } from "./diffusers.ts";
import { exportTfjs } from "./tfjs.ts";

export { ExportError } from "./errors.ts";

/** The forms that a model is exported in. */
export const FORMATS = ["diffusers", "onnx", "tfjs"] as const;

export type Format = typeof FORMATS[number];

/** What an export wrote. */
export interface Exported {
  /** The names of the files. */
  readonly files: readonly string[];
  /** Their sizes together. */
  readonly bytes: number;
  /** Where the model was run beside the denoiser, the largest difference, relative to the larger of 1 and the value. */
  readonly difference?: number;
}

/** How a model is exported. */
export interface ExportOptions {
  /** The batch of an ONNX model; any where it is left out. */
  readonly batch?: number;
  /** Threads of the check of an ONNX model. */
  readonly threads: number;
  /** Ends it before anything is written, with its reason as the error. */
  readonly signal?: AbortSignal;
}

/**
 * Writes a run's model in the form of another library. An ONNX model is run beside the denoiser before it is written.
 *
 * @param folder A folder that does not exist, or is empty. It appears with all files or not at all.
 * @throws {UserError} When the model has no such form, or the folder cannot be written.
 */
export async function exportRun(
  run: UsableModel,
  format: Format,
  folder: string,
  { batch, threads, signal }: ExportOptions,
): Promise<Exported> {
  signal?.throwIfAborted();
  const { files, difference } = await contentsOf(run, format, batch, threads);
  signal?.throwIfAborted();
  // An empty folder gives way to the finished one. Nothing else is removed by this.
  await rmdir(folder).catch((error) => {
    if (error.code !== "ENOENT") throw storageError(folder, error);
  });
  await writeFolderAtomic(folder, files);
  return {
    files: Object.keys(files),
    bytes: Object.values(files).reduce((sum, contents) => sum + lengthOf(contents), 0),
    ...(difference === undefined ? {} : { difference }),
  };
}

interface Files {
  readonly files: Readonly<Record<string, Contents>>;
  readonly difference?: number;
}

async function contentsOf(
  run: UsableModel,
  format: Format,
  batch: number | undefined,
  threads: number,
): Promise<Files> {
  const { denoiser, params, info, config, proposal, epoch } = run;
  const name = basename(config.denoiser);
  switch (format) {
    case "diffusers":
      return { files: exportDiffusers(run, name) };
    case "tfjs": {
      if (run.weights !== undefined) {
        throw new ExportError(
          `${run.weights} are weights without data, whose Gaussian tfjs weights come with. Export them as --format onnx or ` +
            "diffusers, or a run of them.",
        );
      }
      const metadata = {
        denoiser: name,
        denoiserOptions: config.denoiserOptions,
        ...(denoiser.form ? { files: denoiser.form.files } : {}),
        logsnrLoc: proposal.loc,
        logsnrScale: proposal.scale,
        epoch,
        ...(info.range ? { range: info.range } : {}),
      };
      return { files: exportTfjs({ params, info, metadata }) };
    }
    case "onnx": {
      const [{ exportOnnx }, { checkOnnx }] = await Promise.all([import("./onnx.ts"), import("./check_onnx.ts")]);
      const described = {
        denoiser: name,
        shape: info.shape,
        logsnr_loc: proposal.loc,
        logsnr_scale: proposal.scale,
        epoch,
        ...(info.range ? { range: info.range } : {}),
      };
      const text = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value);
      const metadata = Object.fromEntries(Object.entries(described).map(([key, value]) => [key, text(value)]));
      const model = {
        ...{ name, shape: info.shape, params, metadata },
        ...(info.condition ? { condition: info.condition } : {}),
        ...(batch === undefined ? {} : { batch }),
      };
      const bytes = joined(exportOnnx(denoiser, model));
      return {
        files: { "model.onnx": bytes },
        difference: await checkOnnx(bytes, denoiser, model, proposal, threads),
      };
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lengthOf(parts));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function lengthOf(contents: Contents): number {
  if (typeof contents === "string") return new TextEncoder().encode(contents).length;
  return contents instanceof Uint8Array ? contents.length : contents.reduce((sum, { length }) => sum + length, 0);
}
