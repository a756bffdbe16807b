import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import type { GpuReport, PathRecord } from "../../tasks/doctor/gpu/record.ts";
import { CASES } from "../conformance/cases.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask, taskCommand } from "../tasks/command.ts";
import { untilFile } from "../wait.ts";

/** What a task does while WebGPU has no driver. */
async function withoutDriver<T>(run: () => Promise<T>): Promise<T> {
  const icd = Deno.env.get("VK_ICD_FILENAMES");
  Deno.env.set("VK_ICD_FILENAMES", "none.json");
  try {
    return await run();
  } finally {
    if (icd === undefined) Deno.env.delete("VK_ICD_FILENAMES");
    else Deno.env.set("VK_ICD_FILENAMES", icd);
  }
}

const isRequired = (Deno.env.get("REQUIRED_BACKENDS") ?? "").split(" ").includes("onnx-webgpu");
const probe = await runTask("doctor", ["--backend", "onnx-webgpu", "--json"]);
const isThere = JSON.parse(probe.stdout || "{}").backends?.[0].available === true;
const ignore = !isThere && !isRequired;
if (ignore) console.log(`NOT TRIED: doctor --gpu: ${probe.stdout}`);

/** Mesa's llvmpipe crashes on a busy processor (driver_crash.ts); doctor says so, and has tried the part six times. */
const CRASH = /ended by SIG(SEGV|ABRT)/;

Deno.test({
  name: "doctor --gpu: on WebGPU, conformance, times and resumed trainings, in one file with the card's name",
  ignore,
  fn: () =>
    inFolder(async (cwd) => {
      const args = ["--gpu", "--backend", "onnx-webgpu", "--json", "--out", "gpu.json"];
      const { code, stdout, stderr } = await runTask("doctor", args, cwd);
      const report = JSON.parse(await Deno.readTextFile(join(cwd, "gpu.json"))) as GpuReport;
      deepEqual(JSON.parse(stdout), report, stderr);
      deepEqual(await namesIn(cwd), ["gpu.json"]);
      deepEqual([report.schema, report.complete], [1, true]);
      equal(report.versions.deno, Deno.version.deno);
      const [path] = report.paths as [PathRecord];
      equal(report.paths.length, 1);
      for (const text of [...path.crashes ?? [], ...path.faults]) console.log(text);
      deepEqual(path.faults.filter((fault) => !CRASH.test(fault)), []);
      equal(code, path.faults.length > 0 ? 1 : 0);
      equal(report.conforms, code === 0);
      ok(path.card!.name.length > 0);
      equal(path.size, path.card!.software ? "small" : "full");
      const done = <T extends { readonly failure?: string }>(all: readonly T[] | undefined) =>
        all!.filter(({ failure }) => !CRASH.test(failure ?? ""));
      // Every case, whatever crashed meanwhile: this is the backend's conformance test too.
      equal(done(path.conformance).length, CASES.length);
      ok(done(path.conformance).every(({ of_tolerance }) => of_tolerance! <= 1));
      ok(path.benchmark!.some((each) => each.case === "train-2d" && each.precision === "f32"));
      ok(done(path.benchmark).every((each) => each.not_tried || each.ms_per_step! > 0 && each.cpu_ms_per_step! > 0));
      deepEqual([...new Set(path.training!.map(({ task }) => task))], ["train:2d", "train:cifar"]);
      ok(done(path.training).every(({ difference, tolerance }) => difference! <= tolerance));
    }),
});

Deno.test({
  name: "doctor --gpu: Ctrl-C keeps what is there, and leaves nothing else",
  ignore: ignore || Deno.build.os === "windows",
  fn: () =>
    inFolder(async (cwd) => {
      const temporary = join(cwd, "temporary");
      await Deno.mkdir(temporary);
      const before = Deno.env.get("TMPDIR");
      Deno.env.set("TMPDIR", temporary);
      try {
        const args = ["--gpu", "--backend", "onnx-webgpu", "--out", "gpu.json"];
        const child = (await taskCommand("doctor", args, cwd)).spawn();
        await untilFile(join(cwd, "gpu.json"), (text) => text.includes('"of_tolerance"'), child);
        child.kill("SIGINT");
        const { code, stderr } = await child.output();
        equal(code, 130);
        match(new TextDecoder().decode(stderr), /^Stopped; what was finished is in [^\n]*gpu\.json\.\n$/);
      } finally {
        if (before === undefined) Deno.env.delete("TMPDIR");
        else Deno.env.set("TMPDIR", before);
      }
      const report = JSON.parse(await Deno.readTextFile(join(cwd, "gpu.json"))) as GpuReport;
      deepEqual([report.complete, report.conforms, report.paths[0].complete], [false, false, false]);
      ok(report.paths[0].conformance!.length > 0 && report.paths[0].check?.available);
      deepEqual(await namesIn(cwd), ["gpu.json", "temporary"]);
      // ONNX Runtime leaves files of its own there.
      deepEqual((await namesIn(temporary)).filter((name) => name.startsWith("doctor-")), []);
    }),
});

Deno.test("doctor --gpu: without a driver it says in one line what each way lacks", () =>
  inFolder(async (cwd) => {
    const { code, stdout, stderr } = await withoutDriver(() =>
      runTask("doctor", ["--gpu", "--backend", "onnx-webgpu"], cwd)
    );
    equal(code, 2);
    equal(stdout, "");
    match(stderr, /^error: No GPU can be computed on here: [^\n]+onnx-webgpu: [^\n]+Vulkan on Linux[^\n]+\n$/);
    deepEqual(await namesIn(cwd), []);
  }));
