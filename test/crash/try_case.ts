import { existsSync } from "node:fs";
import { join } from "node:path";
import { split } from "shlex";
import type { Case } from "./cases.ts";
import { comparable, type Contents, contentsOf, differences } from "./compare.ts";
import { type Ended, run, type Start } from "./process.ts";
import type { ListedWrite } from "./write_plan.ts";

/** A case whose result is known. */
export interface KnownCase extends Case {
  /** What it leaves where nothing stops it. */
  readonly expected: ReadonlyMap<string, string>;
  /** What lies in its folder before it. */
  readonly inputs: ReadonlyMap<string, string>;
  /** What it writes, in its order. */
  readonly writes: readonly ListedWrite[];
  /** How long it takes. */
  readonly ms: number;
  /** What its folder takes on a disk before and after, in pages. */
  readonly pages: { readonly before: number; readonly after: number };
  /** The bytes of the largest file that it writes. */
  readonly largest: number;
  /** The folder of the inputs. */
  readonly from: string;
}

/** Makes a case's folder as it is before the task. */
export async function prepare({ input }: Case, from: string, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  if (input !== undefined) await copyFolder(join(from, input), join(folder, input));
}

/** Runs a case that nothing stops, and keeps what it leaves. */
export async function know(each: Case, from: string, folder: string): Promise<KnownCase> {
  await prepare(each, from, folder);
  const before = await contentsOf(folder);
  const ended = await run({ ...startOf(each, folder), isListed: true });
  if (ended.code !== 0) throw new Error(`${each.name} fails where nothing stops it: ${ended.stderr}`);
  const after = await contentsOf(folder);
  return {
    ...{ ...each, from, inputs: comparable(before, folder), expected: comparable(after, folder) },
    pages: { before: pagesOf(before), after: pagesOf(after) },
    largest: Math.max(...[...after].flatMap(([path, { length }]) => before.has(path) ? [] : [length])),
    ...{ writes: ended.writes, ms: ended.ms },
  };
}

/** Bytes that a file system gives a file at a time. */
const PAGE = 4096;

function pagesOf(contents: Contents): number {
  return [...contents.values()].reduce((sum, { length }) => sum + Math.ceil(length / PAGE), 0);
}

/** The first start of a case. */
export function startOf({ task, args }: Case, cwd: string): Start {
  return { task, args: [...args, "--quiet"], cwd };
}

/** How a user goes on after a process that was stopped: as its last line says, or by the same command, or with --resume. */
export function nextStart(each: Case, cwd: string, before: Ended): Start {
  const [, command] = /Go on with: deno task (.*)\n$/.exec(before.stderr) ?? [];
  if (command !== undefined) return { task: each.task, args: [...split(command).slice(1), "--quiet"], cwd };
  const { trains } = each;
  if (trains === undefined || !existsSync(join(cwd, trains, "config.json"))) return startOf(each, cwd);
  return { task: each.task, args: [...each.args, "--resume", "--quiet"], cwd };
}

/** Goes on until there is a result. @returns What is wrong with it. */
export async function finish(each: KnownCase, cwd: string, before: Ended): Promise<string[]> {
  const start = nextStart(each, cwd, before), ended = await run(start);
  // What is finished is refused, and is told by what it holds.
  const isRefused = each.makes !== undefined && ended.code === 2 && /^error: .* is not empty\b.*\n$/.test(ended.stderr);
  if (ended.code !== 0 && !isRefused) {
    return [`${start.task} ${start.args.join(" ")} ends by ${endOf(ended)}: ${ended.stderr.trim()}`];
  }
  return await problemsOf(each, cwd);
}

/** What a folder has other than a process leaves there that nothing stopped. */
export async function problemsOf({ expected }: KnownCase, folder: string): Promise<string[]> {
  return differences(comparable(await contentsOf(folder), folder), expected);
}

/** Whether a folder is as it was before the task. */
export async function isUntouched({ inputs }: KnownCase, folder: string): Promise<boolean> {
  return differences(comparable(await contentsOf(folder), folder), inputs).length === 0;
}

export function endOf({ code, signal }: Ended): string {
  return signal ?? `exit code ${code}`;
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}
