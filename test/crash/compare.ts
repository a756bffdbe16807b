import { basename, dirname, join, relative } from "node:path";
import { shownEvents } from "./events.ts";

/** What a file holds of times, durations and memory, by its name. */
export const TIMES: readonly string[] = [
  "seconds",
  "trainSeconds",
  "train_seconds",
  "total_seconds",
  "ms_per_step",
  "rows_per_second",
  "peak_mb",
];

/** What of a page's text are times and memory: `1.2 s`, `0.71 ms`, `284 MB`, `2026-11-29 00:12 UTC`. */
const TIMES_OF_PAGES = /\d[\d.,]* (?:s|ms|MB)\b|\d{4}-\d\d-\d\d \d\d:\d\d UTC/g;

/**
 * The head of an HDF5 object, version 2, and flags: whether there are times, and of how many bytes the length of its
 * messages is.
 */
const HDF5_OBJECT = new RegExp(String.raw`OHDR\x02([\x00-\x3f])`, "g"),
  HAS_TIMES = 0x20,
  HAS_LIMITS = 0x10,
  LENGTH_BITS = 3;

/** A row of a page that is there only where the last process of a run took a step. */
const STEP_ROW = /\s*<tr>\s*<th scope="row">a step<\/th>.*?<\/tr>/gs;

const EVENTS = "events.out.tfevents.";

/** The files of a folder by their paths in it, and the folders in it. */
export type Contents = ReadonlyMap<string, Uint8Array>;

/** All that is in a folder; folders end with a slash. */
export async function contentsOf(folder: string): Promise<Contents> {
  const contents = new Map<string, Uint8Array>();
  const read = async (path: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const inner = join(path, name), key = relative(folder, inner);
      if (isDirectory) {
        contents.set(`${key}/`, new Uint8Array());
        await read(inner);
      } else contents.set(key, await Deno.readFile(inner));
    }
  };
  await read(folder);
  return contents;
}

/**
 * What may not differ between a folder and that of another process, by path: TensorBoard's events as it shows them, and
 * all else to the byte, but for the times and the path of the folder itself.
 */
export function comparable(contents: Contents, folder: string): Map<string, string> {
  const texts = new Map<string, string>(), events = new Map<string, Uint8Array[]>();
  for (const [path, bytes] of [...contents].sort(([a], [b]) => a < b ? -1 : 1)) {
    if (basename(path).startsWith(EVENTS)) {
      const key = join(dirname(path), EVENTS);
      events.set(key, [...events.get(key) ?? [], bytes]);
    } else texts.set(path, withoutTimes(path, textOf(bytes).replaceAll(folder, "<folder>")));
  }
  for (const [key, files] of events) texts.set(key, shownEvents(files));
  return texts;
}

/** A character for every byte. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

function withoutTimes(path: string, text: string): string {
  if (/\.jsonl?$/.test(path)) {
    const lines = path.endsWith("l") ? text.trimEnd().split("\n") : [text];
    try {
      return lines.map((line) => JSON.stringify(JSON.parse(line, withoutTime), null, 1)).join("\n");
    } catch {
      return text;
    }
  }
  if (basename(path) === "sweep.csv") return text.replaceAll(/,[^,\n]*\n/g, "\n");
  if (path.endsWith(".h5")) return withoutHdf5Times(text);
  if (path.endsWith(".html")) return text.replaceAll(STEP_ROW, "").replaceAll(TIMES_OF_PAGES, "<time>");
  return text;
}

/** Leaves out four times of four bytes in the head of each object, and the checksum behind its messages. */
function withoutHdf5Times(text: string): string {
  let kept = "", done = 0;
  for (const { index, 0: { length }, 1: letter } of text.matchAll(HDF5_OBJECT)) {
    const flags = letter.charCodeAt(0);
    if (index < done || !(flags & HAS_TIMES)) continue;
    const times = index + length, begin = times + 16 + (flags & HAS_LIMITS ? 4 : 0), bytes = 1 << (flags & LENGTH_BITS);
    const messages = Array.from({ length: bytes }, (_, i) => text.charCodeAt(begin + i) * 2 ** (8 * i))
      .reduce((sum, part) => sum + part, begin + bytes);
    kept += text.slice(done, times) + text.slice(times + 16, messages);
    done = messages + 4;
  }
  return kept + text.slice(done);
}

function withoutTime(key: string, value: unknown): unknown {
  return TIMES.includes(key) ? undefined : value;
}

/** What is another in a folder than it should be, a line each. */
export function differences(got: ReadonlyMap<string, string>, expected: ReadonlyMap<string, string>): string[] {
  const paths = [...new Set([...got.keys(), ...expected.keys()])].sort();
  return paths.flatMap((path) => {
    const [mine, theirs] = [got.get(path), expected.get(path)];
    if (mine === theirs) return [];
    if (theirs === undefined) return [`${path} is there and should not be`];
    if (mine === undefined) return [`${path} is missing`];
    return [`${path} has ${firstDifference(mine, theirs)}`];
  });
}

/** The first lines that differ, or where bytes do. */
function firstDifference(mine: string, theirs: string): string {
  if (mine.includes("\0")) return `other bytes from ${[...mine].findIndex((byte, i) => byte !== theirs[i])} on`;
  const [a, b] = [mine, theirs].map((text) => text.split("\n"));
  const at = a.findIndex((line, i) => line !== b[i]);
  const shown = (line: string | undefined) => JSON.stringify(line?.trim().slice(0, 120) ?? "nothing");
  return `${shown(a[at < 0 ? b.length : at])}, expected ${shown(b[at < 0 ? a.length : at])}`;
}
