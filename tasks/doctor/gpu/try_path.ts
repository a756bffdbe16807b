import type { Backend } from "../../../core/engine/mod.ts";
import type { ChildLimits } from "../child.ts";
import { runBenchmark } from "./benchmark.ts";
import { runConformance } from "./conformance.ts";
import { writeData } from "./data.ts";
import type { PathRecord, ProcessorRecord, Size } from "./record.ts";
import { runTrainings } from "./training.ts";
import type { Trial } from "./trial.ts";

/** How long a conformance case and any other process of a path may take, in milliseconds. */
const LIMITS = { case: 300_000, work: 600_000 } as const;

/** What a path is tried with. */
export interface TryingSettings {
  readonly trial: Trial;
  /** For data and runs. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Called with what is known, whenever that is more; the label says what it is at. */
  readonly onMore: (known: StartedPath, label: string, done: number, total: number) => Promise<void>;
}

/** A path without its verdict. */
export type StartedPath = Omit<PathRecord, "faults" | "complete">;

/** Tries all that a path that starts is to do. @param processor What onnx-cpu came to with the same work. */
export async function tryPath(
  start: StartedPath,
  processor: (size: Size) => Promise<ProcessorRecord>,
  { trial, folder, signal, onMore }: TryingSettings,
): Promise<StartedPath> {
  const { backend, size = "small", card, check } = start;
  if (!check?.available) return start;
  let path = start;
  const tell = <K extends "conformance" | "benchmark" | "training">(part: K) =>
  (
    done: readonly unknown[] & PathRecord[K],
    total: number,
  ) => onMore(path = { ...path, [part]: done }, `${backend}: ${part}`, done.length, total);
  const conformance = await runConformance(backend, trial, limits("case", signal), tell("conformance"));
  path = { ...path, conformance };
  const beside = await processor(size);
  const work = {
    backend,
    size,
    precisions: check.precisions ?? ["f32"],
    trial,
    folder,
    limits: limits("work", signal),
  };
  await runBenchmark({ ...work, ...(card ? { card } : {}), cpu: beside.benchmark }, tell("benchmark"));
  await runTrainings({ ...work, cpu: beside.training }, tell("training"));
  return path;
}

/** Does the same work on onnx-cpu. */
export async function tryProcessor(
  size: Size,
  { trial, folder, signal }: Omit<TryingSettings, "onMore">,
  onMore: (label: string, done: number, total: number) => Promise<void>,
): Promise<ProcessorRecord> {
  await writeData(folder, size);
  const backend: Backend = "onnx-cpu";
  const work = { backend, size, precisions: ["f32"] as const, trial, folder, limits: limits("work", signal) };
  const tell = (label: string) => (done: readonly unknown[], total: number) => onMore(label, done.length, total);
  const benchmark = await runBenchmark(work, tell("onnx-cpu: benchmark"));
  return { size, benchmark, training: await runTrainings(work, tell("onnx-cpu: training")) };
}

function limits(kind: keyof typeof LIMITS, signal: AbortSignal): ChildLimits {
  return { milliseconds: LIMITS[kind], signal };
}
