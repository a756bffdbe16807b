import type { Backend, Precision } from "../../../core/engine/mod.ts";
import type { BackendReport } from "../backends.ts";
import type { Machine } from "../machine.ts";

/** What the file's `schema` is; it grows by one where a field changes its meaning. */
export const SCHEMA = 1;

/** The GPU that a path computes on, as far as it is known. */
export interface Card {
  readonly name: string;
  readonly vendor?: string;
  readonly driver?: string;
  readonly memory_bytes?: number;
  readonly free_bytes?: number;
  readonly shares_memory?: boolean;
  /** Whether it is computed on the processor, as SwiftShader and llvmpipe are. */
  readonly software: boolean;
}

/** How large the work is that a path is given. */
export type Size = "small" | "full";

/** The worst of a case's tensors, or why there is none. */
export interface CaseRecord {
  readonly name: string;
  readonly reference: string;
  readonly seconds?: number;
  /** The tensor with the largest error over its tolerance. */
  readonly tensor?: string;
  /** Its largest error, and the largest over what the tolerance allows; null where a value is not a finite number. */
  readonly error?: number | null;
  readonly of_tolerance?: number | null;
  readonly failure?: string;
}

/** A step's time. */
export interface TimeRecord {
  readonly case: string;
  readonly precision: Precision;
  readonly ms_per_step?: number;
  readonly compile_s?: number;
  /** The process's largest resident memory, and what it took of the GPU's, where the driver tells. */
  readonly peak_mb?: number;
  readonly device_mb?: number;
  /** Of onnx-cpu on the same machine. */
  readonly cpu_ms_per_step?: number;
  /** Why it was not tried, which is no fault. */
  readonly not_tried?: string;
  readonly failure?: string;
}

/** A run and what it came to when it was resumed. */
export interface TrainingRecord {
  readonly task: string;
  readonly precision: Precision;
  /** E[−log p(x)] of the validation data in nats, at the end of the run and when it had gone on for another epoch. */
  readonly val_nll?: number;
  readonly resumed_val_nll?: number;
  readonly seconds?: number;
  readonly ms_per_step?: number;
  readonly peak_mb?: number;
  /** The same on onnx-cpu in float32, and the larger of the two differences from it. */
  readonly cpu_val_nll?: number;
  readonly cpu_resumed_val_nll?: number;
  readonly difference?: number;
  /** The largest difference that passes. */
  readonly tolerance: number;
  readonly failure?: string;
}

/** Everything that is known of a backend that computes on a GPU. */
export interface PathRecord {
  readonly backend: Backend;
  readonly card?: Card;
  /** Why it is not there, and what to do; then there is nothing more. */
  readonly absent?: string;
  readonly size?: Size;
  /** The check that `doctor` makes of every backend. */
  readonly check?: Omit<BackendReport, "backend">;
  readonly conformance?: readonly CaseRecord[];
  readonly benchmark?: readonly TimeRecord[];
  readonly training?: readonly TrainingRecord[];
  /** Crashes of software in a GPU's place after which a part was tried again. */
  readonly crashes?: readonly string[];
  /** Whether it was tried to its end, and everything that was wrong, a line each. */
  readonly complete: boolean;
  readonly faults: readonly string[];
}

/** What onnx-cpu came to with the work of one size. */
export interface ProcessorRecord {
  readonly size: Size;
  readonly benchmark: readonly TimeRecord[];
  readonly training: readonly TrainingRecord[];
}

/** The file that `deno task doctor --gpu` writes. */
export interface GpuReport extends Machine {
  readonly schema: typeof SCHEMA;
  /** When it began, and how long it has taken. */
  readonly started: string;
  readonly seconds: number;
  /** Whether it came to its end. */
  readonly complete: boolean;
  /** Whether it did, and nothing was wrong. */
  readonly conforms: boolean;
  readonly threads: number;
  /** Every GPU that was seen, or why the search failed. */
  readonly gpus?: readonly (Card & { readonly apis: readonly string[] })[];
  readonly gpu_problem?: string;
  readonly paths: readonly PathRecord[];
  readonly processor: Machine["processor"];
  readonly onnx_cpu: readonly ProcessorRecord[];
}

/** Everything that is wrong with what is known of a path. */
export function faultsOf(path: Omit<PathRecord, "faults" | "complete">): string[] {
  const { check, conformance = [], benchmark = [], training = [] } = path;
  return [
    ...(check?.available === false ? [check.reason ?? "it does not start"] : []),
    ...(check?.available && !check.correct
      ? [`wrong values: the error of "${check.largest_error_at}" is ${check.largest_error ?? "not a finite number"}`]
      : []),
    ...(check?.not_timed === undefined ? [] : [`doctor's own timing: ${check.not_timed}`]),
    ...conformance.flatMap((record) => faultOfCase(record).map((fault) => `conformance, ${record.name}: ${fault}`)),
    ...benchmark.flatMap((b) => b.failure === undefined ? [] : [`benchmark, ${b.case}, ${b.precision}: ${b.failure}`]),
    ...training.flatMap((t) => faultOfTraining(t).map((fault) => `${t.task}, ${t.precision}: ${fault}`)),
  ];
}

function faultOfCase({ failure, tensor, of_tolerance }: CaseRecord): string[] {
  if (failure !== undefined) return [failure];
  if (of_tolerance === null) return [`"${tensor}" has a value that is not a finite number`];
  if (of_tolerance === undefined) return ["nothing was compared"];
  return of_tolerance <= 1 ? [] : [`the error of "${tensor}" is ${of_tolerance.toPrecision(2)} times its tolerance`];
}

function faultOfTraining({ failure, difference, tolerance }: TrainingRecord): string[] {
  if (failure !== undefined) return [failure];
  if (difference === undefined) return ["onnx-cpu gave nothing to compare its likelihood with"];
  return difference <= tolerance
    ? []
    : [`its likelihood is ${difference.toPrecision(2)} nats from onnx-cpu's; ${tolerance} passes`];
}
