import { deepEqual, equal, match, ok, throws } from "assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readNpy } from "../../core/io/npy.ts";
import type { ChildLimits } from "../../tasks/doctor/child.ts";
import { lackOfMemory, runBenchmark, timedCases } from "../../tasks/doctor/gpu/benchmark.ts";
import { runConformance } from "../../tasks/doctor/gpu/conformance.ts";
import { writeData } from "../../tasks/doctor/gpu/data.ts";
import { ReportFile } from "../../tasks/doctor/gpu/file.ts";
import { cardOf, nothingFound, sizeOf } from "../../tasks/doctor/gpu/paths.ts";
import { faultsOf, type GpuReport, type PathRecord, type TrainingRecord } from "../../tasks/doctor/gpu/record.ts";
import { pathText, verdictText } from "../../tasks/doctor/gpu/text.ts";
import { compared, runTrainings } from "../../tasks/doctor/gpu/training.ts";
import type { Trial } from "../../tasks/doctor/gpu/trial.ts";
import type { GpuSearch } from "../../tasks/doctor/machine.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

const limits: ChildLimits = { milliseconds: 600_000 };

/** How a card is tried, or software; crashes are collected. */
function trialOf(software: boolean, crashes: string[] = []): Trial {
  return { threads: 1, software, onCrash: (what) => crashes.push(what) };
}

Deno.test("--gpu without a GPU is one line that says what was looked for and how to install it, and writes nothing", () =>
  inFolder(async (cwd) => {
    const before = Deno.env.get("ITDIFFUSION_PACKAGES");
    Deno.env.set("ITDIFFUSION_PACKAGES", cwd);
    try {
      const { code, stdout, stderr } = await runTask("doctor", ["--gpu", "--backend", "tfjs-node-gpu"], cwd);
      equal(code, 2);
      equal(stdout, "");
      match(
        stderr,
        /^error: No GPU can be computed on here: [^\n]+ tfjs-node-gpu: [^\n]+ deno task install:tfjs-node-gpu[^\n]+\n$/,
      );
      deepEqual(await namesIn(cwd), []);
    } finally {
      if (before === undefined) Deno.env.delete("ITDIFFUSION_PACKAGES");
      else Deno.env.set("ITDIFFUSION_PACKAGES", before);
    }
  }));

Deno.test("what --gpu cannot heed is one line and exit code 2, and a file that is there stays", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "mine.json"), "mine");
    for (
      const [args, message] of [
        [["--out", "new.json"], /^error: --out is of --gpu alone\. Leave it out\.\n$/],
        [["--gpu", "--out", "mine.json"], /^error: mine\.json exists already\. Give another --out, or remove it\.\n$/],
        [["--gpu", "--backend", "onnx-cpu"], /^error: --gpu tries onnx-webgpu, [^\n]+; onnx-cpu is none of them\./],
      ] as const
    ) {
      const { code, stdout, stderr } = await runTask("doctor", args, cwd);
      equal(code, 2, stderr);
      equal(stdout, "");
      match(stderr, message);
    }
    equal(await Deno.readTextFile(join(cwd, "mine.json")), "mine");
    deepEqual(await namesIn(cwd), ["mine.json"]);
  }));

const check = { available: true, correct: true, largest_error: 1e-6, largest_error_at: "MLP, y" };
const good: Omit<PathRecord, "faults" | "complete"> = {
  backend: "onnx-cuda",
  card: { name: "NVIDIA T4", driver: "535.1", memory_bytes: 16e9, free_bytes: 15e9, software: false },
  size: "full",
  check,
  conformance: [{ name: "layers", reference: "float64", seconds: 1, tensor: "y", error: 1e-7, of_tolerance: 0.5 }],
  benchmark: [
    { case: "train-2d", precision: "f32", ms_per_step: 2, cpu_ms_per_step: 1.5 },
    { case: "unet-train", precision: "f32", not_tried: "it needs some 5.0 GB" },
  ],
  training: [{
    task: "train:2d",
    precision: "f32",
    val_nll: 1,
    resumed_val_nll: 0.9,
    difference: 1e-5,
    tolerance: 2e-4,
  }],
};

Deno.test("a path has no fault where all is within its tolerance, and one for everything that is not", () => {
  deepEqual(faultsOf(good), []);
  deepEqual(faultsOf({ backend: "onnx-cuda", absent: "No provider." }), []);
  deepEqual(
    faultsOf({
      ...good,
      check: { ...check, correct: false, largest_error: null, not_timed: "device lost" },
      conformance: [
        { name: "a", reference: "float64", tensor: "y", error: 1, of_tolerance: 3 },
        { name: "b", reference: "float64", tensor: "z", error: null, of_tolerance: null },
        { name: "c", reference: "float64" },
        { name: "d", reference: "", failure: "its process ended by SIGSEGV" },
      ],
      benchmark: [{ case: "unet-train", precision: "f16", failure: "out of memory" }],
      training: [
        { task: "train:2d", precision: "f32", val_nll: 1, resumed_val_nll: 0.9, difference: 0.1, tolerance: 2e-4 },
        { task: "train:2d", precision: "f16", val_nll: 1, resumed_val_nll: 0.9, tolerance: 2e-4 },
        { task: "train:cifar", precision: "f32", tolerance: 1, failure: "it did not end" },
      ],
    }),
    [
      'wrong values: the error of "MLP, y" is not a finite number',
      "doctor's own timing: device lost",
      'conformance, a: the error of "y" is 3.0 times its tolerance',
      'conformance, b: "z" has a value that is not a finite number',
      "conformance, c: nothing was compared",
      "conformance, d: its process ended by SIGSEGV",
      "benchmark, unet-train, f16: out of memory",
      "train:2d, f32: its likelihood is 0.10 nats from onnx-cpu's; 0.0002 passes",
      "train:2d, f16: onnx-cpu gave nothing to compare its likelihood with",
      "train:cifar, f32: it did not end",
    ],
  );
  deepEqual(faultsOf({ backend: "onnx-cuda", check: { available: false, reason: "It does not start: SIGABRT" } }), [
    "It does not start: SIGABRT",
  ]);
});

Deno.test("a run's difference is the larger of the two, and none without a likelihood beside it", () => {
  const run = (val_nll: number, resumed_val_nll: number): TrainingRecord => {
    return { task: "train:2d", precision: "f32", val_nll, resumed_val_nll, tolerance: 1 };
  };
  equal(compared(run(1, 0.5), run(1.25, 1)).difference, 0.5);
  equal(compared(run(1, 0.5), undefined).difference, undefined);
  equal(compared({ task: "train:2d", precision: "f32", tolerance: 1, failure: "x" }, run(1, 1)).difference, undefined);
});

Deno.test("a card is known by its interface; only one that is no software gets the full sizes", () => {
  const auto = { points: { backend: "onnx-cpu", reason: "" }, images: { backend: "onnx-cpu", reason: "" } } as const;
  const search: GpuSearch = {
    auto,
    gpus: [
      { name: "NVIDIA T4", driver: "535.1", memoryBytes: 16e9, apis: ["cuda"], software: false },
      { name: "llvmpipe", apis: ["webgpu"], software: true },
    ],
  };
  deepEqual(cardOf("onnx-cuda", search), {
    ...{ name: "NVIDIA T4", driver: "535.1", memory_bytes: 16e9, software: false },
  });
  equal(sizeOf(cardOf("tfjs-node-gpu", search)), "full");
  equal(sizeOf(cardOf("tfjs-webgpu", search)), "small");
  equal(sizeOf(cardOf("onnx-webgpu", { problem: "SIGSEGV" })), "small");
  match(
    nothingFound(search, [{ backend: "onnx-cuda", absent: "Not installed." }]),
    /T4, llvmpipe, which none .*reaches/,
  );
});

Deno.test("float16 is for gradients, and the 36 M U-Net for a GPU that has the memory", () => {
  deepEqual(
    timedCases("full", ["f32", "f16"]).filter(({ name }) => /unet-(train|eval)/.test(name)).map(({ name, precision }) =>
      `${name} ${precision}`
    ),
    ["unet-train f32", "unet-train f16", "unet-eval f32"],
  );
  const card = { name: "NVIDIA T4", memory_bytes: 16e9, software: false };
  equal(lackOfMemory(card, 5e9), undefined);
  equal(lackOfMemory(undefined, 5e9), undefined, "what is not known is tried");
  match(
    lackOfMemory({ ...card, free_bytes: 1e9 }, 5e9)!,
    /some 5\.0 GB of the GPU's memory, of which 1\.0 GB are free/,
  );
});

/** Cases in a process that ends by an abort in the second, or stands still there. */
function script(deed: string): string {
  return `
    const from = Number(Deno.args[3]);
    const print = (line) => console.log(JSON.stringify(line));
    const tensor = { what: "y", error: 1e-7, of_tolerance: 0.25 };
    print({ kind: "start", threads: 1, versions: {}, cases: ["a", "b", "c"].slice(from) });
    for (const name of ["a", "b", "c"].slice(from)) {
      if (name === "b") { ${deed} }
      print({ kind: "case", name, reference: "float64", seconds: 1, deviations: [tensor] });
    }
    print({ kind: "end" });`;
}

const passed = { reference: "float64", seconds: 1, tensor: "y", error: 1e-7, of_tolerance: 0.25 };

Deno.test("a conformance case that ends its process has failed, and the others go on", () =>
  inFolder(async (folder) => {
    const path = join(folder, "script.ts");
    await Deno.writeTextFile(path, script(`console.error("device lost"); Deno.exit(3);`));
    const told: number[] = [];
    const tell = (done: readonly unknown[], total: number) => {
      equal(total, 3);
      told.push(done.length);
    };
    deepEqual(await runConformance("onnx-cuda", trialOf(false), limits, tell, pathToFileURL(path)), [
      { name: "a", ...passed },
      { name: "b", reference: "", failure: "its process ended by code 3: device lost" },
      { name: "c", ...passed },
    ]);
    equal(told.at(-1), 3);
  }));

Deno.test({
  name: "what software crashes in is tried again and told of; a card's crash is its fault",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (folder) => {
      const [path, mark] = [join(folder, "script.ts"), join(folder, "crashed")];
      const abort = `Deno.dlopen("libc.so.6", { abort: { parameters: [], result: "void" } }).symbols.abort();`;
      const once = `try { Deno.statSync(${JSON.stringify(mark)}); } catch {
        Deno.writeTextFileSync(${JSON.stringify(mark)}, "");
        ${abort}
      }`;
      await Deno.writeTextFile(path, script(once));
      const run = (trial: Trial) => runConformance("onnx-webgpu", trial, limits, () => {}, pathToFileURL(path));
      const crashes: string[] = [];
      const names = (cases: Awaited<ReturnType<typeof run>>) => cases.map(({ name, failure }) => failure ?? name);
      deepEqual(names(await run(trialOf(true, crashes))), ["a", "b", "c"]);
      deepEqual(crashes, ["conformance, b: its process ended by SIGABRT"]);
      await Deno.remove(mark);
      deepEqual(names(await run(trialOf(false))), ["a", "its process ended by SIGABRT", "c"]);
    }),
});

Deno.test("a conformance case that says nothing for too long has failed, and the others go on", () =>
  inFolder(async (folder) => {
    const path = join(folder, "script.ts");
    await Deno.writeTextFile(path, script(`setInterval(() => {}, 1000); await new Promise(() => {});`));
    // The wait for the first process's next word is over once it has done its first case, the others' never is.
    const { promise: silence, resolve } = Promise.withResolvers<void>();
    const never = new Promise<never>(() => {});
    let stuck = true;
    const cases = await runConformance(
      "onnx-cuda",
      trialOf(false),
      { milliseconds: 1500, wait: () => silence.then(() => stuck ? undefined : never) },
      (done) => {
        if (done.length === 1) resolve();
        if (done.length > 1) stuck = false;
      },
      pathToFileURL(path),
    );
    deepEqual(cases.map(({ name, failure }) => failure ?? name), [
      "a",
      "it said nothing for 1.5 s and was stopped",
      "c",
    ]);
  }));

Deno.test("the trainings are the tasks' own, are resumed, and on onnx-cpu are onnx-cpu's; so are the times", () =>
  inFolder(async (folder) => {
    await writeData(folder, "small");
    const { shape } = await readNpy(join(folder, "pictures.npy"));
    deepEqual(shape, [64, 8, 8, 1]);
    const work = {
      backend: "onnx-cpu",
      size: "small",
      precisions: ["f32"],
      trial: trialOf(false),
      limits,
      folder,
    } as const;
    const first = await runTrainings(work, () => {});
    deepEqual(first.map(({ task, failure }) => failure ?? task), ["train:2d", "train:cifar"]);
    ok(first.every(({ val_nll, resumed_val_nll }) => Number.isFinite(val_nll) && val_nll !== resumed_val_nll));
    const second = await runTrainings({ ...work, cpu: first }, () => {});
    deepEqual(second.map(({ difference }) => difference), [0, 0]);
    const times = await runBenchmark(work, () => {});
    deepEqual(times.map((each) => each.failure ?? each.case), ["train-2d", "unet-tiny"]);
    ok(times.every(({ ms_per_step, peak_mb }) => ms_per_step! > 0 && peak_mb! > 0));
    const [refused] = await runBenchmark({ ...work, precisions: ["f16"] }, () => {});
    match(refused.failure!, /onnx-cpu has no f16/);
  }));

Deno.test("a report's file is new, and is replaced whole in the order of its writes", () =>
  inFolder(async (folder) => {
    const out = join(folder, "deep", "gpu.json");
    ReportFile.requireFree(out);
    const file = await ReportFile.create(out);
    throws(() => ReportFile.requireFree(out), /exists already/);
    const write = (seconds: number) => file.write({ seconds } as GpuReport);
    await Promise.all([write(1), write(2), write(3)]);
    deepEqual(JSON.parse(await Deno.readTextFile(out)), { seconds: 3 });
    deepEqual(await namesIn(join(folder, "deep")), ["gpu.json"]);
  }));

Deno.test("a path's text fits 80 columns and names the card, what was not tried and what is wrong", () => {
  const path: PathRecord = {
    ...good,
    complete: true,
    faults: ["train:2d, f32: far off"],
    crashes: ["check: SIGSEGV", "check: SIGSEGV"],
  };
  const text = pathText(path, 80);
  ok(text.split("\n").every((line) => line.length <= 80), text);
  match(text, /^onnx-cuda +on NVIDIA T4, 16\.0 GB, driver 535\.1$/m);
  match(text, /^ +conformance +1 of 1 cases within their tolerance, the largest error 0\.50 of it$/m);
  match(text, /^ +MLP, 128 points +2 ms +1\.5 ms$/m);
  match(text, /36 M U-Net, 16 images: not tried: it needs/);
  match(text, /^ +train:2d +f32 1\.0000 nats, resumed 0\.9000, 1\.0e-5 from onnx-cpu$/m);
  match(text, /^ +tried again +check: SIGSEGV \(2 times\)$/m);
  match(text, /^ +WRONG +train:2d, f32: far off$/m);
  const software = { ...good, size: "small", card: { name: "llvmpipe", software: true } } as const;
  match(pathText({ ...software, complete: true, faults: [] }, 80), /on llvmpipe, software, small sizes$/m);
  match(pathText({ backend: "onnx-cuda", absent: "None.", complete: true, faults: [] }, 80), /not available: None\.$/);
  const report = { paths: [path], seconds: 61.2 } as unknown as GpuReport;
  match(
    verdictText({ ...report, conforms: false }, "f.json", 80),
    /^WRONG: onnx-cuda; see above\.\nWrote f\.json, .* 61 s\.$/,
  );
});
