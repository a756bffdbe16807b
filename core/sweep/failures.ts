import type { RunState } from "./folder.ts";
import type { Share } from "./share.ts";
import type { SweepRun } from "./sweep_runs.ts";
import type { SweepCommand } from "./template.ts";

/** A run that failed. */
export type FailedRun = SweepRun & { readonly state: Extract<RunState, { kind: "failed" }> };

/**
 * The failures that a process ends with.
 *
 * A launcher ends all ranks when one ends by an error, so that the last of them tells of all. A failure from before it
 * started is of an earlier job; the rank whose it is may be about to try again.
 *
 * @param runs All of the sweep's.
 * @param own The commands of this process's share.
 * @param startedAt When this process started, in milliseconds.
 */
export function failuresToTell(
  runs: readonly SweepRun[],
  own: readonly SweepCommand[],
  { isRank }: Share,
  startedAt: number,
): FailedRun[] {
  const names = new Set(own.map(({ name }) => name));
  const failures = runs.filter((run): run is FailedRun => run.state.kind === "failed");
  if (!isRank) return failures.filter(({ name }) => names.has(name));
  if (runs.some(({ state }) => state.kind === "unfinished")) return [];
  return failures.filter(({ name, state }) => names.has(name) || state.time >= startedAt);
}

/** The failures in one line. @param path The sweep's folder. */
export function failureMessage(failures: readonly FailedRun[], count: number, path: string): string {
  const told = failures.slice(0, 3).map(({ name, state }) => `${name} (${state.message.replace(/\.$/, "")})`);
  const more = failures.length > 3 ? ` and ${failures.length - 3} more` : "";
  return `${failures.length} of ${count} runs failed: ${told.join(", ")}${more}. Their logs are in ${path}/logs; ` +
    "the same command tries them again.";
}
