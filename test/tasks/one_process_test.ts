import { deepEqual, equal, match, notEqual } from "assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors } from "../../core/io/safetensors.ts";
import { inFolder, namesIn } from "../folders.ts";
import { Gate } from "../gate.ts";
import { untilFile } from "../wait.ts";
import { runTask, taskCommand } from "./command.ts";

/** Points in the plane, of which there are as many as a file beside says. */
const POINTS = `
const shift = Number(Deno.readTextFileSync(new URL("shift", import.meta.url)));
export function load(random) {
  const rows = (n) => Array.from({ length: n }, () => [random.normal() + shift, random.normal()]);
  return { train: rows(60), validation: rows(30) };
}
`;

const PLAIN = ["./points.ts", "--reference", "none", "--logsnr-loc", "1", "--logsnr-scale", "1", "--batch-size", "30"];
const GATED = [...PLAIN, "--denoiser", "./gated.ts", "--backend", "tfjs-cpu"];
const QUIET = ["--figures", "off", "--quiet"];

/** What goes on with a run of code from here, and what trusts it. */
const RESUMED = ["./points.ts", "--resume", "run", "--denoiser", "./gated.ts"];
const TRUSTED = ["--trust", "./gated.ts", "./points.ts"];

async function inGate(test: (cwd: string, gate: Gate) => Promise<void>): Promise<void> {
  await inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "points.ts"), POINTS);
    await Deno.writeTextFile(join(cwd, "shift"), "0");
    await test(cwd, await Gate.make(cwd));
  });
}

/** All files below a folder, by their contents. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of await namesIn(folder)) {
    const path = join(folder, name), { isDirectory } = await Deno.stat(path);
    if (isDirectory) {
      for (const [key, value] of Object.entries(await contentsOf(path))) all[join(name, key)] = value;
    } else all[name] = new TextDecoder("latin1").decode(await Deno.readFile(path));
  }
  return all;
}

/** Starts a task and waits until it is held. */
async function held(
  cwd: string,
  gate: Gate,
  task: string,
  args: readonly string[],
  where: Parameters<Gate["close"]>[0],
) {
  await gate.close(where);
  const child = (await taskCommand(task, args, cwd)).spawn();
  const [pid] = await gate.reached(child);
  return { child, pid };
}

/** A task that is refused since another process is at work; it changes nothing. */
async function refused(cwd: string, task: string, args: readonly string[], what: RegExp): Promise<void> {
  const before = await contentsOf(cwd);
  const { code, stdout, stderr } = await runTask(task, args, cwd);
  deepEqual([code, stdout], [2, ""], stderr);
  match(
    stderr,
    /^error: Another process \(\d+\) is at work on [^\n]+\. Wait until it has ended, or stop it[^\n]*\.\n$/,
  );
  match(stderr, what);
  deepEqual(await contentsOf(cwd), before);
}

Deno.test("of two trainings in one folder one goes on, and the other changes nothing", () =>
  inGate(async (cwd, gate) => {
    const args = [...GATED, "--epochs", "3", "--out", "run", ...QUIET];
    const where = { file: "run/metrics.jsonl", lines: 1 };
    const first = await held(cwd, gate, "train:2d", args, where);
    await refused(cwd, "train:2d", [...RESUMED, ...QUIET], new RegExp(`process \\(${first.pid}\\) .*/run\\. `));
    await refused(
      cwd,
      "train:2d",
      [...PLAIN, "--denoiser", "gaussian", "--epochs", "1", "--out", "run", ...QUIET],
      /\/run\. .*or name another folder with --out\.\n$/,
    );
    // The system gives back the lock of a process that is killed.
    first.child.kill("SIGKILL");
    await first.child.output();
    equal(existsSync(join(cwd, "run", ".lock")), true);
    const second = await held(cwd, gate, "train:2d", [...RESUMED, ...QUIET], { ...where, lines: 2 });
    await refused(cwd, "train:2d", [...RESUMED, ...QUIET], new RegExp(`process \\(${second.pid}\\)`));
    await gate.open();
    const { code, stderr } = await second.child.output();
    equal(code, 0, new TextDecoder().decode(stderr));
    const metrics = (await Deno.readTextFile(join(cwd, "run", "metrics.jsonl"))).trim().split("\n");
    deepEqual(metrics.map((line) => JSON.parse(line).epoch), [1, 2, 3]);
    deepEqual((await namesIn(join(cwd, "run"))).filter((name) => !name.startsWith("events.")), [
      ...["checkpoints", "config.json", "data.safetensors", "metrics.jsonl", "summary.json"],
    ]);
  }));

Deno.test("of two starts at once one has the folder that both name, and each one of its own where none is named", () =>
  inGate(async (cwd) => {
    const args = [...PLAIN, "--denoiser", "gaussian", "--epochs", "2", "--figures", "off", "--json"];
    const twice = (...more: string[]) =>
      Promise.all([0, 1].map((seed) => runTask("train:2d", [...args, "--seed", `${seed}`, ...more], cwd)));
    const named = await twice("--out", "run");
    deepEqual(named.map(({ code }) => code).sort(), [0, 2], named.map(({ stderr }) => stderr).join(""));
    const [done, other] = named.toSorted((a, b) => a.code - b.code);
    // By the time that the other looks, the first may have ended.
    match(
      other.stderr,
      /^error: (Another process( \(\d+\))? is at work on \S+\/run|The folder run is not empty)\..*\n$/,
    );
    const { seed } = JSON.parse(done.stdout);
    const read = async (name: string) => JSON.parse(await Deno.readTextFile(join(cwd, "run", name)));
    deepEqual([(await read("config.json")).seed, (await read("summary.json")).seed], [seed, seed]);
    equal((await Deno.readTextFile(join(cwd, "run", "metrics.jsonl"))).trim().split("\n").length, 2);
    const free = await twice();
    deepEqual(free.map(({ code }) => code), [0, 0]);
    deepEqual(free.map(({ stdout }) => JSON.parse(stdout).folder).sort(), ["runs/points", "runs/points-2"]);
  }));

Deno.test("of two processes that estimate or draw the same, one goes on", () =>
  inGate(async (cwd, gate) => {
    const trained = await runTask("train:2d", [...GATED, "--epochs", "1", "--out", "run", ...QUIET], cwd);
    equal(trained.code, 0, trained.stderr);
    const nll = ["run", ...TRUSTED, "--part", "validation", "--backend", "tfjs-cpu", "--rounds", "30"];
    const scored = [...nll, "--per-sample", "scores.csv"];
    const first = await held(cwd, gate, "nll", scored, { calls: 10 });
    await refused(cwd, "nll", nll, /\/run\/nll\/\S+validation\.part\. /);
    await refused(cwd, "nll", [...scored, "--part", "train"], /\/scores\.csv\. .*, or name another file\.\n$/);
    await gate.open();
    equal((await first.child.output()).code, 0);
    equal((await namesIn(join(cwd, "run", "nll"))).some((name) => name.startsWith(".")), false);

    const sample = ["run", ...TRUSTED, "--backend", "tfjs-cpu", "--count", "4", "--steps", "5"],
      named = [...sample, "--out", "drawn"];
    const drawing = await held(cwd, gate, "sample", named, { calls: 2 });
    await refused(cwd, "sample", named, /\/drawn\. .*or name another folder with --out\.\n$/);
    drawing.child.kill("SIGKILL");
    await drawing.child.output();
    await gate.open();
    // What it had begun is drawn again.
    await Deno.writeTextFile(join(cwd, "drawn", "samples.csv"), "torn");
    const again = await runTask("sample", named, cwd);
    equal(again.code, 0, again.stderr);
    equal((await Deno.readTextFile(join(cwd, "drawn", "samples.csv"))).split("\n").length, 6);
    const { code, stderr } = await runTask("sample", named, cwd);
    deepEqual([code, stderr], [2, "error: The folder drawn is not empty. Name another with --out.\n"]);
  }));

Deno.test("of two processes that export or diagnose the same, one goes on", () =>
  inGate(async (cwd, gate) => {
    const trained = await runTask("train:2d", [...GATED, "--epochs", "1", "--out", "run", ...QUIET], cwd);
    equal(trained.code, 0, trained.stderr);
    const diagnose = ["run", ...TRUSTED, "--part", "validation", "--backend", "tfjs-cpu", "--levels", "3", "--quiet"];
    const first = await held(cwd, gate, "diagnose", diagnose, { calls: 1 });
    await refused(cwd, "diagnose", [...diagnose, "--levels", "5"], /\/run\/diagnosis\.json\. /);
    first.child.kill("SIGINT");
    await gate.open();
    equal((await first.child.output()).code, 130);
    equal((await namesIn(join(cwd, "run"))).some((name) => name.startsWith(".")), false);

    const onnx = ["run", "--trust", "./gated.ts", "--format", "onnx", "--quiet"];
    const named = [...onnx, "--out", "exported"];
    const exporting = await held(cwd, gate, "export", named, { calls: 1 });
    await refused(cwd, "export", named, /\/exported\. .*or name another folder with --out\.\n$/);
    await gate.open();
    equal((await exporting.child.output()).code, 0);
    deepEqual(await namesIn(join(cwd, "exported")), ["model.onnx"]);
    // A process that was killed in its last moment leaves its lock.
    await Deno.writeTextFile(join(cwd, ".exported.lock"), "1");
    const { code, stderr } = await runTask("export", named, cwd);
    deepEqual([code, stderr], [2, "error: The folder exported is not empty. Name another with --out.\n"]);
    equal((await namesIn(cwd)).includes(".exported.lock"), false);
    // Where none is named, each has one of its own.
    const unnamed = await held(cwd, gate, "export", onnx, { calls: 1 });
    await gate.open();
    const codes = await Promise.all([unnamed.child.output(), runTask("export", onnx, cwd)]);
    deepEqual(codes.map(({ code }) => code), [0, 0]);
    const made = await namesIn(join(cwd, "run"));
    deepEqual(made.filter((name) => name.includes("onnx")), ["onnx", "onnx-2"]);
  }));

Deno.test("of two processes that measure information, one has the folder that both name, and the other is refused", () =>
  inFolder(async (cwd) => {
    const rows = Array.from({ length: 200 }, (_, i) => `${Math.sin(i)},${Math.cos(3 * i)}`);
    await Deno.writeTextFile(join(cwd, "pairs.csv"), rows.join("\n"));
    const args = ["pairs.csv", "--x", "0", "--y", "1", "--quiet"];
    // It would take an hour.
    const endless = [...args, "--shuffles", "10000"];
    const child = (await taskCommand("mi", endless, cwd)).spawn();
    await untilFile(join(cwd, "runs/pairs-mi/.lock"), (text) => text !== "", child);
    await refused(cwd, "mi", [...endless, "--out", "runs/pairs-mi"], /\/runs\/pairs-mi\. .*or name another folder/);
    const { code, stderr } = await runTask("mi", args, cwd);
    equal(code, 0, stderr);
    deepEqual(await namesIn(join(cwd, "runs/pairs-mi-2")), ["summary.json"]);
    child.kill("SIGINT");
    equal((await child.output()).code, 130);
    deepEqual(await namesIn(join(cwd, "runs")), ["pairs-mi-2"]);
  }));

Deno.test("a start that was killed in its first moment leaves a folder that is taken again", () =>
  inFolder(async (cwd) => {
    const args = ["scg", "--points", "100", "--denoiser", "gaussian", "--epochs", "1", ...QUIET];
    equal((await runTask("train:2d", [...args, "--out", "run"], cwd)).code, 0);
    const left = async (name: string, data: Uint8Array) => {
      await Deno.mkdir(join(cwd, name));
      await Deno.writeFile(join(cwd, name, "data.safetensors"), data);
      await Deno.writeTextFile(join(cwd, name, ".lock"), "4294967295");
      await Deno.writeTextFile(join(cwd, name, ".tmp-4294967295-0123456789ab"), "torn");
    };
    const data = await Deno.readFile(join(cwd, "run", "data.safetensors"));
    await left("left", data);
    const { code, stderr } = await runTask("train:2d", [...args, "--out", "left"], cwd);
    equal(code, 0, stderr);
    const names = (folder: string) =>
      namesIn(join(cwd, folder)).then((all) => all.filter((name) => !name.startsWith("events.")));
    deepEqual(await names("left"), await names("run"));

    await left("foreign", data);
    await Deno.writeTextFile(join(cwd, "foreign", "notes.txt"), "mine");
    await left("tensors", new TextEncoder().encode("a user's own"));
    for (const folder of ["foreign", "tensors"]) {
      const before = await contentsOf(join(cwd, folder));
      const { code, stderr } = await runTask("train:2d", [...args, "--out", folder], cwd);
      equal(code, 2);
      match(stderr, new RegExp(`^error: The folder ${folder} is not empty\\. Name another with --out`));
      deepEqual(await contentsOf(join(cwd, folder)), before);
    }
  }));

Deno.test("a run that was killed before its first checkpoint begins anew", () =>
  inGate(async (cwd, gate) => {
    const args = [...GATED, "--epochs", "2", ...QUIET];
    const { child } = await held(cwd, gate, "train:2d", [...args, "--out", "run"], { calls: 4 });
    child.kill("SIGKILL");
    await child.output();
    await gate.open();
    equal(existsSync(join(cwd, "run", "checkpoints")), false);
    const [left, written] = ["0", "1"].map((digit) => join(cwd, "run", `.tmp-4294967295-${digit.repeat(12)}`));
    await Promise.all([left, written].map((path) => Deno.writeTextFile(path, "torn")));
    using file = await Deno.open(written, { read: true, write: true });
    await file.lock(true);
    // What it may have told of an epoch that it did not save.
    await Deno.writeTextFile(join(cwd, "run", "metrics.jsonl"), '{"epoch":1,"step":2}\n{"epo');
    const { code, stderr } = await runTask("train:2d", [...RESUMED, ...QUIET], cwd);
    equal(code, 0, stderr);
    // What another task may be writing stays.
    deepEqual([left, written].map((path) => existsSync(path)), [false, true]);
    equal((await runTask("train:2d", [...args, "--out", "whole"], cwd)).code, 0);
    const metrics = async (name: string) =>
      (await Deno.readTextFile(join(cwd, name, "metrics.jsonl"))).trim().split("\n").map((line) => {
        const { seconds: _, ...rest } = JSON.parse(line);
        return rest;
      });
    deepEqual(await metrics("run"), await metrics("whole"));
  }));

Deno.test("a run that was killed and resumed has the density and the figures of the one that never stopped, to the bit", () =>
  inGate(async (cwd, gate) => {
    const args = [...GATED, "--epochs", "4", "--quiet"];
    const { child } = await held(cwd, gate, "train:2d", [...args, "--out", "run"], {
      file: "run/metrics.jsonl",
      lines: 3,
    });
    child.kill("SIGKILL");
    await child.output();
    await gate.open();
    const runs = [[...RESUMED, "--quiet"], [...args, "--out", "whole"]];
    for (const args of runs) {
      const { code, stderr } = await runTask("train:2d", args, cwd);
      equal(code, 0, stderr);
    }
    const { tensors } = await readSafetensors(join(cwd, "run", "density.safetensors"));
    deepEqual(Object.keys(tensors).sort(), ["epoch.1", "epoch.2", "epoch.3", "epoch.4"]);
    const [run, whole] = await Promise.all(["run", "whole"].map((name) => contentsOf(join(cwd, name))));
    const compared = Object.keys(whole).filter((name) => /^figures\/|^density\./.test(name));
    deepEqual(compared, [
      "density.safetensors",
      ...["contours", "loss", "mse", "overview"].map((name) => `figures/${name}.svg`),
    ]);
    for (const name of compared) equal(run[name] === whole[name], true, name);
  }));

Deno.test("data that changed since a run began is noticed, and gone on with where that is asked for", () =>
  inGate(async (cwd) => {
    const args = [...PLAIN, "--denoiser", "gaussian", "--epochs", "1", "--out", "run", ...QUIET];
    equal((await runTask("train:2d", args, cwd)).code, 0);
    const resume = (...more: string[]) =>
      runTask("train:2d", ["./points.ts", "--resume", "run", "--epochs", "2", ...QUIET, ...more], cwd);
    const digest = async () => (await readSafetensors(join(cwd, "run", "data.safetensors"))).metadata.digest;
    const began = await digest();
    match(began, /^"sha1:[0-9a-f]{40}"$/);
    await Deno.writeTextFile(join(cwd, "shift"), "0.001");
    const before = await contentsOf(cwd);
    const { code, stderr } = await resume();
    equal(code, 2);
    match(
      stderr,
      /^error: The data of \S+ has changed since the run in \S+\/run began: expected samples with the digest sha1:[0-9a-f]{8}, got sha1:[0-9a-f]{8}\. Restore them, or go on with those of now by --data-changed\.\n$/,
    );
    deepEqual(await contentsOf(cwd), before);
    await Deno.writeTextFile(join(cwd, "shift"), "0");
    equal((await resume()).code, 0);
    await Deno.writeTextFile(join(cwd, "shift"), "0.001");
    equal((await resume("--data-changed", "--epochs", "3")).code, 0);
    notEqual(await digest(), began);
    // The run is now one of these.
    equal((await resume("--epochs", "3")).code, 0);
  }));
