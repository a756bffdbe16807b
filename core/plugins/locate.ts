import { basename, dirname, extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { messageOf } from "../errors/user_error.ts";
import { nearest } from "../errors/nearest.ts";
import { describe, PluginError } from "./plugin_error.ts";

/** The folders of plugins next to `core`. */
export type PluginKind = "denoisers" | "datasets";

/** What messages call a plugin. */
export const singular = { denoisers: "denoiser", datasets: "data set" } as const;

/** The names of the plugins in a folder, in order, with dashes: its .ts files and its folders with a mod.ts. */
export function listPlugins(kind: PluginKind): string[] {
  return [...pluginFiles(kind).keys()].sort();
}

/** The folder's plugins, name to URL. */
export function pluginFiles(kind: PluginKind): Map<string, string> {
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

/** The name and URL of the module that `spec` stands for. Throws a {@link PluginError} where there is none. */
export function locate(kind: PluginKind, spec: string): { name: string; url: string } {
  if (isUrl(spec)) return { name: stem(spec.replace(/[?#].*$/, "").replace(/^npm:/i, "")), url: spec };
  const path = pathIn(kind, spec);
  if (path !== undefined) return locateFile(kind, spec, path);
  const files = pluginFiles(kind), name = spec.replaceAll("_", "-"), url = files.get(name);
  if (url !== undefined) return { name, url };
  const names = [...files.keys()].sort(), close = nearest(name, names);
  const hint = close.length > 0 ? ` Did you mean ${close.join(" or ")}?` : "";
  throw new PluginError(
    `No ${singular[kind]} is called ${describe(spec)}.${hint} There are: ${names.join(", ")}; ` +
      `or give the path or URL of your own, for example ./${/^[\w-]+$/.test(spec) ? spec : "mine"}.ts.`,
  );
}

/** Whether a plugin is fetched: from a host, or as a package. */
export function isUrl(spec: string): boolean {
  return /^(https?|npm):/i.test(spec);
}

/** The full path that a plugin is named by; nothing for a URL, and for a name, which is one of the project's own. */
export function pathIn(kind: PluginKind, spec: string): string | undefined {
  if (/^file:/i.test(spec)) return pathOf(kind, spec);
  return !isUrl(spec) && /[\\/]|\.(ts|js|mjs)$/.test(spec) ? resolve(Deno.cwd(), spec) : undefined;
}

function locateFile(kind: PluginKind, spec: string, path: string): { name: string; url: string } {
  const file = [path, resolve(path, "mod.ts")].find((file) => isFile(pathToFileURL(file)));
  if (file === undefined) {
    throw new PluginError(`The ${singular[kind]} ${spec} is not there: no file ${path}. Check the path.`);
  }
  return { name: stem(file), url: pathToFileURL(file).href };
}

export function pathOf(kind: PluginKind, url: string): string {
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

export function isFile(path: URL): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw new PluginError(`Cannot look for ${path.href}: ${messageOf(error)}.`, { cause: error });
  }
}
