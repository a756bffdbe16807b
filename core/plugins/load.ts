import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checkDataset, normaliseDataset } from "./check_dataset.ts";
import { checkDenoiser } from "./check_denoiser.ts";
import { exportProblems } from "./check_exports.ts";
import { dataEnding, type DataFileSpec, parseDataFile } from "../data/data_file.ts";
import { importRefused } from "./import_refused.ts";
import { isFile, locate, pathOf, type PluginKind, singular } from "./locate.ts";
import { PluginError } from "./plugin_error.ts";
import type { DatasetPlugin, DenoiserPlugin } from "./contracts.ts";

export { checkDataset, normaliseDataset } from "./check_dataset.ts";
export { checkDenoiser, checkParams } from "./check_denoiser.ts";
export { listPlugins, type PluginKind } from "./locate.ts";
export { PluginError } from "./plugin_error.ts";

/** The function that a plugin exports. */
const contracts = {
  denoisers: { name: "create", signature: "(data, options) => Denoiser" },
  datasets: { name: "load", signature: "(random, options) => Dataset" },
} as const satisfies Record<PluginKind, { name: string; signature: string }>;

/**
 * Loads a denoiser plugin.
 *
 * @param spec A name (`mlp` is `denoisers/mlp.ts` or `denoisers/mlp/mod.ts`, dashes and underscores alike), a path
 * relative to the working folder (anything with a slash, or that ends in .ts, .js or .mjs), or a URL (`file:`,
 * `http:`, `https:`, or `npm:` for a package).
 * @returns The plugin, whose `create` checks that what it makes has `init` and `predict`, and its name.
 * @throws {PluginError} For a plugin that is unknown, that cannot be loaded or that lacks an export.
 */
export async function loadDenoiser(spec: string): Promise<DenoiserPlugin & { name: string }> {
  const { name, exports } = await loadModule("denoisers", spec);
  return checkedDenoiser(name, exports as unknown as DenoiserPlugin);
}

/**
 * A denoiser plugin that a program has as a module of its own, checked as {@link loadDenoiser} checks one.
 *
 * @throws {PluginError} When it lacks an export.
 */
export function pluginOf(name: string, plugin: DenoiserPlugin): DenoiserPlugin & { name: string } {
  requireExports("denoisers", name, plugin as unknown as Record<string, unknown>);
  return checkedDenoiser(name, plugin);
}

function checkedDenoiser(name: string, plugin: DenoiserPlugin): DenoiserPlugin & { name: string } {
  const { options, recipes, conditional } = plugin;
  return {
    name,
    ...(options && { options }),
    ...(recipes && { recipes }),
    ...(conditional && { conditional }),
    create: async (data, values, context) => checkDenoiser(name, await plugin.create(data, values, context)),
  };
}

/**
 * Loads a data set plugin, found as {@link loadDenoiser} finds a denoiser, or a file of data (`points.csv`,
 * `photos.h5:x`), which the plugin `file` reads.
 *
 * @returns The plugin, whose `load` gives a data set that is normalised ({@link normaliseDataset}) and checked
 * ({@link checkDataset}), and its name.
 * @throws {PluginError} For a plugin that is unknown, that cannot be loaded or that lacks an export.
 */
export async function loadDataset(spec: string): Promise<DatasetPlugin & { name: string }> {
  const path = /^file:/i.test(spec) ? pathOf("datasets", spec) : spec;
  const file = parseDataFile(path);
  if (/^https?:/i.test(spec) && dataEnding(spec.replace(/[?#].*$/, ""))) {
    throw new PluginError(`The data set ${spec} is not on this machine. Download it, and give the path of the file.`);
  }
  const { name, load, options } = file ? await loadFilePlugin(file, path) : await loadDatasetModule(spec);
  return {
    name,
    ...(options && { options }),
    async load(random, values, context) {
      const dataset = normaliseDataset(name, await load(random, values, context), random);
      checkDataset(name, dataset);
      if (dataset.description) context?.onNote?.(dataset.description);
      return dataset;
    },
  };
}

async function loadDatasetModule(spec: string): Promise<DatasetPlugin & { name: string }> {
  const { name, exports } = await loadModule("datasets", spec);
  return { ...exports as unknown as DatasetPlugin, name };
}

/** The plugin `file` with its path given. */
async function loadFilePlugin(file: DataFileSpec, spec: string): Promise<DatasetPlugin & { name: string }> {
  const { load, options: { path: _, ...options } = {} } = await loadDatasetModule("file");
  const path = resolve(Deno.cwd(), file.path);
  if (!file.isFolder && !isFile(pathToFileURL(path))) {
    throw new PluginError(`The data set ${spec} is not there: no file ${path}. Check the path.`);
  }
  const full = file.name === undefined ? path : `${path}:${file.name}`;
  return {
    name: dataName(path),
    options,
    load: (random, values, context) => load(random, { ...values, path: full }, context),
  };
}

async function loadModule(kind: PluginKind, spec: string): Promise<{ name: string; exports: Record<string, unknown> }> {
  const { name, url } = locate(kind, spec);
  let exports: Record<string, unknown>;
  try {
    exports = await import(url);
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const refused = importRefused(`${singular[kind]} ${spec}`, spec, message);
    if (refused) throw refused;
    throw new PluginError(`The ${singular[kind]} ${spec} fails to load: ${message.split("\n")[0]}`, { cause: error });
  }
  requireExports(kind, spec, exports);
  return { name, exports };
}

function requireExports(kind: PluginKind, spec: string, exports: Record<string, unknown>): void {
  const problems = exportProblems(contracts[kind], exports);
  if (problems.length === 0) return;
  const names = Object.keys(exports).join(", ") || "nothing";
  throw new PluginError(
    `The ${singular[kind]} ${spec} breaks its contract: ${problems.join("; ")}. It exports ${names}.`,
  );
}

/** The name that a file of data gives: `photos` of `photos.csv.gz`. */
function dataName(path: string): string {
  return basename(path).replace(/(\.[a-z]\w*){1,2}$/i, "") || basename(path);
}
