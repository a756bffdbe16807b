import { join, resolve } from "node:path";
import { storageError } from "../io/atomic.ts";
import { latestCheckpoint } from "../io/checkpoints.ts";
import { isFolderLocked, lockFile } from "../io/lock.ts";
import { isTemporaryName } from "../io/temporary.ts";
import { requireWithin } from "../io/within.ts";
import { RunFolder } from "../run/folder.ts";
import { errorIn } from "./child.ts";
import { SweepError } from "./errors.ts";
import { PATIENCE } from "./taken.ts";
import type { Sweep, SweepCommand } from "./template.ts";

/** What summary.json says of a finished run, in nats and seconds. */
export interface RunNumbers {
  readonly val_nll: number;
  readonly val_nll_stderr: number;
  readonly test_nll?: number;
  readonly test_nll_stderr?: number;
  readonly total_seconds: number;
}

/** How far a run of a sweep is. */
export type RunState =
  | { readonly kind: "finished"; readonly numbers: RunNumbers }
  /** With what its log says, and when it was written. */
  | { readonly kind: "failed"; readonly message: string; readonly time: number }
  | { readonly kind: "unfinished" };

/**
 * A sweep's folder: `sweep.json` with its commands, a folder for each run, and `logs` with a file for each, which is
 * locked while it runs and holds what it complained of when it failed. Any number of processes may use it at once.
 */
export class SweepFolder {
  private constructor(readonly folder: RunFolder, readonly sweep: Sweep) {}

  /**
   * Makes a sweep's folder, or opens that of the same sweep.
   *
   * @throws {UserError} When it holds something else or cannot be made.
   */
  static async open(path: string, sweep: Sweep): Promise<SweepFolder> {
    const folder = new RunFolder(resolve(path));
    const names = await namesIn(folder.path);
    // Another process may be making it.
    if (names.some((name) => !isTemporaryName(name)) && !await isFile(folder.file("sweep.json"))) {
      throw new SweepError(`The folder ${path} is not empty, and holds no sweep. Name another with --out.`);
    }
    if (!names.includes("sweep.json")) {
      await folder.writeJson("sweep.json", sweep);
    } else if (JSON.stringify(await folder.readJson("sweep.json")) !== JSON.stringify(sweep)) {
      throw new SweepError(`The folder ${path} holds a sweep of other commands. Name another with --out.`);
    }
    await requireWithin(folder.path, folder.file("logs"));
    try {
      await Deno.mkdir(folder.file("logs"), { recursive: true });
    } catch (error) {
      throw storageError(folder.file("logs"), error);
    }
    return new SweepFolder(folder, sweep);
  }

  /** The folder of a run. */
  run({ name }: SweepCommand): string {
    return join(this.folder.path, name);
  }

  /** How far a run is. One whose summary is damaged has failed. */
  async stateOf(command: SweepCommand): Promise<RunState> {
    const run = new RunFolder(this.run(command));
    if (await isFile(run.file("summary.json"))) {
      const numbers = await numbersOf(run);
      if (numbers) return { kind: "finished", numbers };
      return { kind: "failed", message: `${run.file("summary.json")} is not that of a run.`, time: 0 };
    }
    const log = this.log(command);
    const text = await Deno.readTextFile(log).catch(() => "");
    const message = errorIn(text);
    const time = (await Deno.stat(log).catch(() => undefined))?.mtime?.getTime() ?? 0;
    return message === "" ? { kind: "unfinished" } : { kind: "failed", message, time };
  }

  /**
   * Makes ready to train a run: what is left of one that saved nothing is removed.
   *
   * @returns How far it is, and whether it can go on with what it saved; nothing if another process is at it.
   */
  async prepare(command: SweepCommand): Promise<{ readonly state: RunState; readonly isBegun: boolean } | undefined> {
    await requireWithin(this.folder.path, this.run(command));
    using lock = await this.#lock(command);
    // A process may have been given the run's folder by hand.
    if (!lock || await isFolderLocked(this.run(command))) return undefined;
    const state = await this.stateOf(command);
    if (state.kind === "finished") return { state, isBegun: true };
    const isBegun = await latestCheckpoint(this.run(command)) !== undefined;
    if (!isBegun) await Deno.remove(this.run(command), { recursive: true }).catch(() => {});
    return { state, isBegun };
  }

  /** Keeps what a run that failed complained of. An empty text says that it has not failed. */
  async writeLog(command: SweepCommand, text: string): Promise<void> {
    await requireWithin(this.folder.path, this.log(command));
    try {
      // In place, since the file may be locked.
      await Deno.writeTextFile(this.log(command), text);
    } catch (error) {
      throw storageError(this.log(command), error);
    }
  }

  /** The log of a run, which is locked while it runs. */
  log({ name }: SweepCommand): string {
    return this.folder.file("logs", `${name}.log`);
  }

  async #lock(command: SweepCommand): Promise<Deno.FsFile | undefined> {
    await requireWithin(this.folder.path, this.log(command));
    try {
      return await lockFile(this.log(command), PATIENCE);
    } catch (error) {
      throw storageError(this.log(command), error);
    }
  }
}

async function numbersOf(run: RunFolder): Promise<RunNumbers | undefined> {
  const summary = await run.readJson("summary.json").catch(() => undefined) as Partial<RunNumbers> | null | undefined;
  const { val_nll, total_seconds, ...rest } = summary ?? {};
  if (typeof val_nll !== "number" || typeof total_seconds !== "number") return undefined;
  // JSON has no infinite standard error.
  return { ...rest, val_nll, val_nll_stderr: rest.val_nll_stderr ?? Infinity, total_seconds };
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    if (error instanceof Deno.errors.NotADirectory) {
      throw new SweepError(`${path} is a file; --out must name a folder.`);
    }
    throw storageError(path, error);
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isFile ?? false;
}
