import { deepEqual, ok } from "assert";
import { join } from "node:path";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { Random } from "../../core/random/random.ts";
import { inFolder } from "../folders.ts";
import { taskArguments } from "../tasks/command.ts";
import { untilNames } from "../wait.ts";

/** The MPI implementations that the tests run with, as Debian names their launchers. */
export const FAMILIES = ["openmpi", "mpich"] as const;

export type Family = typeof FAMILIES[number];

/** What an MPI job left. */
export interface EndedJob {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Whether a program can be run. */
export async function isInstalled(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch {
    return false;
  }
}

export const ENVIRONMENT = {
  // Open MPI refuses to be run by root, as in a container, without these.
  ...{ OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" },
  // A rank that waits lets other tests have its processor.
  OMPI_MCA_mpi_yield_when_idle: "1",
  NO_COLOR: "1",
};

/** More ranks than cores are fine, and none is held on one core. */
const OPTIONS: Readonly<Record<Family, readonly string[]>> = {
  openmpi: ["--oversubscribe", "--bind-to", "none"],
  mpich: [],
};

/** A task on several ranks. */
export interface JobSpec {
  readonly family: Family;
  readonly ranks: number;
  readonly task: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** What stands between the launcher and the program of each rank. */
  readonly wrapper?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a task on several ranks. */
export async function startJob(
  { family, ranks, task, args, cwd, wrapper = [], env }: JobSpec,
): Promise<Deno.ChildProcess> {
  return new Deno.Command(`mpirun.${family}`, {
    args: [
      ...OPTIONS[family],
      ...["-n", String(ranks)],
      ...wrapper,
      ...[Deno.execPath(), ...await taskArguments(task, args)],
    ],
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { ...ENVIRONMENT, ...env },
  }).spawn();
}

/** Waits for a job's end. */
export async function finished(job: Deno.ChildProcess): Promise<EndedJob> {
  const { code, stdout, stderr } = await job.output();
  const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, output, errors };
}

/** Waits until a run has a checkpoint of an epoch, or of a later one. */
export function untilEpoch(run: string, epoch: number, job: Deno.ChildProcess): Promise<void> {
  const reached = (name: string) => Number(/^(\d+)(-\d+)?$/.exec(name)?.[1] ?? -1) >= epoch;
  return untilNames(join(run, "checkpoints"), (names) => names.some(reached), job);
}

/** Runs a task on several ranks to its end. */
export async function runJob(spec: JobSpec): Promise<EndedJob> {
  return await finished(await startJob(spec));
}

/** A small network on few points, with a batch that three ranks cannot share evenly. */
export const POINTS = [
  ...["points.csv", "--batch-size", "50", "--width", "32", "--blocks", "2", "--epochs", "3"],
  ...["--figures", "off", "--json", "--backend", "onnx-cpu", "--threads", "1"],
];

/** Runs a test in a folder with the file of {@linkcode POINTS}. */
export function inPointsFolder(test: (cwd: string) => Promise<void>): Promise<void> {
  return inFolder(async (cwd) => {
    const random = Random.fromSeed(0);
    const rows = Array.from({ length: 400 }, () => {
      const [angle, radius] = [2 * Math.PI * random.uniform(), 1 + 0.1 * random.normal()];
      return `${radius * Math.cos(angle)},${radius * Math.sin(angle)}\n`;
    });
    await Deno.writeTextFile(join(cwd, "points.csv"), rows.join(""));
    await test(cwd);
  });
}

interface Metrics {
  readonly epoch: number;
  readonly step: number;
  readonly train_nll: number;
  readonly val_nll: number;
}

export async function metricsOf(run: string): Promise<Metrics[]> {
  const lines = (await Deno.readTextFile(join(run, "metrics.jsonl"))).trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** Checks that two runs are the same but for rounding. */
export async function requireSameRun(run: string, expected: string, tolerance: number): Promise<void> {
  const [got, wanted] = await Promise.all([run, expected].map(metricsOf));
  deepEqual(got.map(({ epoch, step }) => [epoch, step]), wanted.map(({ epoch, step }) => [epoch, step]));
  got.forEach((line, i) => {
    for (const key of ["train_nll", "val_nll"] as const) {
      ok(Math.abs(line[key] - wanted[i][key]) < tolerance, `${key}: ${line[key]}, not ${wanted[i][key]}`);
    }
  });
  const [one, other] = await Promise.all([run, expected].map(async (folder) => {
    const checkpoint = await loadCheckpoint((await latestCheckpoint(folder))!);
    return checkpoint.training.params.data;
  }));
  one.forEach((x, i) => ok(Math.abs(x - other[i]) < tolerance, `parameter ${i}: ${x}, not ${other[i]}`));
}
