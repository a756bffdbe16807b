import type { Backend, Precision } from "../../core/engine/mod.ts";
import { type ChildLimits, type ChildResult, runChild } from "./child.ts";
import { TOLERANCE } from "./sizes.ts";

/** What check_backend.ts prints. */
export type BackendRecord =
  | { readonly kind: "absent"; readonly reason: string }
  | {
    readonly kind: "started";
    readonly threads: number;
    readonly precisions: readonly Precision[];
    readonly versions: Readonly<Record<string, string>>;
  }
  | { readonly kind: "values"; readonly error: number | null; readonly at: string }
  | { readonly kind: "step"; readonly ms: number }
  | { readonly kind: "convolution"; readonly ms: number }
  | { readonly kind: "failed"; readonly reason: string };

/** What is known of a backend, as `--json` gives it. */
export interface BackendReport {
  readonly backend: Backend;
  /** Whether it starts and gets through the check. */
  readonly available: boolean;
  /** Why not, and what to do. */
  readonly reason?: string;
  /** Whether its values are within the tolerance; only where they were checked. */
  readonly correct?: boolean;
  /** The largest error, relative to the largest value of its tensor; null where a value is not a finite number. */
  readonly largest_error?: number | null;
  /** The tensor that has it. */
  readonly largest_error_at?: string;
  /** Of the 2-D MLP. */
  readonly ms_per_step?: number;
  /** Of a convolution and its gradients. */
  readonly convolution_ms?: number;
  /** Why there is no speed. */
  readonly not_timed?: string;
  /** What WebGPU runs on, and whether that is software. */
  readonly device?: string;
  readonly software?: boolean;
  readonly threads?: number;
  readonly precisions?: readonly Precision[];
  readonly versions?: Readonly<Record<string, string>>;
}

/** Tries a backend in a process of its own. */
export async function checkBackend(backend: Backend, threads: number, limits: ChildLimits): Promise<BackendReport> {
  return reportOf(backend, await runChild<BackendRecord>("./check_backend.ts", [backend, String(threads)], limits));
}

/** What a backend's process left, as a report. Values that were not checked make no backend available. */
export function reportOf(backend: Backend, { records, problem }: ChildResult<BackendRecord>): BackendReport {
  const find = <K extends BackendRecord["kind"]>(kind: K) =>
    records.find((record): record is Extract<BackendRecord, { kind: K }> => record.kind === kind);
  const [absent, started, values, step, convolution] = [
    find("absent"),
    find("started"),
    find("values"),
    find("step"),
    find("convolution"),
  ];
  const failure = find("failed")?.reason ?? problem;
  const about = started && { threads: started.threads, precisions: started.precisions, versions: started.versions };
  if (!values) {
    const reason = absent?.reason ??
      (failure === undefined
        ? "Its process ended without a result."
        : started
        ? `It starts, but fails in the check: ${failure}`
        : `It does not start: ${failure}`);
    return { backend, available: false, reason, ...about };
  }
  const { error, at } = values;
  return {
    backend,
    available: true,
    correct: error !== null && error <= TOLERANCE,
    largest_error: error,
    largest_error_at: at,
    ...(step ? { ms_per_step: rounded(step.ms) } : {}),
    ...(convolution ? { convolution_ms: rounded(convolution.ms) } : {}),
    ...(failure === undefined ? {} : { not_timed: failure }),
    ...about,
  };
}

function rounded(ms: number): number {
  return Number(ms.toPrecision(4));
}
