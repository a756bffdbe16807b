import { join } from "node:path";
import type { Backend, Precision } from "../../../core/engine/mod.ts";
import { type ChildLimits, type ChildResult, runChild } from "../child.ts";
import type { Size, TrainingRecord } from "./record.ts";
import { EPOCHS, NLL_TOLERANCE, RESUMED_EPOCHS, TRAINED_TASKS, type TrainedTask } from "./sizes.ts";
import { type Trial, tried } from "./trial.ts";

/** What is trained, and where. */
export interface TrainingSettings {
  readonly backend: Backend;
  readonly size: Size;
  readonly precisions: readonly Precision[];
  readonly trial: Trial;
  readonly limits: ChildLimits;
  /** Has the data; runs are made in it. */
  readonly folder: string;
  /** The same on onnx-cpu. */
  readonly cpu?: readonly TrainingRecord[];
}

/** The part of a run's summary that is kept. */
interface SummaryLine {
  readonly kind: "summary";
  readonly val_nll: number;
  readonly backend: string;
  readonly precision: string;
  readonly epochs: number;
  readonly ms_per_step?: number;
  readonly peak_mb: number;
}

const SCRIPTS: Readonly<Record<TrainedTask["task"], URL>> = {
  "train:2d": new URL("../../train_2d.ts", import.meta.url),
  "train:cifar": new URL("../../train_cifar.ts", import.meta.url),
};

/** Trains by the tasks' own command lines, and goes on with each run. @param onRecord As of the benchmark. */
export async function runTrainings(
  settings: TrainingSettings,
  onRecord: (done: readonly TrainingRecord[], total: number) => Promise<void> | void,
): Promise<readonly TrainingRecord[]> {
  const { size, precisions, cpu } = settings, done: TrainingRecord[] = [];
  const all = TRAINED_TASKS[size].flatMap((task) =>
    precisions.filter((precision) => task.half || precision === "f32").map((precision) => ({ task, precision }))
  );
  for (const { task, precision } of all) {
    await onRecord([...done], all.length);
    const record = await runTraining(task, precision, settings);
    done.push(compared(record, cpu?.find((each) => each.task === task.task)));
  }
  await onRecord([...done], all.length);
  return done;
}

async function runTraining(
  { task, dimension, arguments: given }: TrainedTask,
  precision: Precision,
  { backend, trial, limits, folder }: TrainingSettings,
): Promise<TrainingRecord> {
  const about = { task, precision, tolerance: NLL_TOLERANCE[precision] * dimension };
  const started = performance.now();
  const device = ["--backend", backend, "--threads", String(trial.threads), "--figures", "off", "--json"];
  // A crashed run's folder is left alone: one that is begun again has a new one.
  let place = "";
  const begin = () => {
    place = join(folder, `${backend}-${crypto.randomUUID()}`);
    const settings = ["--epochs", String(EPOCHS), "--precision", precision, "--out", place];
    return run(task, [...given(folder), ...settings, ...device], limits);
  };
  const first = await tried(trial, `${task}, ${precision}`, begin);
  const faultOf = (result: ChildResult<SummaryLine>, epochs: number) => faultOfRun(result, backend, precision, epochs);
  const failure = faultOf(first, EPOCHS);
  if (failure !== undefined) return { ...about, failure };
  const { val_nll, ms_per_step, peak_mb } = first.records[0];
  const resume = () => run(task, ["--resume", place, "--epochs", String(RESUMED_EPOCHS), ...device], limits);
  const second = await tried(trial, `${task}, ${precision}, resumed`, resume);
  const lost = faultOf(second, RESUMED_EPOCHS);
  return {
    ...about,
    val_nll,
    ...(lost === undefined
      ? { resumed_val_nll: second.records[0].val_nll }
      : { failure: `when it is resumed, ${lost}` }),
    seconds: Math.round((performance.now() - started) / 100) / 10,
    ...(ms_per_step === undefined ? {} : { ms_per_step }),
    peak_mb,
  };
}

/** Runs the task; its records are what it prints with `--json`. */
function run(
  task: TrainedTask["task"],
  args: readonly string[],
  limits: ChildLimits,
): Promise<ChildResult<SummaryLine>> {
  return runChild<SummaryLine>(SCRIPTS[task], args, limits, { read: readSummary });
}

function readSummary(line: string): SummaryLine | undefined {
  try {
    const value = JSON.parse(line) as Partial<SummaryLine> | null;
    if (typeof value !== "object" || value?.epochs === undefined || value.backend === undefined) return undefined;
    // JSON has null for what is not a finite number.
    return { ...value, kind: "summary", val_nll: value.val_nll ?? NaN } as SummaryLine;
  } catch {
    return undefined;
  }
}

/** What is wrong with a run, if anything: also one that computed elsewhere than it was told. */
function faultOfRun(
  { records: [summary], problem }: ChildResult<SummaryLine>,
  backend: string,
  precision: string,
  epochs: number,
): string | undefined {
  if (problem !== undefined) return problem;
  if (!summary) return "its process ended without a result";
  if (!Number.isFinite(summary.val_nll)) return "its likelihood is not a finite number";
  const [got, expected] = [
    [summary.backend, summary.precision, `${summary.epochs} epochs`],
    [backend, precision, `${epochs} epochs`],
  ].map((words) => words.join(", "));
  return got === expected ? undefined : `it ran with ${got}, and was asked for ${expected}`;
}

/** A run beside onnx-cpu's in float32. */
export function compared(record: TrainingRecord, cpu: TrainingRecord | undefined): TrainingRecord {
  const { val_nll, resumed_val_nll } = record;
  if (cpu?.val_nll === undefined || cpu.resumed_val_nll === undefined) return record;
  const beside = { ...record, cpu_val_nll: cpu.val_nll, cpu_resumed_val_nll: cpu.resumed_val_nll };
  if (val_nll === undefined || resumed_val_nll === undefined) return beside;
  const difference = Math.max(Math.abs(val_nll - cpu.val_nll), Math.abs(resumed_val_nll - cpu.resumed_val_nll));
  return { ...beside, difference };
}
