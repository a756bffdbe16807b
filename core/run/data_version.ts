import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseDataFile } from "../data/data_file.ts";
import { labelFileOf } from "../files/idx_labels.ts";

/** How deep the pictures of a folder may lie in it: those of a class of a part. */
const DEPTH = 3;

/** Tells data of a file or folder, with what lies beside it, from a later one of the same name, without reading it. */
export async function versionOf(spec: string): Promise<string> {
  const { path } = parseDataFile(spec)!, labels = labelFileOf(path), info = await Deno.stat(path);
  const own = stamp(info);
  if (info.isDirectory) return `${own} ${createHash("sha1").update(await entriesOf(path, DEPTH)).digest("hex")}`;
  return labels === undefined ? own : `${own} ${stamp(await Deno.stat(labels))}`;
}

function stamp({ size, mtime }: Deno.FileInfo): string {
  return `${size} ${mtime?.getTime()}`;
}

/** A line for each entry of a folder and its subfolders. */
async function entriesOf(folder: string, depth: number): Promise<string> {
  const lines = (await Array.fromAsync(Deno.readDir(folder))).map(async ({ name }) => {
    const path = join(folder, name), info = await Deno.stat(path).catch(() => undefined);
    if (!info) return name;
    return `${name} ${stamp(info)}\n${info.isDirectory && depth > 1 ? await entriesOf(path, depth - 1) : ""}`;
  });
  return (await Promise.all(lines)).sort().join("\n");
}
