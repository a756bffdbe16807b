import { Progress } from "../../../core/cli/mod.ts";
import type { Backend } from "../../../core/engine/mod.ts";
import { orStopped } from "../../../core/errors/interrupted_error.ts";
import { UsageError } from "../../../core/errors/usage_error.ts";
import { shown } from "../../../core/run/result.ts";
import { describeMachine, findGpus, type GpuSearch } from "../machine.ts";
import { gpuText, machineText } from "../report.ts";
import { ReportFile } from "./file.ts";
import { cardOf, describeCard, findPath, GPU_BACKENDS, nothingFound } from "./paths.ts";
import { faultsOf, type GpuReport, type PathRecord, type ProcessorRecord, SCHEMA, type Size } from "./record.ts";
import { pathText, verdictText } from "./text.ts";
import type { Trial } from "./trial.ts";
import { type StartedPath, tryPath, tryProcessor } from "./try_path.ts";

/** How long a process may take that searches for GPUs or starts and checks a backend, in milliseconds. */
const LIMIT = 120_000;

/** What the command line says. */
export interface GpuOptions {
  /** The only path to try. */
  readonly backend?: Backend | undefined;
  readonly threads: number;
  /** The file; a new one in `runs` where it is left out. */
  readonly out?: string | undefined;
  readonly json: boolean;
  readonly columns: number;
}

/**
 * Tries every way to compute on a GPU that is there, and writes a file of what came of it, again after every part.
 *
 * @returns Whether nothing was wrong.
 * @throws {UsageError} Where there is no way.
 */
export async function checkGpus(options: GpuOptions, stop: AbortSignal): Promise<boolean> {
  const { threads, columns, json } = options;
  const backends = wanted(options.backend);
  ReportFile.requireFree(options.out);
  const begun = performance.now(), started = new Date().toISOString(), machine = describeMachine();
  const print = (text: string) => json || console.log(text);
  using progress = new Progress({ quiet: json || !Deno.stderr.isTerminal() });

  const limits = { milliseconds: LIMIT, signal: stop };
  progress.update({ label: "GPUs", done: 0, total: 1 });
  const search = await findGpus(limits);
  const crashes = new Map<Backend, string[]>(backends.map((backend) => [backend, []]));
  const trialOf = (backend: Backend): Trial => ({
    threads,
    software: cardOf(backend, search)?.software ?? false,
    onCrash: (what) => crashes.get(backend)?.push(what),
  });
  const whole = (path: StartedPath, complete: boolean): PathRecord => {
    const crashed = crashes.get(path.backend) ?? [];
    return { ...path, ...(crashed.length > 0 ? { crashes: [...crashed] } : {}), complete, faults: faultsOf(path) };
  };
  const found: StartedPath[] = [];
  for (const [i, backend] of backends.entries()) {
    progress.update({ label: backend, done: i, total: backends.length });
    found.push(await findPath(backend, search, trialOf(backend), limits));
  }
  progress.finish();
  const [there, missing] = [false, true].map((absent) =>
    found.filter((path) => (path.absent !== undefined) === absent)
  );
  if (there.length === 0) throw new UsageError(nothingFound(search, missing));

  const file = await ReportFile.create(options.out);
  print(`${machineText(machine, columns)}\n${gpuText(search, columns)}${missing.length > 0 ? "\n" : ""}`);
  for (const path of missing) print(pathText(whole(path, true), columns));

  const paths = new Map(found.map((path) => [path.backend, whole(path, path.absent !== undefined)]));
  const processors = new Map<Size, ProcessorRecord>();
  const report = (complete: boolean): GpuReport => ({
    schema: SCHEMA,
    started,
    seconds: Math.round((performance.now() - begun) / 100) / 10,
    complete,
    conforms: complete && [...paths.values()].every(({ faults }) => faults.length === 0),
    threads,
    ...machine,
    ...gpusOf(search),
    paths: [...paths.values()],
    onnx_cpu: [...processors.values()],
  });
  const save = () => file.write(report(false));
  const show = async (label: string, done: number, total: number) => {
    progress.update({ label, done, total });
    await save();
  };
  const folder = await Deno.makeTempDir({ prefix: "doctor-" });
  const processor = async (size: Size) => {
    const trial = trialOf("onnx-cpu");
    const record = processors.get(size) ?? await tryProcessor(size, { trial, folder, signal: stop }, show);
    processors.set(size, record);
    return record;
  };
  try {
    await orStopped(`Stopped; what was finished is in ${shown(file.path)}.`, async () => {
      await save();
      for (const start of there) {
        const tried = await tryPath(start, processor, {
          ...{ trial: trialOf(start.backend), folder, signal: stop },
          async onMore(known, label, done, total) {
            paths.set(known.backend, whole(known, false));
            await show(label, done, total);
          },
        });
        const record = whole(tried, true);
        paths.set(start.backend, record);
        progress.finish();
        print(`\n${pathText(record, columns)}`);
      }
    });
  } finally {
    // A write that was begun is waited for.
    if (stop.aborted) await save();
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
  const finished = report(true);
  await file.write(finished);
  print(`\n${verdictText(finished, shown(file.path), columns)}`);
  if (json) console.log(JSON.stringify(finished));
  return finished.conforms;
}

function wanted(backend: Backend | undefined): readonly Backend[] {
  if (backend === undefined) return GPU_BACKENDS;
  if (GPU_BACKENDS.some((name) => name === backend)) return [backend];
  throw new UsageError(`--gpu tries ${GPU_BACKENDS.join(", ")}; ${backend} is none of them. Leave --backend out.`);
}

function gpusOf(search: GpuSearch): Pick<GpuReport, "gpus" | "gpu_problem"> {
  if ("problem" in search) return { gpu_problem: search.problem };
  return { gpus: search.gpus.map((gpu) => ({ ...describeCard(gpu), apis: gpu.apis })) };
}
