import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { parseDataFile } from "../data/data_file.ts";
import { shellWord } from "../options/shell_word.ts";
import type { DatasetPlugin, DenoiserPlugin } from "./contracts.ts";
import { loadDataset, loadDenoiser } from "./load.ts";
import { isUrl, pathIn, pluginFiles, type PluginKind, singular } from "./locate.ts";
import { PluginError } from "./plugin_error.ts";

/**
 * The plugins that a file may have run besides the project's own. What a file names is data: that it names code is no
 * reason to run it, so that whoever opens the file names the code again.
 */
export interface Trust {
  /** Paths and URLs, as whoever opens the file names them. */
  readonly plugins: readonly string[];
  /** What to do about one that is not among them: a sentence. */
  readonly advice: (kind: PluginKind, spec: string) => string;
}

/** A run's plugin, which is code from elsewhere that nobody has named. */
export class TrustError extends PluginError {}

/** What a program that opens a run has named. */
export function trustOfProgram(plugins: readonly string[]): Trust {
  return {
    plugins,
    advice: (kind, spec) =>
      kind === "denoisers"
        ? `Pass the option denoiser, or, if you trust that code, trust: [${JSON.stringify(spec)}].`
        : `If you trust that code, pass trust: [${JSON.stringify(spec)}].`,
  };
}

/** What names a run's code again on the command line of a task that uses a run, and of one that goes on with it. */
export const TRUST_OPTIONS = { denoisers: "--trust", datasets: "--trust" } as const;
export const RESUME_OPTIONS = { denoisers: "--denoiser", datasets: "--dataset" } as const;

/** What a command line has named, where code is named by `--trust`, or by the task's own options. */
export function trustOfCommand(
  plugins: readonly (string | undefined)[],
  options: Readonly<Record<PluginKind, string>> = TRUST_OPTIONS,
): Trust {
  return {
    plugins: plugins.filter((each) => each !== undefined),
    advice: (kind, spec) => `If you trust that code, add ${options[kind]} ${shellWord(spec)}.`,
  };
}

/** Trusts nothing but the project's own plugins. */
export const NO_TRUST: Trust = { plugins: [], advice: () => "A report runs no such code." };

/**
 * Loads the denoiser that a run's file names, as {@link loadDenoiser} does.
 *
 * @throws {TrustError} For code from outside the project that is not trusted; it is neither fetched nor run.
 * @throws {PluginError} As {@link loadDenoiser} does.
 */
export async function loadStoredDenoiser(spec: string, trust: Trust): Promise<DenoiserPlugin & { name: string }> {
  requireTrusted("denoisers", spec, trust);
  return await loadDenoiser(spec);
}

/**
 * Loads the data set that a run's file names, as {@link loadDataset} does.
 *
 * @throws {TrustError} For code from outside the project that is not trusted; it is neither fetched nor run.
 * @throws {PluginError} As {@link loadDataset} does.
 */
export async function loadStoredDataset(spec: string, trust: Trust): Promise<DatasetPlugin & { name: string }> {
  requireTrusted("datasets", spec, trust);
  return await loadDataset(spec);
}

function requireTrusted(kind: PluginKind, spec: string, { plugins, advice }: Trust): void {
  if (plugins.some((named) => isSamePlugin(kind, named, spec)) || !isForeign(kind, spec)) return;
  throw new TrustError(
    `The run's ${singular[kind]} ${spec} is code from outside the project, which a run cannot have run by naming it. ` +
      advice(kind, spec),
  );
}

/** Whether two specs name the same plugin: the same name, path or URL. */
export function isSamePlugin(kind: PluginKind, a: string, b: string): boolean {
  return canonical(kind, a) === canonical(kind, b);
}

/** Whether loading a plugin runs code that is none of the project's. */
export function isForeign(kind: PluginKind, spec: string): boolean {
  if (isUrl(spec)) return true;
  const path = pathIn(kind, spec);
  if (path === undefined || (kind === "datasets" && parseDataFile(/^file:/i.test(spec) ? path : spec))) return false;
  const own = new Set(pluginFiles(kind).values());
  return ![path, resolve(path, "mod.ts")].some((file) => own.has(pathToFileURL(file).href));
}

function canonical(kind: PluginKind, spec: string): string {
  if (isUrl(spec)) return URL.canParse(spec) ? new URL(spec).href : spec;
  return pathIn(kind, spec) ?? spec.replaceAll("_", "-");
}

/**
 * The words that name a run's code again on a command line; none where it has only the project's own.
 *
 * @param options What names each on that command line; what is left out is not run by it.
 */
export function namedAgain(
  specs: Readonly<Record<PluginKind, string>>,
  options: Readonly<Partial<Record<PluginKind, string>>>,
): string[] {
  return (["denoisers", "datasets"] as const).flatMap((kind) => {
    const option = options[kind];
    return option !== undefined && isKnownForeign(kind, specs[kind]) ? [option, shellWord(specs[kind])] : [];
  });
}

function isKnownForeign(kind: PluginKind, spec: string): boolean {
  try {
    return isForeign(kind, spec);
  } catch {
    // What cannot be loaded is said by the task that is to load it.
    return false;
  }
}
