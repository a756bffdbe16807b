import { join } from "node:path";
import { StorageError, storageError } from "./atomic.ts";
import { frameRecord, imageEvent, restartEvent, scalarEvent, textEvent, versionEvent } from "./tensorboard_events.ts";

/** How event files begin: TensorBoard finds them by this and reads them in the order of their names. */
const PREFIX = "events.out.tfevents.";

/** A fixed word where others put the machine's name, which Deno gives only with a permission of its own. */
const HOST = "localhost";

/** Buffered events go to the file when they are this many bytes … */
const BUFFER_BYTES = 1 << 16;

/** … or when the last flush was this many seconds ago, so that TensorBoard can watch a run. */
const FLUSH_SECONDS = 2;

/** How an event file is opened. */
export interface EventWriterOptions {
  /**
   * The first step that a resumed run writes again. Readers then drop what earlier files in the folder say of this
   * step and of later ones.
   */
  readonly purgeStep?: number;
}

function seconds(): number {
  return Date.now() / 1000;
}

function checkStep(step: number): void {
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new RangeError(`Got step ${step} for a TensorBoard event, but expected a whole number of 0 or more.`);
  }
}

/** The second that names a new file: now, or later where a file of the folder would otherwise come after it. */
function nextSecond(folder: string): number {
  const used = [...Deno.readDirSync(folder)]
    .map(({ name }) => name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN)
    .filter(Number.isSafeInteger);
  // A name from far in the future is no clock of ours, and following it would leave the ten digits that sort rightly.
  return Math.max(
    Math.floor(seconds()),
    ...used.filter((second) => second < 9_999_999_999).map((second) => second + 1),
  );
}

function openNew(folder: string): { path: string; file: Deno.FsFile } {
  for (let second = nextSecond(folder);; second++) {
    const path = join(folder, `${PREFIX}${String(second).padStart(10, "0")}.${HOST}.v2`);
    try {
      return { path, file: Deno.openSync(path, { write: true, createNew: true }) };
    } catch (error) {
      // Another run opened its file in the same second.
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** Where a task tells of its numbers and pictures. */
export type Events = Pick<EventWriter, "scalar" | "image" | "text" | "sync"> & Disposable;

/** Tells nobody. */
export const noEvents: Events = { scalar() {}, image() {}, text() {}, sync() {}, [Symbol.dispose]() {} };

/**
 * Writes scalars, pictures and texts for TensorBoard into a new event file.
 *
 * Events are buffered and reach the disk within about two seconds of training, on `flush`, `sync` and `close`.
 *
 * @example
 * ```ts
 * import { EventWriter } from "./tensorboard.ts";
 *
 * const folder = await Deno.makeTempDir();
 * using events = EventWriter.create(folder);
 * events.scalar("validation/nll", 0.712, 160);
 * ```
 */
export class EventWriter {
  /** The event file. */
  readonly path: string;
  #file: Deno.FsFile | undefined;
  #buffer: Uint8Array[] = [];
  #bytes = 0;
  #flushed = seconds();

  private constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Opens a new event file in a folder, which is made where it is missing. Files that are there stay: a resumed run
   * says from which step on it replaces them.
   *
   * @throws {StorageError} If the file cannot be made.
   * @throws {RangeError} If `purgeStep` is not a whole number of 0 or more.
   */
  static create(folder: string, options: EventWriterOptions = {}): EventWriter {
    const { purgeStep } = options;
    if (purgeStep !== undefined) checkStep(purgeStep);
    let opened: { path: string; file: Deno.FsFile };
    try {
      Deno.mkdirSync(folder, { recursive: true });
      opened = openNew(folder);
    } catch (error) {
      throw storageError(folder, error);
    }
    const writer = new EventWriter(opened.path, opened.file);
    try {
      const wallTime = seconds();
      writer.#write(versionEvent(wallTime));
      if (purgeStep !== undefined) writer.#write(restartEvent({ step: purgeStep, wallTime }));
      writer.flush();
      return writer;
    } catch (error) {
      opened.file.close();
      throw error;
    }
  }

  /**
   * A number at a step.
   *
   * @param tag The name of its chart; what stands before a `/` groups charts.
   * @param value Any number, kept in single precision; NaN and the infinities too.
   * @param step The training step, a whole number of 0 or more.
   * @param wallTime Seconds since 1970; now by default.
   * @throws {RangeError} If the step is not a whole number of 0 or more.
   * @throws {StorageError} If the file cannot be written, or is closed.
   */
  scalar(tag: string, value: number, step: number, wallTime = seconds()): void {
    checkStep(step);
    this.#write(scalarEvent(tag, value, { step, wallTime }));
  }

  /**
   * A picture at a step.
   *
   * @param png The bytes of a PNG file.
   * @param width Its width in pixels.
   * @param height Its height in pixels.
   * @throws {RangeError} If the step is not a whole number of 0 or more.
   * @throws {StorageError} If the file cannot be written, or is closed.
   */
  image(tag: string, png: Uint8Array, width: number, height: number, step: number): void {
    checkStep(step);
    this.#write(imageEvent(tag, png, width, height, { step, wallTime: seconds() }));
  }

  /**
   * A text in Markdown at a step.
   *
   * @throws {RangeError} If the step is not a whole number of 0 or more.
   * @throws {StorageError} If the file cannot be written, or is closed.
   */
  text(tag: string, markdown: string, step: number): void {
    checkStep(step);
    this.#write(textEvent(tag, markdown, { step, wallTime: seconds() }));
  }

  /**
   * Hands everything written so far to the file.
   *
   * @throws {StorageError} If the file cannot be written.
   */
  flush(): void {
    this.#flushed = seconds();
    if (!this.#file || this.#bytes === 0) return;
    const bytes = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const record of this.#buffer) {
      bytes.set(record, offset);
      offset += record.length;
    }
    this.#buffer = [];
    this.#bytes = 0;
    try {
      for (let written = 0; written < bytes.length;) written += this.#file.writeSync(bytes.subarray(written));
    } catch (error) {
      throw storageError(this.path, error);
    }
  }

  /**
   * Puts everything written so far on the disk, as has to be before a checkpoint: what a run tells before it, none that
   * goes on from it tells again.
   *
   * @throws {StorageError} If the file cannot be written.
   */
  sync(): void {
    this.flush();
    try {
      this.#file?.syncDataSync();
    } catch (error) {
      throw storageError(this.path, error);
    }
  }

  /**
   * Flushes and closes the file. A second call does nothing.
   *
   * @throws {StorageError} If the file cannot be written; it is closed all the same.
   */
  close(): void {
    const file = this.#file;
    if (!file) return;
    try {
      this.flush();
    } finally {
      this.#file = undefined;
      file.close();
    }
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  #write(event: Uint8Array): void {
    if (!this.#file) {
      throw new StorageError(
        `The TensorBoard events "${this.path}" are closed. Write before closing, or open new ones.`,
      );
    }
    const record = frameRecord(event);
    this.#buffer.push(record);
    this.#bytes += record.length;
    if (this.#bytes >= BUFFER_BYTES || seconds() - this.#flushed >= FLUSH_SECONDS) this.flush();
  }
}
