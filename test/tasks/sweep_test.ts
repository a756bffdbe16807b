import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { inFolder, namesIn } from "../folders.ts";
import { Gate } from "../gate.ts";
import { reader } from "../wait.ts";
import { type Ended, runTask, taskCommand } from "./command.ts";

/** Points that a run can only load if it takes itself for one that is alone. */
const PLUGIN = `
export const options = { offset: { default: 0, min: -100, help: "Mean." } };
export function load(random, { offset }) {
  const mpi = Object.keys(Deno.env.toObject()).filter((name) => /^(OMPI|PMIX?)_|^SLURM_PROCID$/.test(name));
  if (mpi.length > 0) throw new Error("A run sees " + mpi);
  const rows = (n) => Array.from({ length: n }, () => [offset + random.normal(), random.normal()]);
  return { train: rows(600), validation: rows(100) };
}
`;

const TINY = "--denoiser gaussian --epochs 1 --figures off --threads 1";

const GATED = "train:2d ./points.ts --denoiser ./gated.ts --backend tfjs-cpu --batch-size 64 --figures off --threads 1";

/** Runs a sweep with variables in its environment. */
async function sweep(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return await ended(await start(cwd, args, env));
}

async function ended(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

async function start(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = await taskCommand("sweep", args, cwd);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  try {
    return command.spawn();
  } finally {
    for (const name of Object.keys(env)) Deno.env.delete(name);
  }
}

async function inSweepFolder(test: (cwd: string) => Promise<void>): Promise<void> {
  await inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "points.ts"), PLUGIN);
    await test(cwd);
  });
}

Deno.test("a sweep trains each run, compares them, and trains none of them twice", () =>
  inSweepFolder(async (cwd) => {
    const command = `train:2d ./points.ts ${TINY} --seed {1..3}`;
    const { code, stdout, stderr } = await sweep(cwd, [command, "--jobs", "2"]);
    equal(code, 0, stderr);
    const [name] = await namesIn(join(cwd, "runs"));
    match(name, /^sweep-[0-9a-f]{8}$/);
    const folder = join(cwd, "runs", name);
    const all = ["comparison.html", "logs", "seed-1", "seed-2", "seed-3", "seeds.csv", "sweep.csv", "sweep.json"];
    deepEqual(await namesIn(folder), all);
    match(stdout, /^seed +NLL, validation .*\n1 +\d\.\d+ ± .*\n2 .*\n3 .*\n\nMean over seeds.*\n.*\n3 +\d\.\d+ ± /);
    match(stdout, /\nWrote runs\/sweep-\w+, with sweep\.csv, seeds\.csv, comparison\.html\n$/);
    deepEqual(stderr.match(/^seed-\d starts$/gm)?.sort(), ["seed-1 starts", "seed-2 starts", "seed-3 starts"]);
    match(stderr, /^seed-3 finished: \d\.\d+ ± \d\.\d+ nats in \d+\.\d s$/m);
    equal((await Deno.readTextFile(join(folder, "sweep.csv"))).trim().split("\n").length, 4);
    equal(JSON.parse(await Deno.readTextFile(join(folder, "seed-2", "summary.json"))).seed, 2);

    const before = (await Deno.stat(join(folder, "seed-1", "summary.json"))).mtime;
    const again = await sweep(cwd, [command, "--json"]);
    deepEqual([again.code, again.stderr], [0, ""]);
    const { runs, seeds, files } = JSON.parse(again.stdout);
    deepEqual(runs.map((run: { values: unknown }) => run.values), [{ seed: "1" }, { seed: "2" }, { seed: "3" }]);
    deepEqual([seeds[0].runs, files.length], [3, 3]);
    deepEqual((await Deno.stat(join(folder, "seed-1", "summary.json"))).mtime, before);
  }));

Deno.test("ranks share the runs, none stops the others, and the last compares them", () =>
  inSweepFolder(async (cwd) => {
    const gate = await Gate.make(cwd);
    const args = [`${GATED} --epochs 1 --ema {0,2,0.5}`, "--out", "s"];
    const place = (rank: number) => ({ OMPI_COMM_WORLD_RANK: `${rank}`, OMPI_COMM_WORLD_SIZE: "2" });
    // The first rank is held in its first run until the other has ended.
    await gate.close({ calls: 1 });
    const first = await start(cwd, args, place(0));
    await gate.reached(first);
    const early = await sweep(cwd, args, place(1));
    await gate.open();
    const last = await ended(first);
    const ranks = [last, early];
    deepEqual(ranks.map(({ stderr }) => (stderr.match(/^\S+ starts$/gm) ?? []).join()), [
      "ema-0 starts,ema-0.5 starts",
      "ema-2 starts",
    ]);
    match(ranks[1].stderr, /ema-2 failed: --ema is 2; it must be/);
    // Who ends first leaves the error to the last.
    deepEqual([early.code, last.code], [0, 1]);
    match(early.stdout, /^2 runs are left to other processes; the last of them writes the comparison to s\.\n$/);
    match(
      last.stderr,
      /error: 1 of 3 runs failed: ema-2 \(--ema is 2; .*\)\. Their logs are in s\/logs; the same command/,
    );
    match(last.stdout, /\n2 +failed\n/);
    match(await Deno.readTextFile(join(cwd, "s", "comparison.html")), /2 runs compared/);
    const alone = await sweep(cwd, [...args, "--quiet"]);
    equal(alone.code, 1);
    match(alone.stderr, /^error: 1 of 3 runs failed: .*\n$/);
  }));

Deno.test("tasks of a job array share the runs, one after the other", () =>
  inSweepFolder(async (cwd) => {
    const args = [`train:2d ./points.ts ${TINY} --offset {-1,1}`, "--out", "s"];
    const task = (id: number) =>
      sweep(cwd, args, {
        ...{ SLURM_ARRAY_TASK_ID: `${id}`, SLURM_ARRAY_TASK_MIN: "5", SLURM_ARRAY_TASK_COUNT: "2" },
        ...{ SLURM_PROCID: "0", SLURM_NTASKS: "1" },
      });
    const first = await task(6);
    equal(first.code, 0, first.stderr);
    match(first.stdout, /^1 run is left/);
    deepEqual(await namesIn(join(cwd, "s")), ["logs", "offset-1", "sweep.json"]);
    const second = await task(5);
    match(second.stdout, /^offset +NLL.*\n-1 .*\n1 .*\n\nWrote s, with sweep\.csv, comparison\.html\n$/);
    deepEqual([second.code, (await namesIn(join(cwd, "s"))).includes("offset--1")], [0, true]);
  }));

Deno.test("a sweep that was killed, or stopped by Ctrl-C, goes on by the same command", () =>
  inSweepFolder(async (cwd) => {
    const gate = await Gate.make(cwd);
    const args = [`${GATED} --epochs 12 --seed {1,2}`, "--out", "s", "--jobs", "2"];

    // An epoch calls the denoiser for nine steps and a validation.
    await gate.close({ calls: 45 });
    const killed = await start(cwd, args);
    const runs = await gate.reached(killed, 2);
    killed.kill("SIGKILL");
    await killed.output();
    for (const pid of runs) Deno.kill(pid, "SIGKILL");
    for (const seed of [1, 2]) await unlocked(join(cwd, "s", "logs", `seed-${seed}.log`));

    await gate.close({ calls: 30 });
    const stopped = await start(cwd, args);
    await gate.reached(stopped, 2);
    stopped.kill("SIGINT");
    const output = reader(stopped.stderr);
    for (const seed of [1, 2]) await output.until(new RegExp(`^seed-${seed} is stopping$`, "m"));
    await gate.open();
    const stderr = await output.rest();
    equal((await stopped.status).code, 130, stderr);
    match(stderr, /seed-1 goes on\n(.*\n)*seed-1 is stopped\n/);
    match(stderr, /\nStopped, and saved what was running in s\. The same command goes on\.\n$/);
    await stopped.stdout.cancel();

    const last = await sweep(cwd, args);
    equal(last.code, 0, last.stderr);
    match(last.stderr, /seed-1 goes on\n(.*\n)*seed-1 finished/);
    for (const seed of [1, 2]) {
      const lines = (await Deno.readTextFile(join(cwd, "s", `seed-${seed}`, "metrics.jsonl"))).trim().split("\n");
      deepEqual(lines.map((line) => JSON.parse(line).epoch), Array.from({ length: 12 }, (_, k) => k + 1));
    }
    ok((await namesIn(join(cwd, "s"))).includes("comparison.html"));
  }));

Deno.test("a run whose sweep was killed ends, however long it would have gone on", () =>
  inSweepFolder(async (cwd) => {
    const gate = await Gate.make(cwd);
    await gate.close({ calls: 5 });
    const killed = await start(cwd, [`${GATED} --epochs 1000000 --seed {1,2}`, "--out", "s", "--jobs", "2"]);
    await gate.reached(killed, 2);
    killed.kill("SIGKILL");
    await killed.output();
    await gate.open();
    for (const seed of [1, 2]) await unlocked(join(cwd, "s", "logs", `seed-${seed}.log`));
  }));

/** Waits until no run holds a lock, as it does while it is at work. */
async function unlocked(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.lock(true);
}

Deno.test("a mistake is one line with exit code 2, and nothing is written", () =>
  inSweepFolder(async (cwd) => {
    await Deno.mkdir(join(cwd, "full", "x"), { recursive: true });
    const before = await namesIn(cwd);
    const tries: [string[], RegExp][] = [
      [[], /The argument command is missing: A training task and its options in quotes/],
      [["train:2d", "moons", "--seed", "1"], /There is no option --seed/],
      [["train:2d", "moons"], /"moons" is one argument too many/],
      [["nll runs/moons"], /A sweep begins with a training task, train:2d, train:image or train:cifar/],
      [["train:2d moons --seed {1..20000}"], /more than 10000 runs/],
      [["train:2d moons", "--out", "full"], /full is not empty, and holds no sweep/],
      [["train:2d moons", "--jobs", "0"], /--jobs is 0/],
    ];
    await Promise.all(tries.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("sweep", args, cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      match(stderr, /^error: [^\n]*\n$/);
    }));
    deepEqual([await namesIn(cwd), await namesIn(join(cwd, "full"))], [before, ["x"]]);
  }));
