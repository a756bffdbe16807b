import { UserError } from "../errors/user_error.ts";
import type { Checkpoint, Json } from "../io/checkpoints.ts";
import type { RunFolder } from "./folder.ts";

/** One line of metrics.jsonl. */
export interface EpochMetrics {
  readonly epoch: number;
  readonly step: number;
  readonly train_nll: number;
  readonly val_nll: number;
  readonly val_nll_stderr: number;
  /** Of a model with a condition: of the validation samples without it. */
  readonly val_nll_unconditional?: number;
  /** Since the run began, resumed parts added up. */
  readonly seconds: number;
}

/** The file of a run's folder with a line for each validation. */
export const METRICS = "metrics.jsonl";

/** What a checkpoint keeps of the last validation before it. */
export function lastMetrics(metrics: readonly EpochMetrics[]): Readonly<Record<string, Json>> {
  const last = metrics.at(-1);
  // JSON has no infinite standard error.
  return last ? { metrics: JSON.parse(JSON.stringify(last)) } : {};
}

/**
 * Puts a run's metrics right by the checkpoint that it goes on from, and returns them. What was written after it is
 * dropped, since it will be written again, and so is a last line that a killed process left unfinished. The line of the
 * last validation before the checkpoint is in the checkpoint too.
 *
 * @param from None where the run begins anew; then what an earlier start wrote is removed.
 * @param every Epochs from one validation to the next.
 * @param isOver Whether nothing is left to train.
 * @param onMissing Told, in a line, which lines are lost.
 * @throws {UserError} When a line is damaged, or nothing is known of the last epoch of a run that is over.
 */
export async function earlierMetrics(
  folder: RunFolder,
  from: Checkpoint | undefined,
  every: number,
  isOver: boolean,
  onMissing: (line: string) => void,
): Promise<EpochMetrics[]> {
  if (!from) {
    await folder.remove(METRICS);
    return [];
  }
  const path = folder.file(METRICS);
  const kept = recordsUpTo(from.epoch, await folder.readText(METRICS), path);
  const last = from.state.metrics;
  if (isMetrics(last, kept.at(-1)) && last.epoch <= from.epoch) kept.push(last);
  if (isOver && kept.at(-1)?.epoch !== from.epoch) {
    throw new UserError(
      `The run is over after epoch ${from.epoch}, of which ${path} has nothing, so that there is nothing to tell. ` +
        "Restore the file, or train on with more --epochs.",
    );
  }
  const known = new Set(kept.map(({ epoch }) => epoch));
  const missing = Array.from({ length: Math.floor(from.epoch / every) }, (_, i) => (i + 1) * every)
    .filter((epoch) => !known.has(epoch));
  if (missing.length > 0) {
    const of = missing.length === 1 ? `epoch ${missing[0]}` : `${missing.length} epochs from ${missing[0]} on`;
    onMissing(`${path} has nothing of ${of}; the run goes on without.`);
  }
  await folder.writeLines(METRICS, kept);
  return kept;
}

/** The records up to an epoch. @throws {UserError} When a line before its end is damaged. */
function recordsUpTo(epoch: number, text: string, path: string): EpochMetrics[] {
  const records: EpochMetrics[] = [], lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    // What follows may be damaged: it was not put on the disk with a checkpoint.
    if (records.at(-1)?.epoch === epoch) break;
    const record = parsed(line), isRecord = isMetrics(record, records.at(-1));
    if (!isRecord && i === lines.length - 1) break;
    if (!isRecord) {
      throw new UserError(
        `${path} is damaged: its line ${i + 1} is no record of an epoch. Restore the file, or remove it to go on ` +
          "without what it holds of earlier epochs.",
      );
    }
    if (record.epoch > epoch) break;
    records.push(record);
  }
  return records;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Whether a value is a record of an epoch, after the one before it. */
function isMetrics(value: unknown, before: EpochMetrics | undefined): value is EpochMetrics {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Record<string, unknown>, keys = ["train_nll", "val_nll", "val_nll_stderr", "seconds"];
  return Number.isSafeInteger(record.epoch) && Number.isSafeInteger(record.step) &&
    Number(record.epoch) > (before?.epoch ?? 0) &&
    keys.every((key) => typeof record[key] === "number" || key === "val_nll_stderr" && record[key] === null);
}
