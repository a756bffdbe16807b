import { UserError } from "../errors/user_error.ts";
import { StorageError, tellsOfFullDisk } from "../io/atomic.ts";

/** A sweep that cannot be made, or a folder that holds something else. */
export class SweepError extends UserError {}

/** Runs of a sweep that failed, which did not stop the others, or their comparison. */
export class FailedRunsError extends UserError {
  override readonly exitCode = 1;
}

/**
 * The error for what failed in a sweep: on a full disk that of a place that cannot be written, as any task has it.
 *
 * @param causes What was said of each failure.
 */
export function failureOf(message: string, causes: readonly string[]): UserError {
  return causes.every(tellsOfFullDisk) ? new StorageError(message) : new FailedRunsError(message);
}
