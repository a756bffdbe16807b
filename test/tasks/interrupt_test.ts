import { deepEqual, equal, match } from "assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isHangupIgnored } from "../../core/cli/hangup.ts";
import { readSafetensors } from "../../core/io/safetensors.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { Gate } from "../gate.ts";
import { reader, untilFile } from "../wait.ts";
import { runTask, taskCommand } from "./command.ts";

/** Points in the plane; as many more are the test data, so that the final likelihood calls the denoiser. */
const POINTS = `
export function load(random) {
  const rows = (n) => Array.from({ length: n }, () => [random.normal(), random.normal()]);
  return { train: rows(100), validation: rows(50), test: rows(50) };
}
`;

/** The values of a panel. */
const PANEL_BYTES = 4 * 64 * 64;

/** Three epochs, each with a panel of the density. */
const ARGS = [
  ...["./points.ts", "--denoiser", "./gated.ts", "--backend", "tfjs-cpu", "--epochs", "3", "--batch-size", "50"],
  ...["--logsnr-loc", "1", "--logsnr-scale", "1", "--reference", "none"],
];

/** What a session that ends sends; where these tests run deaf to it, so are the processes that they start. */
const HANGUP = isHangupIgnored() ? "SIGTERM" : "SIGHUP";

async function inGate(test: (cwd: string, gate: Gate) => Promise<void>): Promise<void> {
  await inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "points.ts"), POINTS);
    await test(cwd, await Gate.make(cwd));
  });
}

/** Trains, and sends signals while the process is held; they lie ready when it goes on. Gives the line that it leaves. */
async function stopped(
  cwd: string,
  gate: Gate,
  args: readonly string[],
  where: Parameters<Gate["close"]>[0],
  signals: readonly Deno.Signal[],
): Promise<string> {
  await gate.close(where);
  const child = (await taskCommand("train:2d", [...args, "--quiet"], cwd)).spawn();
  await gate.reached(child);
  for (const signal of signals) child.kill(signal);
  await gate.open();
  const { code, stderr } = await child.output();
  equal(code, 130);
  return new TextDecoder().decode(stderr);
}

/** What a run left, without its times. */
async function resultOf(folder: string) {
  const metrics = (await Deno.readTextFile(join(folder, "metrics.jsonl"))).trim().split("\n").map((line) => {
    const { seconds: _, ...rest } = JSON.parse(line);
    return rest;
  });
  const { val_nll, test_nll } = JSON.parse(await Deno.readTextFile(join(folder, "summary.json")));
  const { tensors } = await readSafetensors(join(folder, "density.safetensors"));
  return { metrics, val_nll, test_nll, panels: tensors };
}

Deno.test("a run stopped in density panels and in its last likelihoods is the run that never stopped", () =>
  inGate(async (cwd, gate) => {
    // Code from outside the project is named again; what is to be typed has it in full.
    const named = ["--denoiser", join(cwd, "gated.ts"), "--dataset", join(cwd, "points.ts")];
    const resume = ["--resume", "broken", ...named], goOn = `Go on with: deno task train:2d ${resume.join(" ")}\n`;
    // What follows an epoch's line is its panel.
    const panel = { file: "broken/metrics.jsonl", lines: 2 };
    equal(
      await stopped(cwd, gate, [...ARGS, "--out", "broken"], panel, ["SIGINT"]),
      `Stopped in epoch 3 of 3, and saved. ${goOn}`,
    );
    const { tensors } = await readSafetensors(join(cwd, "broken", "density.safetensors"));
    deepEqual(Object.keys(tensors), ["epoch.1"]);
    // Twice in a row is as good as once.
    equal(
      await stopped(cwd, gate, resume, { ...panel, lines: 3 }, ["SIGINT", "SIGTERM"]),
      `Stopped after the last epoch, before the likelihoods and figures, and saved. ${goOn}`,
    );
    // The last panel is 128 calls of the denoiser; the likelihoods come after it.
    equal(
      await stopped(cwd, gate, resume, { calls: 130 }, [HANGUP]),
      `Stopped before the likelihoods and figures were finished; the training is, and is saved. ${goOn}`,
    );
    equal(existsSync(join(cwd, "broken", "summary.json")), false);

    // A run that is stopped there alone has the same training and panels; without figures the rest is soon done.
    const alone = [...ARGS, "--out", "whole"];
    await stopped(cwd, gate, alone, { file: "whole/density.safetensors", bytes: 3 * PANEL_BYTES }, ["SIGINT"]);
    await Promise.all(["broken", "whole"].map(async (name) => {
      const { code, stderr } = await runTask(
        "train:2d",
        ["--resume", name, ...named, "--figures", "off", "--quiet"],
        cwd,
      );
      equal(code, 0, stderr);
    }));
    const [got, expected] = await Promise.all(["broken", "whole"].map((name) => resultOf(join(cwd, name))));
    deepEqual(got, expected);
    deepEqual(Object.keys(got.panels).sort(), ["epoch.1", "epoch.2", "epoch.3"]);
  }));

Deno.test("an interrupt before training leaves nothing, and the third signal ends at once", () =>
  inGate(async (cwd, gate) => {
    const before = await namesIn(cwd);
    await Deno.writeTextFile(
      join(cwd, "points.ts"),
      `${POINTS}
        // Loads until it is stopped.
        const { addSignalListener } = Deno;
        const stopped = new Promise((resolve) => addSignalListener("SIGINT", resolve));
        await Deno.writeTextFile(new URL("loading", import.meta.url), "");
        await stopped;`,
    );
    const child = (await taskCommand("train:2d", [...ARGS, "--quiet", "--out", "broken"], cwd)).spawn();
    await untilFile(join(cwd, "loading"), undefined, child);
    child.kill("SIGINT");
    const early = await child.output();
    equal(early.code, 130);
    match(new TextDecoder().decode(early.stderr), /^Stopped before training began; nothing was written\.\n$/);
    await Deno.remove(join(cwd, "loading"));
    deepEqual(await namesIn(cwd), before);

    await Deno.writeTextFile(join(cwd, "points.ts"), POINTS);
    const args = [...ARGS, "--out", "broken", "--figures", "off"];
    equal(await stopped(cwd, gate, args, { calls: 3 }, ["SIGINT", "SIGTERM", "SIGUSR2"]), "");
  }));

/** The tasks that leave nothing of what they had begun, with what stops them there. */
const TASKS: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["export", ["run", "--format", "tfjs", "--trust", "./waits.ts"], /^Stopped before /],
  ["diagnose", ["run", "--trust", "./waits.ts"], /^Stopped before /],
];

for (const [task, args, line] of TASKS) {
  Deno.test(`${task} that is interrupted is one line and 130, and nothing is half-written`, () =>
    inFolder(async (cwd) => {
      await makeRun(join(cwd, "run"), { shape: [2] });
      const before = await namesIn(join(cwd, "run"));
      // The run's denoiser is looked up as the task begins with it, which waits until the signal is there.
      const config = JSON.parse(await Deno.readTextFile(join(cwd, "run", "config.json")));
      await Deno.writeTextFile(
        join(cwd, "waits.ts"),
        `export * from ${JSON.stringify(new URL(`../../denoisers/${config.denoiser}.ts`, import.meta.url).href)};
        const stopped = new Promise((resolve) => Deno.addSignalListener("SIGINT", resolve));
        await Deno.writeTextFile(new URL("began", import.meta.url), "");
        await stopped;`,
      );
      config.denoiser = join(cwd, "waits.ts");
      await Deno.writeTextFile(join(cwd, "run", "config.json"), JSON.stringify(config));
      const child = (await taskCommand(task, [...args, "--quiet"], cwd)).spawn();
      await untilFile(join(cwd, "began"), undefined, child);
      child.kill("SIGINT");
      const { code, stdout, stderr } = await child.output();
      deepEqual([code, new TextDecoder().decode(stdout)], [130, ""], new TextDecoder().decode(stderr));
      match(new TextDecoder().decode(stderr), line);
      equal(new TextDecoder().decode(stderr).trim().split("\n").length, 1);
      deepEqual(await namesIn(join(cwd, "run")), before);
    }));
}

Deno.test("report that is interrupted is one line and 130, and nothing is half-written", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    // A report runs no code of a run. It waits for what a pipe gives it, and has begun when it reads that.
    const pipe = join(cwd, "run", "metrics.jsonl");
    equal((await new Deno.Command("mkfifo", { args: [pipe] }).output()).code, 0);
    const before = await namesIn(join(cwd, "run"));
    const hears = join(cwd, "hears.ts"), heard = join(cwd, "heard");
    await Deno.writeTextFile(
      hears,
      `Deno.addSignalListener("SIGINT", () => Deno.writeTextFileSync(${JSON.stringify(heard)}, ""));`,
    );
    const child = (await taskCommand("report", ["run", "--live", "off", "--quiet"], cwd, ["--preload", hears])).spawn();
    {
      using _held = await Deno.open(pipe, { write: true });
      child.kill("SIGINT");
      await untilFile(heard, undefined, child);
    }
    const { code, stdout, stderr } = await child.output();
    deepEqual([code, new TextDecoder().decode(stdout)], [130, ""], new TextDecoder().decode(stderr));
    match(new TextDecoder().decode(stderr), /^Stopped before the page was written; wrote nothing\.\n$/);
    deepEqual(await namesIn(join(cwd, "run")), before);
  }));

Deno.test("bench that is interrupted ends what it was waiting for, and its files", () =>
  inFolder(async (cwd) => {
    // A case's peer, which would wait for ever.
    const python = join(cwd, "python");
    await Deno.writeTextFile(
      python,
      `#!/bin/sh\ncase "$1" in -c) echo;; *) echo $$ > ${cwd}/peer; exec tail -f /dev/null;; esac\n`,
    );
    await Deno.chmod(python, 0o755);
    const command = await taskCommand("bench", ["density-2d", "--vs-torch", "--python", python], cwd);
    const child = command.spawn();
    await untilFile(join(cwd, "peer"), (text) => text.endsWith("\n"), child);
    child.kill("SIGINT");
    const output = reader(child.stderr);
    equal((await child.status).code, 130);
    match(await output.rest(), /Stopped; what was finished is printed above\.\n$/);
    await child.stdout.cancel();
    const peer = (await Deno.readTextFile(join(cwd, "peer"))).trim();
    equal((await new Deno.Command("kill", { args: ["-0", peer], stderr: "null" }).output()).success, false);
  }));
