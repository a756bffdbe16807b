import { deepEqual, equal, ok } from "assert";
import { join } from "node:path";
import { inPool } from "../pool.ts";
import { inFolder, namesIn } from "../folders.ts";
import { makeRun } from "../core/run/runs.ts";
import { runTask } from "./command.ts";

/** Tasks with what they need besides, so that an option that is let through would be seen. */
const TASKS: readonly (readonly [task: string, needed: readonly string[]])[] = [
  ["nll", ["run"]],
  ["sample", ["run"]],
  ["export", ["run", "--format", "onnx"]],
  ["diagnose", ["run"]],
  ["mi", ["pairs.csv", "--x", "0", "--y", "1"]],
  ["sweep", ["train:2d moons --epochs 1"]],
];

/** What `--help` says of an option that takes a number or one of some words: its name, and that. */
const LIMITED = /^ {2}(--[a-z-]+) <(?:n|n\|auto|text|on\|off)> /gm;

/** Of numbers and of words none has any of these. */
const VALUES = ["-1e18", "1e19", "__proto__"];

/** Processes at a time. */
const JOBS = 3;

// Those of training tasks are tried where their command line is read.
Deno.test("every number and choice of a task has limits, and a value beyond them is one line that names the option", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    await Deno.writeTextFile(join(cwd, "pairs.csv"), "1,2\n".repeat(100));
    const before = await namesIn(cwd);
    const tries: { task: string; args: string[]; option: string }[] = [];
    for (const [task, needed] of TASKS) {
      const help = await runTask(task, [...needed, "--help"], cwd);
      equal(help.code, 0, help.stderr);
      const options = [...help.stdout.matchAll(LIMITED)].map(([, option]) => option);
      ok(options.length > 0, `${task} has no option with limits`);
      options.forEach((option, i) =>
        tries.push({ task, option, args: [...needed, `${option}=${VALUES[i % VALUES.length]}`] })
      );
    }
    const faults: string[] = [];
    await inPool(tries, JOBS, async ({ task, args, option }) => {
      const { code, stderr } = await runTask(task, args, cwd);
      const isLine = /^error: [^\n]+\n$/.test(stderr) && stderr.includes(`${option} is `);
      if (code !== 2 || !isLine) faults.push(`${task} ${args.join(" ")}: ${code} ${stderr}`);
    });
    deepEqual(faults, []);
    deepEqual(await namesIn(cwd), before);
  }));
