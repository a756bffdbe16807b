import { equal, rejects } from "assert";
import { join } from "node:path";
import { makeRun } from "../run/runs.ts";
import { StorageError } from "../../../core/io/atomic.ts";
import { saveCheckpoint } from "../../../core/io/checkpoints.ts";
import { claimPartial } from "../../../core/io/partial_file.ts";
import { lockFolder, lockOutput } from "../../../core/io/lock.ts";
import { isLink, requireWithin } from "../../../core/io/within.ts";
import { freeFolder, RunFolder } from "../../../core/run/folder.ts";
import { SweepFolder } from "../../../core/sweep/folder.ts";
import { parseSweep } from "../../../core/sweep/template.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { runTask } from "../../tasks/command.ts";

const refused = (promise: Promise<unknown>, message = /^Cannot write .* is a symbolic link that leads out of .*\.$/) =>
  rejects(promise, (error) => error instanceof StorageError && error.exitCode === 2 && message.test(error.message));

/** A folder `run` beside a folder `elsewhere` with a file `kept`. */
async function inRun(test: (run: string, elsewhere: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const run = join(folder, "run"), elsewhere = join(folder, "elsewhere");
    for (const path of [run, elsewhere]) await Deno.mkdir(path);
    await Deno.writeTextFile(join(elsewhere, "kept"), "mine");
    await test(run, elsewhere);
    equal(await Deno.readTextFile(join(elsewhere, "kept")), "mine");
    equal((await namesIn(elsewhere)).join(), "kept");
  });
}

Deno.test("links that lead out of a folder, to nothing or in a circle are refused, and those within it followed", () =>
  inRun(async (run, elsewhere) => {
    await Deno.mkdir(join(run, "sub"));
    await Deno.writeTextFile(join(run, "sub", "file"), "");
    const link = (target: string, name: string) => Deno.symlink(target, join(run, name));
    await link(join(elsewhere, "kept"), "file-out");
    await link("../elsewhere", "folder-out");
    await link(join(elsewhere, "new"), "dangling");
    await link("circle", "circle");
    // A folder whose name begins alike is another.
    await Deno.mkdir(`${run}-2`);
    await link("../run-2", "alike");
    await link("sub", "inside");
    await link("sub/file", "file-inside");
    for (const name of ["file-out", "folder-out", "folder-out/kept", "dangling", "circle", "circle/x", "alike/x"]) {
      await refused(requireWithin(run, join(run, name)));
    }
    for (const name of ["inside/new", "file-inside", "sub/file", "none/at/all", ""]) {
      await requireWithin(run, join(run, name));
    }
    await rejects(requireWithin(run, elsewhere), TypeError);
    // The folder itself is what the user named.
    await Deno.symlink(run, `${run}-link`);
    await requireWithin(`${run}-link`, `${run}-link/sub/file`);
    await refused(requireWithin(`${run}-link`, `${run}-link/folder-out/x`));
    await requireWithin(`${run}-none`, `${run}-none/x`);
  }));

Deno.test("a run's files, lines and checkpoints are not written through planted links", () =>
  inRun(async (run, elsewhere) => {
    const folder = new RunFolder(run), kept = join(elsewhere, "kept");
    await Deno.symlink(kept, join(run, "summary.json"));
    await Deno.symlink(kept, join(run, "metrics.jsonl"));
    await Deno.symlink(join(elsewhere, "new"), join(run, "dangling.jsonl"));
    await Deno.symlink(elsewhere, join(run, "checkpoints"));
    await Deno.symlink(elsewhere, join(run, "figures"));
    await refused(folder.writeJson("summary.json", {}));
    await refused(folder.appendLine("metrics.jsonl", {}));
    await refused(folder.appendLine("dangling.jsonl", {}));
    await refused(folder.write("figures/mse.svg", "x"));
    await refused(saveCheckpoint(run, { epoch: 1, step: 1, model: {}, training: {}, state: {} }));
  }));

Deno.test("a link in a standard place is taken, even where it leads to an empty folder", () =>
  inRun(async (run, elsewhere) => {
    await Deno.mkdir(`${run}/empty`);
    await Deno.symlink(elsewhere, join(run, "onnx"));
    await Deno.symlink("empty", join(run, "samples"));
    equal(await freeFolder(undefined, join(run, "onnx")), join(run, "onnx-2"));
    equal(await freeFolder(undefined, join(run, "samples")), join(run, "samples-2"));
    equal(await isLink(join(run, "samples")), true);
  }));

Deno.test("a sweep's logs and runs are not written through planted links", () =>
  inRun(async (run, elsewhere) => {
    const sweep = parseSweep("train:2d scg --seed {1..2}"), [one, two] = sweep.commands;
    const folder = await SweepFolder.open(run, sweep);
    await Deno.symlink(join(elsewhere, "kept"), folder.log(one));
    await Deno.symlink(elsewhere, folder.run(two));
    await refused(folder.writeLog(one, "text"));
    await refused(folder.prepare(one));
    await refused(folder.prepare(two));
    await Deno.remove(join(run, "logs"), { recursive: true });
    await Deno.symlink(elsewhere, join(run, "logs"));
    await refused(SweepFolder.open(run, sweep));
  }));

Deno.test("a download's partial file is not written through a planted link", () =>
  inRun(async (run, elsewhere) => {
    const path = join(run, "archive");
    await Deno.symlink(join(elsewhere, "kept"), `${path}.partial`);
    await refused(
      claimPartial(path, { isDone: () => Promise.resolve(false) }),
      /partial: it is a symbolic link\. Remove/,
    );
    await Deno.remove(`${path}.partial`);
    await Deno.symlink(join(elsewhere, "new"), `${path}.partial`);
    await refused(
      claimPartial(path, { isDone: () => Promise.resolve(false) }),
      /partial: it is a symbolic link\. Remove/,
    );
  }));

Deno.test("tasks tell of a planted link in one line, and leave what it leads to as it was", async (t) => {
  const cases = [
    { link: "nll", task: "nll", args: ["run", "--rounds", "1", "--data", "points.csv"] },
    { link: "report.html", task: "report", args: ["run", "--live", "off"] },
  ];
  for (const { link, task, args } of cases) {
    await t.step(task, () =>
      inRun(async (run, elsewhere) => {
        await makeRun(run, { shape: [2] });
        await Deno.writeTextFile(join(run, "..", "points.csv"), "x,y\n0.5,1\n-1,0.25\n0.75,-0.5\n");
        await Deno.symlink(link.endsWith(".html") ? join(elsewhere, "kept") : elsewhere, join(run, link));
        const { code, stderr } = await runTask(task, args, join(run, ".."));
        equal(code, 2, stderr);
        const place = join(run, link);
        equal(
          stderr.trimEnd().split("\n").at(-1)?.includes(`${place} is a symbolic link that leads out of`),
          true,
          stderr,
        );
      }));
  }
});

Deno.test("a lock is not written through a planted link", () =>
  inFolder(async (folder) => {
    const outside = join(folder, "outside.txt");
    await Deno.writeTextFile(outside, "mine");
    await Deno.mkdir(join(folder, "run"));
    await Deno.symlink(outside, join(folder, "run", ".lock"));
    await Deno.symlink(outside, join(folder, ".scores.h5.lock"));
    await rejects(lockFolder(join(folder, "run")), /\.lock: it is a symbolic link\. Remove it/);
    await rejects(lockOutput(join(folder, "scores.h5")), /it is a symbolic link/);
    equal(await Deno.readTextFile(outside), "mine");
  }));
