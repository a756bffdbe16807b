import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { BACKENDS, createEngine } from "../../core/engine/mod.ts";
import { LOCAL_BACKENDS } from "../backends.ts";
import { inFolder } from "../folders.ts";
import { runTask } from "../tasks/command.ts";
import { runBackend } from "./backend_process.ts";
import { type ConformanceCase, type Deviation, deviation, isWithin, worst } from "./case.ts";
import { CASES } from "./cases.ts";
import { wideConvolutions } from "./convolutions.ts";
import { type CaseReport, faultsOf, faultsOfBackend, reportTable } from "./report.ts";
import { unetTenSteps } from "./training.ts";
import { oldUnet } from "./unet.ts";

/** What takes seconds, and says nothing new of kernels that run one by one. */
const SLOW: readonly ConformanceCase[] = [wideConvolutions, unetTenSteps, oldUnet];

for (const backend of LOCAL_BACKENDS) {
  for (const each of CASES) {
    // tfjs-wasm is what onnx-cpu is compared with.
    if (backend === "tfjs-wasm" && each.reference === "another engine") continue;
    if (backend.startsWith("tfjs") && SLOW.includes(each)) continue;
    Deno.test(`${backend}: ${each.name} as in ${each.reference}`, async () => {
      const engine = await createEngine(backend, 2);
      const deviations = await each.run(engine);
      engine.dispose();
      deepEqual(faultsOf({ name: each.name, deviations }), []);
    });
  }
}

const tolerance = { rtol: 0.1, atol: 1 };

Deno.test("a deviation is the largest error, and the largest over its tolerance", () => {
  const { error, of_tolerance } = deviation("x", [3, 101], [0, 100], tolerance);
  deepEqual([error, of_tolerance], [3, 3]);
  const near = deviation("x", [0.5, 110], [0, 100], tolerance);
  deepEqual([near.error, near.of_tolerance], [10, 10 / 11]);
  ok(isWithin(near));
  for (const value of [NaN, Infinity]) {
    const lost = deviation("x", [value, 0], [0, 0], tolerance);
    deepEqual([lost.error, lost.of_tolerance], [null, null]);
    ok(!isWithin(lost));
    equal(worst([near, lost, near]), lost);
  }
});

Deno.test("a missed tolerance, an error, an ended process and an absent backend all show", () => {
  const near = deviation("x", [0.5], [0], tolerance);
  const far = deviation("y", [5], [0], tolerance);
  const lost = deviation("z", [NaN], [0], tolerance);
  const report = (name: string, deviations: readonly Deviation[]): CaseReport => {
    return { name, reference: "float64", seconds: 1, deviations };
  };
  const good = { backend: "onnx-cpu", cases: [report("a", [near])] };
  const bad = {
    backend: "tfjs-node-gpu",
    cases: [
      report("a", [near, far, lost]),
      { ...report("b", []), failure: "device lost\n  at once" },
      report("c", []),
    ],
    ended: "the process ended by SIGABRT",
  };
  deepEqual(faultsOfBackend(good), []);
  deepEqual(faultsOfBackend(bad), [
    "a: y: 5.0 times the tolerance, 1.0 + 0.10 of the value; the largest error is 5.0",
    "a: z: a value is not a finite number",
    "b: device lost at once",
    "c: nothing was compared",
    "the process ended by SIGABRT",
  ]);
  const table = reportTable([good, bad, { backend: "onnx-cuda", not_tried: "No GPU.", cases: [] }]);
  match(table, /^a \(float64\) +0\.50 +NaN$/m);
  match(table, /^b \(float64\) +failed$/m);
  match(table, /^tfjs-node-gpu: the process ended by SIGABRT$/m);
  match(table, /^onnx-cuda: not tried: No GPU\.$/m);
  const cases = CASES.map(({ name, reference }) => ({ ...report(name, [near]), reference }));
  const whole = reportTable(BACKENDS.map((backend) => ({ backend, cases })));
  ok(whole.split("\n").every((line) => line.length <= 100 && !/\)\d/.test(line)), whole);
});

Deno.test("a process that ends too soon or falls silent leaves what it had done, and how it ended", () =>
  inFolder(async (folder) => {
    const report: CaseReport = { name: "a", reference: "float64", seconds: 1, deviations: [] };
    const lines = [{ kind: "start", threads: 1, versions: {} }, { kind: "case", ...report }];
    const print = `console.log("a library's line"); for (const line of ${
      JSON.stringify(lines)
    }) console.log(JSON.stringify(line));`;
    const script = join(folder, "script.ts");
    await Deno.writeTextFile(script, `${print} console.error("first"); console.error("out of memory"); Deno.exit(3);`);
    const ended = await runBackend("onnx-cuda", { threads: 1, script });
    deepEqual(ended.cases, [report]);
    equal(ended.ended, "the process ended by code 3: out of memory");
    await Deno.writeTextFile(script, `${print} Deno.exit(0);`);
    equal((await runBackend("onnx-cuda", { threads: 1, script })).ended, "the process ended before its time");
    await Deno.writeTextFile(script, `${print} setInterval(() => {}, 1000);`);
    // It has been silent for long enough once its case is told of.
    const { promise, resolve } = Promise.withResolvers<void>();
    const settings = { threads: 1, script, silence: 1500, wait: () => promise, onCase: () => resolve() };
    const silent = await runBackend("onnx-cuda", settings);
    deepEqual(silent.cases, [report]);
    equal(silent.ended, "the process was ended after 1.5 s without a result");
  }));

Deno.test("deno task conformance runs what it is told to, in processes of their own", async () => {
  const { code, stdout, stderr } = await runTask("conformance", ["onnx-cpu", "--case", "noisy", "--json"]);
  equal(code, 0, stderr);
  const report = JSON.parse(stdout);
  equal(report.backend, "onnx-cpu");
  deepEqual(report.cases.map(({ name }: CaseReport) => name), ["noisy channel"]);
  ok(report.cases[0].deviations.every(isWithin) && report.versions.tfjs);

  const wrong = await runTask("conformance", ["onnx-cpu,onnx-gpu"]);
  equal(wrong.code, 2);
  match(wrong.stderr, /^error: There is no backend onnx-gpu; the backends are onnx-cpu, .*\n$/);
});
