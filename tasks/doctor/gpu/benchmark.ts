import type { Backend, Precision } from "../../../core/engine/mod.ts";
import { type ChildLimits, runChild } from "../child.ts";
import type { Card, Size, TimeRecord } from "./record.ts";
import { TIMED_CASES, type TimedCase } from "./sizes.ts";
import { type Trial, tried } from "./trial.ts";

/** What time_case.ts prints. */
export type TimeLine =
  | {
    readonly kind: "time";
    readonly ms_per_step: number;
    readonly compile_s?: number;
    readonly peak_mb: number;
    readonly device_mb?: number;
  }
  | { readonly kind: "failed"; readonly reason: string };

/** What is timed, and where. */
export interface BenchmarkSettings {
  readonly backend: Backend;
  readonly size: Size;
  readonly precisions: readonly Precision[];
  /** Whose memory bounds what is tried. */
  readonly card?: Card;
  readonly trial: Trial;
  readonly limits: ChildLimits;
  /** For a model that is evaluated. */
  readonly folder: string;
  /** The times of onnx-cpu, which the others stand beside. */
  readonly cpu?: readonly TimeRecord[];
}

/** The cases of a size, each in each precision that it is for. */
export function timedCases(
  size: Size,
  precisions: readonly Precision[],
): (TimedCase & { readonly precision: Precision })[] {
  return TIMED_CASES[size].flatMap((each) =>
    precisions.filter((precision) => each.trains || precision === "f32").map((precision) => ({ ...each, precision }))
  );
}

/** Why a card's memory is too small, if that is known. */
export function lackOfMemory(card: Card | undefined, bytes: number): string | undefined {
  const free = card?.free_bytes ?? card?.memory_bytes;
  if (free === undefined || free >= bytes) return undefined;
  const [has, needs] = [free, bytes].map((b) => `${(b / 1e9).toFixed(1)} GB`);
  return `it needs some ${needs} of the GPU's memory, of which ${has} are free`;
}

/** Times the cases one by one. @param onRecord Called with all that are done, before each and at the end. */
export async function runBenchmark(
  { backend, size, precisions, card, trial, limits, folder, cpu = [] }: BenchmarkSettings,
  onRecord: (done: readonly TimeRecord[], total: number) => Promise<void> | void,
): Promise<readonly TimeRecord[]> {
  const cases = timedCases(size, precisions), done: TimeRecord[] = [];
  for (const { name, precision, steps, bytes } of cases) {
    await onRecord([...done], cases.length);
    const about = { case: name, precision };
    const lack = lackOfMemory(card, bytes);
    if (lack !== undefined) {
      done.push({ ...about, not_tried: lack });
      continue;
    }
    const args = [name, backend, String(trial.threads), precision, String(steps), folder];
    const { records: [line], problem } = await tried(
      trial,
      `benchmark, ${name}, ${precision}`,
      () => runChild<TimeLine>(new URL("./time_case.ts", import.meta.url), args, limits),
    );
    if (line?.kind === "time") {
      const { kind: _, ms_per_step, ...rest } = line;
      const beside = cpu.find((each) => each.case === name)?.ms_per_step;
      const ms = Number(ms_per_step.toPrecision(4));
      done.push({ ...about, ms_per_step: ms, ...rest, ...(beside === undefined ? {} : { cpu_ms_per_step: beside }) });
    } else done.push({ ...about, failure: line?.reason ?? problem ?? "its process ended without a result" });
  }
  await onRecord([...done], cases.length);
  return done;
}
