import "../core/cli/listen.ts";
import { main, parseCommandLine, Progress, UsageError } from "../core/cli/mod.ts";
import { stdoutTerminal } from "../core/cli/terminal.ts";
import type { Gpu } from "../core/devices/mod.ts";
import { BACKENDS } from "../core/engine/mod.ts";
import { threadsOption } from "../core/run/backend.ts";
import { defaultThreads } from "../core/engine/start.ts";
import { type BackendReport, checkBackend } from "./doctor/backends.ts";
import { describeMachine, findGpus, type GpuSearch } from "./doctor/machine.ts";
import { backendText, gpuText, legend, machineText, tableHead } from "./doctor/report.ts";
import { TOLERANCE } from "./doctor/sizes.ts";

/** How long a process may take that searches for GPUs or tries a backend, in milliseconds. */
const LIMIT = 60_000;

/** The widest that text is laid out. */
const MAX_COLUMNS = 100;

await main(async (stop) => {
  const { options } = await parseCommandLine({
    name: "doctor",
    summary:
      "Says what this machine can train on: its GPUs, and of each backend whether it is there, right, and how fast.",
    options: {
      backend: { optional: "string", choices: BACKENDS, help: "The only backend to try (default: all)." },
      ...threadsOption,
      gpu: {
        default: false,
        help: "Try every way to a GPU at length: conformance, speed beside onnx-cpu, a short training. Minutes.",
      },
      out: {
        optional: "string",
        placeholder: "file",
        help: "Of --gpu: the JSON file of what it found (default: a new one in runs).",
      },
      json: { default: false, help: "Print one JSON object, and nothing else." },
    },
  }, Deno.args);
  const { json, threads = defaultThreads() } = options;
  const backends = options.backend === undefined ? BACKENDS : [options.backend];
  const columns = Math.min(MAX_COLUMNS, stdoutTerminal().columns);
  const print = (text: string) => json || console.log(text);
  if (options.out !== undefined && !options.gpu) throw new UsageError("--out is of --gpu alone. Leave it out.");
  if (options.gpu) {
    const { checkGpus } = await import("./doctor/gpu/run.ts");
    const { backend, out } = options;
    const conforms = await checkGpus({ backend, threads, out, json, columns }, stop);
    Deno.exit(conforms ? 0 : 1);
  }

  using progress = new Progress({ quiet: json || !Deno.stderr.isTerminal() });
  const limits = { milliseconds: LIMIT, signal: stop };

  const machine = describeMachine();
  print(machineText(machine, columns));
  progress.update({ label: "GPUs", done: 0, total: 1 });
  const search = await findGpus(limits);
  progress.finish();
  print(`${gpuText(search, columns)}\n\n${tableHead()}`);

  const reports: BackendReport[] = [];
  for (const [i, backend] of backends.entries()) {
    progress.update({ label: backend, done: i, total: backends.length });
    const checked = await checkBackend(backend, threads, limits);
    const report = { ...checked, ...(checked.available ? adapterOf(backend, search) : {}) };
    progress.finish();
    print(backendText(report, columns));
    reports.push(report);
  }
  if (reports.some(({ available }) => available)) print(`\n${legend(threads, columns)}`);
  if (json) {
    const found = "problem" in search
      ? { gpu_problem: search.problem }
      : { gpus: search.gpus.map(gpuRecord), auto: search.auto };
    console.log(JSON.stringify({ ...machine, ...found, threads, tolerance: TOLERANCE, backends: reports }));
  }
  const wrong = reports.some(({ available, correct }) => available && !correct);
  const missing = options.backend !== undefined && !reports[0].available;
  // A process that hangs in a driver must not keep this one.
  Deno.exit(wrong || missing ? 1 : 0);
});

/** What a backend of WebGPU runs on. */
function adapterOf(backend: string, search: GpuSearch): { device?: string; software?: boolean } {
  if (!backend.endsWith("webgpu") || "problem" in search) return {};
  const adapter = search.gpus.find(({ apis }) => apis.includes("webgpu"));
  return adapter ? { device: adapter.name, software: adapter.software } : {};
}

function gpuRecord({ memoryBytes, freeBytes, sharesMemory, ...rest }: Gpu) {
  return {
    ...rest,
    ...(memoryBytes === undefined ? {} : { memory_bytes: memoryBytes }),
    ...(freeBytes === undefined ? {} : { free_bytes: freeBytes }),
    ...(sharesMemory === undefined ? {} : { shares_memory: sharesMemory }),
  };
}
