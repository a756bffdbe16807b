import { UserError } from "../errors/user_error.ts";

/** A sweep that cannot be made, or a folder that holds something else. */
export class SweepError extends UserError {}

/** Runs of a sweep that failed, which did not stop the others, or their comparison. */
export class FailedRunsError extends UserError {
  override readonly exitCode = 1;
}
