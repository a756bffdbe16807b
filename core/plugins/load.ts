import { basename, dirname, extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { checkDataset, normaliseDataset } from "./check_dataset.ts";
import { checkDenoiser } from "./check_denoiser.ts";
import { exportProblems } from "./check_exports.ts";
import { dataEnding, type DataFileSpec, parseDataFile } from "../data/data_file.ts";
import { messageOf } from "../errors/user_error.ts";
import { nearest } from "../errors/nearest.ts";
import { describe, PluginError } from "./plugin_error.ts";
import type { DatasetPlugin, DenoiserPlugin } from "./contracts.ts";

export { checkDataset, normaliseDataset } from "./check_dataset.ts";
export { checkDenoiser, checkParams } from "./check_denoiser.ts";
export { PluginError } from "./plugin_error.ts";

/** The folders of plugins next to `core`. */
export type PluginKind = "denoisers" | "datasets";

/** The function that a plugin exports. */
const contracts = {
  denoisers: { name: "create", signature: "(data, options) => Denoiser" },
  datasets: { name: "load", signature: "(random, options) => Dataset" },
} as const satisfies Record<PluginKind, { name: string; signature: string }>;

const singular = { denoisers: "denoiser", datasets: "data set" } as const;

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
  const { options, recipes } = plugin;
  return {
    name,
    ...(options && { options }),
    ...(recipes && { recipes }),
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

/** The names of the plugins in a folder, in order, with dashes: its .ts files and its folders with a mod.ts. */
export function listPlugins(kind: PluginKind): string[] {
  return [...pluginFiles(kind).keys()].sort();
}

/** The folder's plugins, name to URL. */
function pluginFiles(kind: PluginKind): Map<string, string> {
  const folder = new URL(`../../${kind}/`, import.meta.url), files = new Map<string, string>();
  for (const entry of entriesOf(kind, folder)) {
    const name = entry.name.replace(/\.ts$/, "").replaceAll("_", "-");
    if (entry.isFile && entry.name.endsWith(".ts")) files.set(name, new URL(entry.name, folder).href);
    const module = new URL(`${entry.name}/mod.ts`, folder);
    if (entry.isDirectory && isFile(module)) files.set(name, module.href);
  }
  return files;
}

function entriesOf(kind: PluginKind, folder: URL): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch (error) {
    throw new PluginError(
      `The ${kind} in ${folder.href} cannot be listed: ${messageOf(error)}. Give the path or URL of one.`,
      { cause: error },
    );
  }
}

async function loadModule(kind: PluginKind, spec: string): Promise<{ name: string; exports: Record<string, unknown> }> {
  const { name, url } = locate(kind, spec);
  let exports: Record<string, unknown>;
  try {
    exports = await import(url);
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
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

/** The name and URL of the module that `spec` stands for. Throws a {@link PluginError} where there is none. */
function locate(kind: PluginKind, spec: string): { name: string; url: string } {
  if (/^(https?|file|npm):/i.test(spec)) {
    if (/^file:/i.test(spec)) return locateFile(kind, spec, pathOf(kind, spec));
    return { name: stem(spec.replace(/[?#].*$/, "").replace(/^npm:/i, "")), url: spec };
  }
  if (/[\\/]|\.(ts|js|mjs)$/.test(spec)) return locateFile(kind, spec, resolve(Deno.cwd(), spec));
  const files = pluginFiles(kind), name = spec.replaceAll("_", "-"), url = files.get(name);
  if (url !== undefined) return { name, url };
  const names = [...files.keys()].sort(), close = nearest(name, names);
  const hint = close.length > 0 ? ` Did you mean ${close.join(" or ")}?` : "";
  throw new PluginError(
    `No ${singular[kind]} is called ${describe(spec)}.${hint} There are: ${names.join(", ")}; ` +
      `or give the path or URL of your own, for example ./${/^[\w-]+$/.test(spec) ? spec : "mine"}.ts.`,
  );
}

function locateFile(kind: PluginKind, spec: string, path: string): { name: string; url: string } {
  const file = [path, resolve(path, "mod.ts")].find((file) => isFile(pathToFileURL(file)));
  if (file === undefined) {
    throw new PluginError(`The ${singular[kind]} ${spec} is not there: no file ${path}. Check the path.`);
  }
  return { name: stem(file), url: pathToFileURL(file).href };
}

function pathOf(kind: PluginKind, url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new PluginError(`The ${singular[kind]} ${url} is no file of this machine: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/** The name that a path gives: that of the file, or of its folder for a mod.ts. */
function stem(path: string): string {
  const file = basename(path, extname(path)), folder = basename(dirname(path));
  return file === "mod" && folder !== "" ? folder : file;
}

/** The name that a file of data gives: `photos` of `photos.csv.gz`. */
function dataName(path: string): string {
  return basename(path).replace(/(\.[a-z]\w*){1,2}$/i, "") || basename(path);
}

function isFile(path: URL): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw new PluginError(`Cannot look for ${path.href}: ${messageOf(error)}.`, { cause: error });
  }
}
