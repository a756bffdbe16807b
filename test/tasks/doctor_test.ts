import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Backend } from "../../core/engine/mod.ts";
import type { HostTensor } from "../../core/data/tensors.ts";
import { type BackendRecord, reportOf } from "../../tasks/doctor/backends.ts";
import { runChild } from "../../tasks/doctor/child.ts";
import { relativeError } from "../../tasks/doctor/correctness.ts";
import { convolution, perceptron } from "../../tasks/doctor/float64.ts";
import { convolutionInputs, perceptronInputs } from "../../tasks/doctor/programs.ts";
import { backendText, gpuText } from "../../tasks/doctor/report.ts";
import { convolutionInFloat64 } from "../core/layers/convolution_float64.ts";
import { inFolder } from "../folders.ts";
import { untilFile } from "../wait.ts";
import { runTask, taskCommand } from "./command.ts";

Deno.test("--json gives everything as one object, and one backend is tried alone", async () => {
  const { code, stdout, stderr } = await runTask("doctor", ["--json", "--backend", "onnx-cpu", "--threads", "1"]);
  equal(code, 0, stderr);
  equal(stdout.trim().split("\n").length, 1);
  const report = JSON.parse(stdout);
  deepEqual(Object.keys(report.versions), ["itdiffusion", "deno", "v8", "tfjs", "onnxruntime-node"]);
  equal(report.versions.deno, Deno.version.deno);
  ok(report.processor.cores > 0 && report.memory.total_bytes > report.memory.available_bytes);
  ok(Array.isArray(report.gpus));
  equal(report.auto.points.backend, "onnx-cpu");
  ok(report.auto.images.reason.length > 0);
  equal(report.backends.length, 1);
  const [backend] = report.backends;
  equal(backend.backend, "onnx-cpu");
  ok(backend.available && backend.correct);
  ok(backend.largest_error > 0 && backend.largest_error < report.tolerance);
  ok(backend.ms_per_step > 0 && backend.convolution_ms > 0);
  equal(backend.threads, 1);
  deepEqual(backend.versions, {
    "onnxruntime-node": report.versions["onnxruntime-node"],
    tfjs: report.versions.tfjs,
  });
});

Deno.test("a person reads the machine, what auto chooses, and a row for the backend, in 80 columns", async () => {
  const { code, stdout, stderr } = await runTask("doctor", ["--backend", "onnx-cpu", "--threads", "1"]);
  equal(code, 0, stderr);
  equal(stderr, "");
  const lines = stdout.split("\n");
  ok(lines.every((line) => line.length <= 80), stdout);
  for (const label of ["Versions", "System", "Processor", "Memory", "GPU", "Auto", "Backend"]) {
    ok(lines.some((line) => line.startsWith(label)), label);
  }
  match(stdout, /^onnx-cpu +available +\d\.\de-\d +[\d.]+ ms +[\d.]+ ms$/m);
  match(stdout, /above 1e-5 they are\s+wrong/);
});

/** Does something while the packages of backends are those of a folder. */
async function withPackages<T>(folder: string, run: () => T): Promise<Awaited<T>> {
  const before = Deno.env.get("ITDIFFUSION_PACKAGES");
  Deno.env.set("ITDIFFUSION_PACKAGES", folder);
  try {
    return await run();
  } finally {
    if (before === undefined) Deno.env.delete("ITDIFFUSION_PACKAGES");
    else Deno.env.set("ITDIFFUSION_PACKAGES", before);
  }
}

Deno.test("a backend that is not there says what to do, and is exit code 1 where it alone is asked for", () =>
  inFolder(async (folder) => {
    const { code, stdout } = await withPackages(folder, () => runTask("doctor", ["--backend", "tfjs-node"]));
    equal(code, 1);
    match(stdout, /^tfjs-node +not available: .*not installed\. Run\s+deno\s+task install:tfjs-node[.,]/m);
    ok(!stdout.includes("wrong"));
  }));

Deno.test("a backend that there is not is one line and exit code 2", async () => {
  const { code, stdout, stderr } = await runTask("doctor", ["--backend", "onnx-gpu"]);
  equal(code, 2);
  equal(stdout, "");
  match(stderr, /^error: --backend is onnx-gpu; it must be one of onnx-cpu, [^\n]+\n$/);
});

Deno.test({
  name: "Ctrl-C ends it at once",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      // A backend that hangs as it is loaded.
      const path = join(folder, "node_modules", "@tensorflow", "tfjs-node");
      await Deno.mkdir(path, { recursive: true });
      await Deno.writeTextFile(join(path, "package.json"), `{"name":"@tensorflow/tfjs-node","main":"index.js"}`);
      await Deno.writeTextFile(
        join(path, "index.js"),
        `Deno.writeTextFileSync(${JSON.stringify(join(folder, "began"))}, "");
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
      );
      const command = await taskCommand("doctor", ["--backend", "tfjs-node"]);
      const child = await withPackages(folder, () => command.spawn());
      await untilFile(join(folder, "began"), undefined, child);
      child.kill("SIGINT");
      const { code, stdout, stderr } = await child.output();
      equal(code, 130);
      const [printed, told] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      match(printed, /^Backend .*\n$/m);
      ok(!printed.includes("\ntfjs-node "), printed);
      match(told, /^Stopped[^\n]*\.\n$/);
    }),
});

/** Runs a script as the doctor runs its own. */
async function runScript(text: string, milliseconds: number, signal?: AbortSignal) {
  let result: Awaited<ReturnType<typeof runChild>> | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, "script.ts");
    await Deno.writeTextFile(path, text);
    result = await runChild(pathToFileURL(path), [], { milliseconds, ...(signal ? { signal } : {}) });
  });
  return result!;
}

Deno.test("a process that hangs is stopped, and what it found before is kept", () =>
  inFolder(async (folder) => {
    const said = `console.log('{"kind":"started"}\\nchatter\\n{"no":1}\\nnull');`;
    const script = join(folder, "script.ts");
    await Deno.writeTextFile(
      script,
      `${said} Deno.writeTextFileSync("${folder}/said", ""); setInterval(() => {}, 1000);`,
    );
    // Its time is over once it has said what it found; the second wait is for its end, which comes.
    const waits = [() => untilFile(join(folder, "said")), () => new Promise(() => {})];
    deepEqual(await runChild(pathToFileURL(script), [], { milliseconds: 1500, wait: () => waits.shift()!() }), {
      records: [{ kind: "started" }],
      problem: "it did not end within 1.5 s and was stopped",
    });
  }));

Deno.test("a process that crashes is told of by its signal, or its code and last words", async () => {
  if (Deno.build.os === "linux") {
    const abort = `Deno.dlopen("libc.so.6", { abort: { parameters: [], result: "void" } }).symbols.abort();`;
    deepEqual(await runScript(`console.log('{"kind":"started"}'); ${abort}`, 600_000), {
      records: [{ kind: "started" }],
      problem: "its process ended by SIGABRT",
      crashed: true,
    });
  }
  deepEqual(await runScript(`console.error("first\\nno driver\\n"); Deno.exit(3);`, 600_000), {
    records: [],
    problem: "its process ended by code 3: no driver",
  });
});

Deno.test("an interrupt kills the process and is the error", async () => {
  const controller = new AbortController();
  const script = runScript("setInterval(() => {}, 1000);", 600_000, controller.signal);
  const reason = new Error("The user has had enough.");
  controller.abort(reason);
  await rejects(script, reason);
});

const started: BackendRecord = { kind: "started", threads: 2, precisions: ["f32"], versions: { tfjs: "4.22.0" } };
const about = { threads: 2, precisions: ["f32"], versions: { tfjs: "4.22.0" } };
const backend: Backend = "onnx-webgpu";

Deno.test("only values that were checked make a backend available, and only close ones make it right", () => {
  const values = (error: number | null): BackendRecord => ({ kind: "values", error, at: "MLP, y" });
  const times: BackendRecord[] = [{ kind: "step", ms: 1.23456 }, { kind: "convolution", ms: 20 }];
  const checked = { backend, available: true, largest_error_at: "MLP, y", ...about };
  deepEqual(reportOf(backend, { records: [started, values(1e-6), ...times] }), {
    ...checked,
    ...{ correct: true, largest_error: 1e-6, ms_per_step: 1.235, convolution_ms: 20 },
  });
  for (const error of [1e-3, null]) {
    deepEqual(reportOf(backend, { records: [started, values(error)] }), {
      ...checked,
      ...{ correct: false, largest_error: error },
    });
  }
  deepEqual(reportOf(backend, { records: [started, values(1e-6)], problem: "its process ended by SIGABRT" }), {
    ...checked,
    ...{ correct: true, largest_error: 1e-6, not_timed: "its process ended by SIGABRT" },
  });
});

Deno.test("a backend that is absent, does not start or fails is not available, with the reason", () => {
  const reason = (...records: BackendRecord[]) =>
    reportOf(backend, { records, problem: "its process ended by SIGSEGV" });
  deepEqual(reason({ kind: "absent", reason: "Not installed. Run this." }), {
    backend,
    available: false,
    reason: "Not installed. Run this.",
  });
  equal(reason().reason, "It does not start: its process ended by SIGSEGV");
  equal(reason(started).reason, "It starts, but fails in the check: its process ended by SIGSEGV");
  equal(
    reason(started, { kind: "failed", reason: "No kernel." }).reason,
    "It starts, but fails in the check: No kernel.",
  );
  equal(reason(started).available, false);
  equal(reportOf(backend, { records: [] }).available, false);
});

Deno.test("wrong values and software are named in the row's text", () => {
  const text = backendText({
    ...{ backend, available: true, correct: false, largest_error: 0.02, largest_error_at: "convolution, y" },
    ...{ ms_per_step: 3.456, convolution_ms: 250.4, device: "SwiftShader Device (Subzero)", software: true },
  }, 80);
  match(text, /^onnx-webgpu +WRONG VALUES +2\.0e-2 +3\.46 ms +250 ms\n/);
  match(text, /"convolution, y" is\s+above 1e-5/);
  match(text, /^ +on SwiftShader Device \(Subzero\), software$/m);
  const infinite = { backend, available: true, correct: false, largest_error: null, largest_error_at: "MLP, y" };
  match(backendText({ ...infinite, not_timed: "stopped" }, 80), /WRONG VALUES +not finite\n[^]*not timed: stopped$/);
});

Deno.test("GPUs are named with their memory and how they are reached", () => {
  const auto = {
    points: { backend: "onnx-cpu", reason: "little work" },
    images: { backend: "onnx-cuda", reason: "NVIDIA T4" },
  } as const;
  const gpus = [
    {
      ...{ name: "NVIDIA T4", vendor: "NVIDIA", memoryBytes: 2 ** 34, freeBytes: 2 ** 33, driver: "535.1" },
      ...{ apis: ["cuda", "webgpu"], software: false } as const,
    },
    { name: "AMD GPU", vendor: "AMD", apis: [], software: false },
  ];
  equal(
    gpuText({ gpus, auto }, 100),
    [
      "GPU        NVIDIA T4, 16.0 GiB, 8.0 GiB free, driver 535.1, reached by CUDA and WebGPU",
      "           AMD GPU, not reached: its driver is missing",
      "Auto       points on onnx-cpu: little work",
      "           images on onnx-cuda: NVIDIA T4",
    ].join("\n"),
  );
  match(gpuText({ gpus: [], auto }, 100), /^GPU +none found\n/);
  match(gpuText({ problem: "its process ended by SIGSEGV" }, 100), /^GPU +unknown: the search failed/);
});

Deno.test("the convolution in double precision is that of the layers' tests", () => {
  const { x, filter, bias, dy } = convolutionInputs(1);
  const { shape: _, ...expected } = convolutionInFloat64(x, filter, bias, dy, [1, 1, 1, 1], 1);
  const got = convolution(x, filter, bias, dy);
  for (const [name, values] of Object.entries(expected)) ok(relativeError(got[name], values)! < 1e-12, name);
});

Deno.test("the perceptron's gradients in double precision are its finite differences", () => {
  const { x, target, params } = perceptronInputs();
  const { y, ...gradients } = perceptron(x, target, params);
  equal(y.length, target.data.length);
  const wide = Object.fromEntries(
    Object.entries(params).map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]),
  );
  const loss = () => {
    const { y } = perceptron(x, target, wide as unknown as Record<string, HostTensor>);
    return y.reduce((sum, v, i) => sum + 0.5 * (v - target.data[i]) ** 2, 0);
  };
  for (const [name, values] of Object.entries(gradients)) {
    const { data } = wide[name];
    for (const i of [0, data.length >> 1, data.length - 1]) {
      const [h, middle] = [1e-5, data[i]];
      data[i] = middle + h;
      const above = loss();
      data[i] = middle - h;
      const slope = (above - loss()) / (2 * h);
      data[i] = middle;
      ok(Math.abs(slope - values[i]) < 1e-5 * (1 + Math.abs(slope)), `${name} ${i}: ${slope} and ${values[i]}`);
    }
  }
});

Deno.test("an error is relative to the largest value, and a value that is not finite is none", () => {
  equal(relativeError([1, 2, 5], Float64Array.of(1, 2, 4)), 0.25);
  equal(relativeError([1, NaN], Float64Array.of(1, 2)), null);
  equal(relativeError([1, Infinity], Float64Array.of(1, 2)), null);
  equal(relativeError([1], Float64Array.of(1, 2)), null);
});
