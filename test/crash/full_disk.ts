import { basename, join } from "node:path";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { isTemporaryName } from "../../core/io/temporary.ts";
import { comparable, contentsOf } from "./compare.ts";
import type { Kind, Outcome } from "./kind.ts";
import { type Ended, run } from "./process.ts";
import { endOf, finish, type KnownCase, prepare, startOf } from "./try_case.ts";

/** A size that everything fits in. */
const LARGE = "64m";

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output()
    .catch(() => ({ success: false }));
  return success;
}

const mount = (folder: string, size: string) => succeeds("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder);

/** Whether file systems can be mounted here. Where none can, a file may not grow beyond a size instead. */
export async function canMount(): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  try {
    return Deno.build.os === "linux" && await mount(folder, "1m") && await succeeds("umount", folder);
  } finally {
    await Deno.remove(folder);
  }
}

/** Fills the disk at any point of a task; once there is space, it goes on to its end. */
export const disks = (isMounted: boolean): Kind => ({
  name: "disks",
  ofVoid: "had space enough",
  ...(Deno.build.os === "windows" ? { absent: "neither mount nor ulimit" } : {}),
  isFor: () => true,
  draw(known, random, index) {
    const part = random.split(index).uniform(), { before, after } = known.pages;
    if (!isMounted) return `${Math.floor(part * known.largest)}-byte files`;
    return `${4 * (before + 1 + Math.floor(part * (after - before - 1)))}k`;
  },
  attempt: (known, folder, how) => how.endsWith("k") ? onDisk(known, folder, how) : withFiles(known, folder, how),
});

async function onDisk(known: KnownCase, folder: string, size: string): Promise<Outcome> {
  await Deno.mkdir(folder);
  if (!await mount(folder, size)) return { what: `a disk of ${size}`, problems: ["no disk can be mounted"] };
  try {
    await prepare(known, known.from, folder);
    const ended = await run(startOf(known, folder));
    const problems = [...problemsOfEnd(ended), ...await problemsOfRest(known, folder)];
    if (!await succeeds("mount", "-o", `remount,size=${LARGE}`, folder)) {
      problems.push("the disk cannot be made larger");
    }
    if (problems.length === 0) problems.push(...await finish(known, folder, ended));
    return { what: `a disk of ${size}`, problems, isVoid: ended.code === 0 };
  } finally {
    await succeeds("umount", folder);
  }
}

async function withFiles(known: KnownCase, folder: string, how: string): Promise<Outcome> {
  await prepare(known, known.from, folder);
  const ended = await run({ ...startOf(known, folder), maxFileBytes: Number.parseInt(how) });
  const problems = [...problemsOfEnd(ended), ...await problemsOfRest(known, folder)];
  if (problems.length === 0) problems.push(...await finish(known, folder, ended));
  return { what: `files of ${Number.parseInt(how)} bytes at most`, problems, isVoid: ended.code === 0 };
}

function problemsOfEnd(ended: Ended): string[] {
  const { code, stderr } = ended;
  if (code === 0 && stderr === "" || code === 2 && /^error: [^\n]+\n$/.test(stderr)) return [];
  return [`it ended by ${endOf(ended)}: ${JSON.stringify(stderr.trim())}`];
}

/** What is wrong with what a process left that ended by itself: nothing unfinished stays, and all that was finished does. */
async function problemsOfRest({ inputs, expected, trains, makes }: KnownCase, folder: string): Promise<string[]> {
  const rest = comparable(await contentsOf(folder), folder), problems: string[] = [];
  for (const path of rest.keys()) {
    const name = basename(path);
    // What a folder that is not whole is known by.
    const isMark = makes !== undefined && path === join(makes, ".lock");
    if (isTemporaryName(name) || name.endsWith(".lock") && !isMark) problems.push(`${path} is left`);
  }
  for (const [path, text] of inputs) {
    // What the task replaces may be as it is on the way.
    if (expected.get(path) === text && rest.get(path) !== text) problems.push(`${path} is not kept`);
  }
  const checkpoint = trains === undefined ? undefined : await latestCheckpoint(join(folder, trains));
  if (checkpoint !== undefined) await loadCheckpoint(checkpoint).catch((error) => problems.push(error.message));
  return problems;
}
