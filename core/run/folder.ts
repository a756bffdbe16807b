import { join, resolve } from "node:path";
import { type Contents, storageError, writeFileAtomic } from "../io/atomic.ts";
import { JsonFileError, parseBoundedJson } from "../io/bounded_json.ts";
import { type Events, EventWriter, type EventWriterOptions, noEvents } from "../io/tensorboard.ts";
import { isLink, requireWithin } from "../io/within.ts";
import { UserError } from "../errors/user_error.ts";

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
   * Makes a new folder.
   *
   * @param out The folder that the user named; it must not exist, or be empty.
   * @param name What to call it under `runs` where none is named; a number follows if that is taken.
   * @throws {UserError} When the folder holds something already or cannot be made.
   */
  static async create(out: string | undefined, name: string): Promise<RunFolder> {
    return await made(await freeFolder(out, join("runs", name), `, or continue the run in it with --resume ${out}`));
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

  /**
   * The records of a file of JSON lines; a last line that a killed process left unfinished is no record.
   *
   * @param refuse Makes the error for a line that is damaged, counted from 1; without it, records end before that line.
   * @throws {UserError} When the file cannot be read.
   */
  async readLines(name: string, refuse?: (line: number) => UserError): Promise<unknown[]> {
    let text: string;
    try {
      text = await Deno.readTextFile(this.file(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw storageError(this.file(name), error);
    }
    const records: unknown[] = [], lines = text.split("\n");
    for (const [i, line] of lines.entries()) {
      try {
        records.push(JSON.parse(line));
      } catch {
        if (refuse && i < lines.length - 1) throw refuse(i + 1);
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

async function isEmpty(path: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(path)) return false;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (error instanceof Deno.errors.NotADirectory) throw new UserError(`${path} is a file; --out must name a folder.`);
    throw storageError(path, error);
  }
}

async function made(path: string): Promise<RunFolder> {
  try {
    await Deno.mkdir(path, { recursive: true });
    return new RunFolder(path);
  } catch (error) {
    throw storageError(path, error);
  }
}
