import { basename, dirname, join, resolve } from "node:path";
import { type Contents, storageError, writeFileAtomic } from "../io/atomic.ts";
import { JsonFileError, parseBoundedJson } from "../io/bounded_json.ts";
import { type Events, EventWriter, type EventWriterOptions, noEvents } from "../io/tensorboard.ts";
import { isLink, requireWithin } from "../io/within.ts";
import { UserError } from "../errors/user_error.ts";
import { DATA_INFO, readDataInfo } from "./data_info.ts";
import { FOLDER_LOCK, isFolderLocked, type Lock, lockFolder, lockOutput, TakenError } from "../io/lock.ts";
import { isTemporaryName, removeLeftovers } from "../io/temporary.ts";

/** What a run or a sweep keeps as one JSON value is small. */
const RECORD_BOUNDS = { bytes: 20_000_000, depth: 64, values: 1_000_000 };

/** A run's folder: one line of JSON per epoch, and whole files that are replaced at once or not at all. */
export class RunFolder {
  /**
   * @param path The folder, absolute; `create` and `open` check it.
   * @param isWritten Whether what is written goes there; of several ranks only the first one's does.
   */
  constructor(readonly path: string, readonly isWritten = true) {}

  /**
   * Makes a new folder, and locks it.
   *
   * @param out The folder that the user named; it must not exist, be empty, or hold what a start that was killed left.
   * @param name What to call it under `runs` where none is named; a number follows if that is taken.
   * @throws {UserError} When the folder holds something already, another process is at work in it, or it cannot be made.
   */
  static async create(out: string | undefined, name: string): Promise<{ folder: RunFolder; lock: Lock }> {
    const advice = `, or continue the run in it with --resume ${out}`;
    const { path, lock } = await claimFolder(out, join("runs", name), isOfStart, { advice });
    return { folder: new RunFolder(path), lock };
  }

  /** The same folder, in which nothing is changed. */
  unwritten(): RunFolder {
    return new RunFolder(this.path, false);
  }

  /** Opens the folder of an earlier run. @throws {UserError} When it is not one. */
  static async open(path: string): Promise<RunFolder> {
    const folder = new RunFolder(resolve(path));
    try {
      await Deno.stat(join(folder.path, "config.json"));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
        throw storageError(folder.path, error);
      }
      throw new UserError(`There is no run in ${path}: it has no config.json. Name the folder of a run.`);
    }
    return folder;
  }

  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Writes a file. @throws {StorageError} Also where a symbolic link in the folder leads out of it. */
  async write(name: string, contents: Contents): Promise<void> {
    if (!this.isWritten) return;
    await requireWithin(this.path, this.file(name));
    await writeFileAtomic(this.file(name), contents);
  }

  /** Opens a new file of TensorBoard's events. @throws {StorageError} */
  openEvents(options: EventWriterOptions = {}): Events {
    return this.isWritten ? EventWriter.create(this.path, options) : noEvents;
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await this.write(name, `${JSON.stringify(value, null, 2)}\n`);
  }

  /** @throws {UserError} When the file is missing or not JSON. */
  async readJson(name: string): Promise<unknown> {
    const path = this.file(name);
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(path);
    } catch (error) {
      throw storageError(path, error);
    }
    try {
      return parseBoundedJson(bytes, RECORD_BOUNDS, path);
    } catch (error) {
      const isText = error instanceof JsonFileError && error.cause instanceof SyntaxError;
      throw isText ? new UserError(`${path} is not valid JSON, so the run cannot be read.`, { cause: error }) : error;
    }
  }

  /** Adds one record to a file of JSON lines. */
  async appendLine(name: string, record: unknown): Promise<void> {
    if (!this.isWritten) return;
    await requireWithin(this.path, this.file(name));
    try {
      await Deno.writeTextFile(this.file(name), `${JSON.stringify(record)}\n`, { append: true });
    } catch (error) {
      throw storageError(this.file(name), error);
    }
  }

  /** Puts on the disk what was added to a file, if it is there. @throws {StorageError} */
  async sync(name: string): Promise<void> {
    if (!this.isWritten) return;
    try {
      using file = await Deno.open(this.file(name), { read: true, write: true });
      await file.sync();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw storageError(this.file(name), error);
    }
  }

  /** Removes a file, if it is there. @throws {StorageError} */
  async remove(name: string): Promise<void> {
    if (!this.isWritten) return;
    try {
      await Deno.remove(this.file(name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw storageError(this.file(name), error);
    }
  }

  /** A text that is kept, empty where there is none. @throws {StorageError} When it cannot be read. */
  async readText(name: string): Promise<string> {
    try {
      return await Deno.readTextFile(this.file(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw storageError(this.file(name), error);
    }
  }

  /**
   * The records of a file of JSON lines, up to one that is damaged: the last may be one that a killed process left
   * unfinished.
   *
   * @throws {UserError} When the file cannot be read.
   */
  async readLines(name: string): Promise<unknown[]> {
    const records: unknown[] = [];
    for (const line of (await this.readText(name)).split("\n")) {
      try {
        records.push(JSON.parse(line));
      } catch {
        break;
      }
    }
    return records;
  }

  /** Replaces a file of JSON lines. */
  async writeLines(name: string, records: readonly unknown[]): Promise<void> {
    await this.write(name, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }
}

/**
 * Where a task writes new files: the folder that the user named, which must not exist or be empty, or a standard one; a
 * number follows its name if that holds something. It is not made yet.
 *
 * @param advice What else the user can do about a folder that is not empty, as the end of a sentence.
 * @throws {UserError} When the folder that the user named holds something already.
 */
export async function freeFolder(out: string | undefined, standard: string, advice = ""): Promise<string> {
  if (out !== undefined) {
    if (await isEmpty(resolve(out))) return resolve(out);
    throw new UserError(`The folder ${out} is not empty. Name another with --out${advice}.`);
  }
  for (let k = 1;; k++) {
    const path = resolve(k === 1 ? standard : `${standard}-${k}`);
    // A link that stands in a standard place leads to somewhere that nobody named.
    if (!await isLink(path) && await isEmpty(path)) return path;
  }
}

/**
 * Finds a folder as {@linkcode freeFolder} does for files that appear there all at once, at the end. It is not made yet,
 * but no other process is given it until this one has ended.
 *
 * @throws {TakenError} When another process is about to write the folder that the user named.
 * @throws {UserError} When that folder holds something, or cannot be made.
 */
export async function claimName(out: string | undefined, standard: string): Promise<string> {
  for (let k = 1;; k++) {
    const path = resolve(out ?? (k === 1 ? standard : `${standard}-${k}`));
    const isFree = async () => !(out === undefined && await isLink(path)) && await isEmpty(path);
    if (await isFree()) {
      const lock = await lockOutput(path, ", or name another folder with --out").catch((error) => {
        if (out !== undefined || !(error instanceof TakenError)) throw error;
      });
      // It may have been finished just before it was locked.
      if (lock && await isFree()) return path;
      lock?.[Symbol.dispose]();
    }
    if (out !== undefined) throw new UserError(`The folder ${out} is not empty. Name another with --out.`);
  }
}

/** A folder that this process alone writes to. */
export interface ClaimedFolder {
  readonly path: string;
  readonly lock: Lock;
}

/**
 * Finds a folder for new files as {@linkcode freeFolder} does, makes it, and locks it until the process ends. One that
 * holds nothing but what a task of ours left when it was killed is free too.
 *
 * @param isLeft Whether such a task leaves an entry of that path; it is asked of what is neither a lock nor temporary.
 * @param options.isWhole Whether a folder is what such a task leaves at its end. A lock that is still in it, of a process
 * that was killed in its last moment, is removed.
 * @param options.advice What else the user can do about a folder that is not empty, as the end of a sentence.
 * @throws {TakenError} When another process is at work in the folder that the user named.
 * @throws {UserError} When that folder holds something else, or cannot be made.
 */
export async function claimFolder(
  out: string | undefined,
  standard: string,
  isLeft: (path: string) => boolean | Promise<boolean>,
  { isWhole, advice = "" }: { readonly isWhole?: (path: string) => boolean; readonly advice?: string } = {},
): Promise<ClaimedFolder> {
  const other = ", or name another folder with --out";
  for (let k = 1;; k++) {
    const path = resolve(out ?? (k === 1 ? standard : `${standard}-${k}`));
    // Nothing is made in a folder that is somebody else's, and one that was free may be another's once it is locked.
    const isFree = () => holdsOnly(path, isLeft);
    if (await isFolderLocked(path)) {
      // To be told who has it.
      if (out !== undefined) (await lockFolder(path, other))[Symbol.dispose]();
    } else if (await isFree()) {
      const lock = await lockFolder(path, other).catch((error) => {
        if (out !== undefined || !(error instanceof TakenError)) throw error;
      });
      if (lock && await isFree()) {
        await removeLeftovers(path);
        return { path, lock };
      }
      lock?.[Symbol.dispose]();
    } else if (isWhole?.(path) && await isLock(join(path, FOLDER_LOCK))) {
      await lockFolder(path).then((lock) => lock[Symbol.dispose](), () => {});
    }
    if (out !== undefined) throw new UserError(`The folder ${out} is not empty. Name another with --out${advice}.`);
  }
}

/** Whether a folder holds nothing but what a process leaves that was killed. */
async function holdsOnly(path: string, isLeft: (path: string) => boolean | Promise<boolean>): Promise<boolean> {
  for (const name of await namesIn(path)) {
    const file = join(path, name);
    if (name === FOLDER_LOCK ? !await isLock(file) : !isTemporaryName(name) && !await isLeft(file)) return false;
  }
  return true;
}

/** Whether a file is a lock's: it holds the number of a process, or nothing yet. */
async function isLock(path: string): Promise<boolean> {
  return /^\d{0,20}$/.test(await Deno.readTextFile(path).catch(() => "none"));
}

/** Whether a run's start writes a file before the configuration, which makes the folder a run. */
async function isOfStart(path: string): Promise<boolean> {
  if (basename(path) !== DATA_INFO) return false;
  return await readDataInfo(new RunFolder(dirname(path))).then(() => true, () => false);
}

async function isEmpty(path: string): Promise<boolean> {
  return (await namesIn(path)).length === 0;
}

/** What lies in a folder that a user named; nothing where there is none. */
async function namesIn(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    if (error instanceof Deno.errors.NotADirectory) throw new UserError(`${path} is a file; --out must name a folder.`);
    throw storageError(path, error);
  }
}
