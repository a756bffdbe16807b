import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { readSafetensors } from "../../core/io/safetensors.ts";
import { runTask } from "../tasks/command.ts";
import { reader, untilFile } from "../wait.ts";
import {
  FAMILIES,
  type Family,
  finished,
  inPointsFolder,
  isInstalled,
  metricsOf,
  POINTS,
  requireSameRun,
  runJob,
  startJob,
  untilEpoch,
} from "./mpirun.ts";

const IMAGES = fileURLToPath(new URL("../reference/datasets/images.h5", import.meta.url));

/** Two down blocks on small images, whose batch each rank takes in parts. */
const PICTURES = [
  ...[IMAGES, "--from-scratch", "--channels", "8,8", "--batch-size", "8", "--micro-batch-size", "2", "--epochs", "1"],
  ...["--validation-samples", "4", "--samples", "3", "--sample-steps", "2", "--json", "--backend", "onnx-cpu"],
  ...["--threads", "1"],
];

const installed = new Map<Family, boolean>();
for (const family of FAMILIES) installed.set(family, await isInstalled(`mpirun.${family}`));

for (const family of FAMILIES) {
  /** A test that needs the launcher. Where it is absent, the test says so by its name, or fails where it is required. */
  const test = (name: string, fn: () => Promise<void>) => {
    const required = (Deno.env.get("REQUIRED_PROGRAMS") ?? "").split(" ").includes("mpirun");
    const ignore = !installed.get(family) && !required;
    Deno.test({ name: `${family}: ${name}${ignore ? ` (not tried: there is no mpirun.${family})` : ""}`, ignore, fn });
  };

  test("2, 3 and 4 ranks train as one does, and one goes on with their run", () =>
    inPointsFolder(async (cwd) => {
      const alone = await runTask("train:2d", [...POINTS, "--out", "alone"], cwd);
      equal(alone.code, 0, alone.stderr);
      for (const ranks of [2, 3, 4]) {
        const out = `ranks-${ranks}`;
        const job = await runJob({ family, ranks, task: "train:2d", args: [...POINTS, "--out", out], cwd });
        equal(job.code, 0, job.errors);
        // One rank alone prints and writes.
        const lines = job.output.trim().split("\n");
        equal(lines.length, 1, job.output);
        const [summary, expected] = [lines[0], alone.stdout].map((text) => JSON.parse(text));
        ok(Math.abs(summary.val_nll - expected.val_nll) < 1e-4);
        await requireSameRun(join(cwd, out), join(cwd, "alone"), 1e-4);
      }
      const further = ["--epochs", "4", "--json", "--figures", "off"];
      for (const run of ["alone", "ranks-3"]) {
        const { code, stderr } = await runTask("train:2d", ["--resume", run, ...further], cwd);
        equal(code, 0, stderr);
      }
      await requireSameRun(join(cwd, "ranks-3"), join(cwd, "alone"), 2e-4);
    }));

  test("2 ranks train a U-Net in parts and draw its samples as one does", () =>
    inPointsFolder(async (cwd) => {
      const alone = await runTask("train:cifar", [...PICTURES, "--out", "alone"], cwd);
      equal(alone.code, 0, alone.stderr);
      const job = await runJob({ family, ranks: 2, task: "train:cifar", args: [...PICTURES, "--out", "two"], cwd });
      equal(job.code, 0, job.errors);
      const [summary, expected] = [job.output, alone.stdout].map((text) => JSON.parse(text));
      ok(Math.abs(summary.val_nll - expected.val_nll) < 1e-3 * Math.abs(expected.val_nll), `${summary.val_nll}`);
      await requireSameRun(join(cwd, "two"), join(cwd, "alone"), 1e-2);
      const draw = ["alone", "--count", "5", "--steps", "4", "--batch-size", "2", "--json"];
      const one = await runTask("sample", [...draw, "--out", "drawn"], cwd);
      equal(one.code, 0, one.stderr);
      const three = await runJob({ family, ranks: 3, task: "sample", args: [...draw, "--out", "drawn-3"], cwd });
      equal(three.code, 0, three.errors);
      const [a, b] = await Promise.all(["drawn", "drawn-3"].map(async (folder) => {
        const { tensors } = await readSafetensors(join(cwd, folder, "samples.safetensors"));
        return Object.values(tensors)[0].data as Float32Array;
      }));
      equal(a.length, b.length);
      a.forEach((x, i) => ok(Math.abs(x - b[i]) < 1e-3, `${x} and ${b[i]}`));
    }));

  test("2 ranks estimate a likelihood as one does", () =>
    inPointsFolder(async (cwd) => {
      const trained = await runTask("train:2d", [...POINTS, "--out", "run"], cwd);
      equal(trained.code, 0, trained.stderr);
      const args = ["run", "--rounds", "3", "--seed", "7", "--json", "--per-sample"];
      const alone = await runTask("nll", [...args, "one.csv"], cwd);
      equal(alone.code, 0, alone.stderr);
      await Deno.remove(join(cwd, "run", "nll"), { recursive: true });
      const job = await runJob({ family, ranks: 2, task: "nll", args: [...args, "two.csv"], cwd });
      equal(job.code, 0, job.errors);
      const [summary, expected] = [job.output, alone.stdout].map((text) => JSON.parse(text));
      deepEqual([summary.rounds, summary.evaluations], [expected.rounds, expected.evaluations]);
      for (const key of ["nats", "stderr", "noise_stderr"]) ok(Math.abs(summary[key] - expected[key]) < 1e-4, key);
      const [a, b] = await Promise.all(
        ["one.csv", "two.csv"].map(async (file) =>
          (await Deno.readTextFile(join(cwd, file))).trim().split("\n").slice(1).map((line) =>
            Number(line.split(",")[1])
          )
        ),
      );
      equal(a.length, b.length);
      a.forEach((x, i) => ok(Math.abs(x - b[i]) < 1e-3, `${x} and ${b[i]}`));
    }));

  test("a mistake is one line and exit code 2, and help is shown once", () =>
    inPointsFolder(async (cwd) => {
      const wrong = await runJob({ family, ranks: 2, task: "train:2d", args: ["moons", "--epochs", "none"], cwd });
      equal(wrong.code, 2, wrong.errors);
      equal(wrong.errors.match(/error: --epochs is none/g)?.length, 1, wrong.errors);
      const alone = await runJob({ family, ranks: 2, task: "diagnose", args: ["run"], cwd });
      equal(alone.code, 2, alone.errors);
      equal(alone.errors.match(/This task is for one process, but 2 were started/g)?.length, 1, alone.errors);
      const help = await runJob({ family, ranks: 2, task: "train:2d", args: ["--help"], cwd });
      equal(help.code, 0);
      equal(help.output.match(/Usage:/g)?.length, 1, help.output);
    }));

  test("a library that is missing or another's is a plain message", () =>
    inPointsFolder(async (cwd) => {
      const other = family === "openmpi" ? "libmpich.so.12" : "libmpi.so.40";
      for (
        const [file, says] of [["none.so", /its library was not found \(none\.so.*--mpi-library/], [
          other,
          new RegExp(`${other} is (MPICH|Open MPI) .*--mpi-library`),
        ]] as const
      ) {
        const args = [...POINTS, "--mpi-library", file];
        const { code, errors } = await runJob({ family, ranks: 2, task: "train:2d", args, cwd });
        equal(code, 1, errors);
        match(errors, says);
      }
    }));

  test("a rank that throws ends the job with its message", () =>
    inPointsFolder(async (cwd) => {
      // A data set that only the first rank can load.
      await Deno.writeTextFile(
        join(cwd, "lame.ts"),
        `export function load() {
           const rank = Deno.env.get("OMPI_COMM_WORLD_RANK") ?? Deno.env.get("PMI_RANK");
           if (rank !== "0") throw new Error("the disk of this host is broken");
           const count = 100, dimension = 2;
           const copy = (begin: number, end: number, out: Float32Array, at = 0) => {
             for (let i = 2 * begin; i < 2 * end; i++) out[at + i - 2 * begin] = Math.sin(i);
           };
           return { shape: [2], train: { count, dimension, copy }, validation: { count, dimension, copy } };
         }`,
      );
      const args = ["./lame.ts", "--batch-size", "20", "--json"];
      const job = await runJob({ family, ranks: 2, task: "train:2d", args, cwd });
      ok(job.code !== 0);
      match(job.errors, /rank 1 of 2: error:[^]*the disk of this host is broken/);
    }));

  test("a rank that is stopped is told of while the others wait, and the training ends as if it never was", () =>
    inPointsFolder(async (cwd) => {
      // The second rank is held in its data set until it is stopped: the first then waits for it in their first sum.
      await Deno.writeTextFile(
        join(cwd, "held.ts"),
        `import { existsSync } from "node:fs";
         export function load(random) {
           const file = (name) => new URL(name, import.meta.url);
           const rank = Deno.env.get("OMPI_COMM_WORLD_RANK") ?? Deno.env.get("PMI_RANK");
           if (rank === "1") {
             Deno.writeTextFileSync(file("loading"), String(Deno.pid));
             const cell = new Int32Array(new SharedArrayBuffer(4));
             while (!existsSync(file("go"))) Atomics.wait(cell, 0, 0, 5);
           }
           return { train: Array.from({ length: 200 }, () => [random.normal(), random.normal()]) };
         }`,
      );
      const args = ["./held.ts", ...POINTS.slice(1)];
      const alone = await runTask("train:2d", [...args, "--out", "alone"], cwd);
      equal(alone.code, 0, alone.stderr);
      const env = { ITDIFFUSION_RANK_PATIENCE: "1" };
      const job = await startJob({ family, ranks: 2, task: "train:2d", args: [...args, "--out", "two"], cwd, env });
      const printed = new Response(job.stdout).text(), errors = reader(job.stderr);
      await untilFile(join(cwd, "loading"), (text) => text !== "", job);
      const held = Number(await Deno.readTextFile(join(cwd, "loading")));
      Deno.kill(held, "SIGSTOP");
      await Deno.writeTextFile(join(cwd, "go"), "");
      await errors.until(/^rank 1 of 2 has not answered for \d+ s: it is stopped, [^\n]*\n/m);
      // And again, after twice as long.
      await errors.until(/(^rank 1 of 2 has not answered [^\n]*\n){2}/m);
      Deno.kill(held, "SIGCONT");
      const [output, said, { code }] = await Promise.all([printed, errors.rest(), job.status]);
      equal(code, 0, said);
      ok(Math.abs(JSON.parse(output).val_nll - JSON.parse(alone.stdout).val_nll) < 1e-4);
      await requireSameRun(join(cwd, "two"), join(cwd, "alone"), 1e-4);
    }));

  test("a job that is asked to stop saves, and says how to go on", () =>
    inPointsFolder(async (cwd) => {
      const args = [...POINTS.filter((word) => word !== "--json"), "--quiet", "--epochs", "1000000", "--out", "run"];
      // MPICH's launcher, when it is interrupted, itself ends with 0 every few times, so that the ranks' codes are taken.
      const keepCode = 'trap "" INT USR2; "$@"; echo $? > code-${PMI_RANK-$OMPI_COMM_WORLD_RANK}';
      const wrapper = ["sh", "-c", keepCode, "sh"];
      const job = await startJob({ family, ranks: 2, task: "train:2d", args, cwd, wrapper });
      const ended = finished(job);
      await untilEpoch(join(cwd, "run"), 1, job);
      // Open MPI's launcher leaves a second between Ctrl-C and the end, and passes this on; MPICH's passes on Ctrl-C.
      Deno.kill(job.pid, family === "openmpi" ? "SIGUSR2" : "SIGINT");
      const { output, errors } = await ended;
      for (const rank of [0, 1]) equal((await Deno.readTextFile(join(cwd, `code-${rank}`))).trim(), "130", errors);
      match(
        output + errors,
        /Stopped in epoch \d+ of 1000000, and saved\. Go on with: deno task train:2d --resume run/,
      );
      ok(await latestCheckpoint(join(cwd, "run")));
    }));

  test("a sweep's runs are dealt over the ranks, and compared once", () =>
    inPointsFolder(async (cwd) => {
      // The first rank's second run is held until the others have ended: the last to end compares them.
      await Deno.writeTextFile(
        join(cwd, "held.ts"),
        `import { existsSync } from "node:fs";
         export function load(random) {
           const cell = new Int32Array(new SharedArrayBuffer(4));
           const isHeld = /--seed[= ]4/.test(Deno.args.join(" "));
           while (isHeld && !existsSync(new URL("go", import.meta.url))) Atomics.wait(cell, 0, 0, 5);
           return { train: Array.from({ length: 100 }, () => [random.normal(), random.normal()]) };
         }`,
      );
      const command = "train:2d ./held.ts --denoiser gaussian --batch-size 20 --epochs 1 --figures off --seed {1..4}";
      const args = [command, "--out", "sweep", "--quiet"];
      const job = await startJob({ family, ranks: 3, task: "sweep", args, cwd });
      const complaint = new Response(job.stderr).text();
      const printed = reader(job.stdout);
      await printed.until(/(left to other processes[^]*){2}/);
      await Deno.writeTextFile(join(cwd, "go"), "");
      const [output, errors, { code }] = await Promise.all([printed.rest(), complaint, job.status]);
      equal(code, 0, errors);
      equal(output.match(/comparison\.html/g)?.length, 1, output);
      const table = (await Deno.readTextFile(join(cwd, "sweep", "sweep.csv"))).trim().split("\n");
      equal(table.length, 5);
      for (let seed = 1; seed <= 4; seed++) ok(await exists(join(cwd, "sweep", `seed-${seed}`, "summary.json")));
    }));

  test("a killed rank ends the job at once, and four times over leaves a whole checkpoint that training goes on from", () =>
    inPointsFolder(async (cwd) => {
      const long = [...POINTS, "--epochs", "1000000"];
      let saved = 0;
      for (let attempt = 0; attempt < 4; attempt++) {
        const ids = await Deno.makeTempDir({ dir: cwd });
        // Each rank notes its process and becomes the task.
        const note = `echo $$ > ${ids}/\${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; exec "$0" "$@"`;
        const args = await exists(join(cwd, "run", "config.json"))
          ? ["--resume", "run", "--json", "--figures", "off"]
          : [...long, "--out", "run"];
        const job = await startJob({ family, ranks: 2, task: "train:2d", args, cwd, wrapper: ["sh", "-c", note] });
        const ended = finished(job);
        const goal = saved + 1 + attempt % 3;
        await untilEpoch(join(cwd, "run"), goal, job);
        // At some moment of the next epochs, by the number of files that they write or move.
        const watcher = Deno.watchFs(join(cwd, "run"), { recursive: true });
        let events = Math.floor(Math.random() * 60);
        for await (const _ of watcher) if (events-- === 0) break;
        Deno.kill(Number(await Deno.readTextFile(join(ids, String(attempt % 2)))), "SIGKILL");
        const { code, errors } = await ended;
        ok(code !== 0, errors);
        const checkpoint = await loadCheckpoint((await latestCheckpoint(join(cwd, "run")))!);
        ok(checkpoint.epoch >= saved);
        saved = checkpoint.epoch;
      }
      const rest = ["--resume", "run", "--json", "--figures", "off", "--epochs", String(saved + 2)];
      const { code, errors } = await runJob({ family, ranks: 2, task: "train:2d", args: rest, cwd });
      equal(code, 0, errors);
      equal((await metricsOf(join(cwd, "run"))).length, saved + 2);
    }));
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
