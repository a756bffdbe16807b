import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UsageError } from "../../../core/errors/usage_error.ts";
import { storageError, writeFileAtomic } from "../../../core/io/atomic.ts";
import type { GpuReport } from "./record.ts";

/** Where the file goes if no place is named; a number follows where it is taken. */
const PLACE = join("runs", "gpu");

/** A new file, which is written again whenever something more is known. */
export class ReportFile {
  #written: Promise<void> = Promise.resolve();

  private constructor(readonly path: string) {}

  /** Checks that the place that the user named is free. @throws {UsageError} */
  static requireFree(out: string | undefined): void {
    if (out === undefined || !existsSync(out)) return;
    throw new UsageError(`${out} exists already. Give another --out, or remove it.`);
  }

  /** Takes a name that is free. @throws {UsageError | StorageError} */
  static async create(out: string | undefined): Promise<ReportFile> {
    for (let n = 1;; n++) {
      const path = resolve(out ?? `${PLACE}${n === 1 ? "" : `-${n}`}.json`);
      try {
        await Deno.mkdir(dirname(path), { recursive: true });
        (await Deno.open(path, { write: true, createNew: true })).close();
        return new ReportFile(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw storageError(path, error);
        this.requireFree(out);
      }
    }
  }

  /** Writes the report whole, after what was to be written before. @throws {StorageError} */
  write(report: GpuReport): Promise<void> {
    const text = `${JSON.stringify(report, null, 2)}\n`;
    return this.#written = this.#written.catch(() => {}).then(() => writeFileAtomic(this.path, text));
  }
}
