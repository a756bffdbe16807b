import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { writeComparison } from "../../../core/sweep/comparison.ts";
import { SweepError } from "../../../core/sweep/errors.ts";
import { lockFile, lockFolder } from "../../../core/io/lock.ts";
import { failureMessage, failuresToTell } from "../../../core/sweep/failures.ts";
import { SweepFolder } from "../../../core/sweep/folder.ts";
import type { SweepRun } from "../../../core/sweep/sweep_runs.ts";
import { comparisonLines, comparisonRecord } from "../../../core/sweep/tables.ts";
import { parseSweep } from "../../../core/sweep/template.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { makeFinishedRun, SUMMARY } from "../report/report_runs.ts";

/** A report measures nothing of runs of pictures. */
const PICTURES = { shape: [1, 2, 2], figures: {} };

async function runsOf(folder: SweepFolder) {
  return await Promise.all(
    folder.sweep.commands.map(async (command) => ({ ...command, state: await folder.stateOf(command) })),
  );
}

Deno.test("processes that begin at once share a sweep's folder; what it holds else is not touched", () =>
  inFolder(async (cwd) => {
    const sweep = parseSweep("train:2d moons --seed {1..3}");
    const path = join(cwd, "a", "sweep");
    await Promise.all(Array.from({ length: 8 }, () => SweepFolder.open(path, sweep)));
    deepEqual(await namesIn(path), ["logs", "sweep.json"]);
    deepEqual(JSON.parse(await Deno.readTextFile(join(path, "sweep.json"))), sweep);
    const other = parseSweep("train:2d moons --seed {1..4}");
    await rejects(SweepFolder.open(path, other), /holds a sweep of other commands\. Name another with --out/);
    await rejects(SweepFolder.open(join(cwd, "a"), sweep), /is not empty, and holds no sweep/);
    await rejects(SweepFolder.open(join(path, "sweep.json"), sweep), SweepError);
    await Deno.writeTextFile(join(path, "sweep.json"), "{");
    await rejects(SweepFolder.open(path, sweep), /not valid JSON/);
    deepEqual(await namesIn(cwd), ["a"]);
  }));

Deno.test("a run is one process's at a time, and its failure is known until it is tried again", () =>
  inFolder(async (cwd) => {
    const sweep = parseSweep("train:2d moons --seed {1..2}");
    const folder = await SweepFolder.open(cwd, sweep);
    const [command] = sweep.commands;
    deepEqual(await folder.stateOf(command), { kind: "unfinished" });
    await Deno.mkdir(join(cwd, "seed-1"));
    await Deno.writeTextFile(join(cwd, "seed-1", "data.json"), "what a killed run left");
    deepEqual(await folder.prepare(command), { state: { kind: "unfinished" }, isBegun: false });
    deepEqual(await namesIn(cwd), ["logs", "sweep.json"]);
    const lock = (await lockFile(folder.log(command)))!;
    equal(await lockFile(folder.log(command), 100), undefined);
    lock.close();
    const byHand = await lockFolder(folder.run(command));
    equal(await folder.prepare(command), undefined);
    byHand[Symbol.dispose]();
    deepEqual(await namesIn(cwd), ["logs", "sweep.json"]);
    deepEqual(await folder.prepare(command), { state: { kind: "unfinished" }, isBegun: false });

    await folder.writeLog(command, "note\nerror: It is \x1b[31mbroken.\nmore\n");
    const state = await folder.stateOf(command);
    const { mtime } = await Deno.stat(folder.log(command));
    ok(state.kind === "failed" && state.time === mtime!.getTime());
    equal(state.message, "It is [31mbroken.");
    await folder.writeLog(command, "");
    deepEqual(await folder.stateOf(command), { kind: "unfinished" });
  }));

Deno.test("finished runs are compared in the sweep's order, seeds by mean and standard deviation", () =>
  inFolder(async (cwd) => {
    const sweep = parseSweep(String.raw`train:2d {scg,"a\,b"} --seed {1..3}`);
    const folder = await SweepFolder.open(cwd, sweep);
    for (const [i, { name }] of sweep.commands.slice(0, 5).entries()) {
      await Deno.mkdir(join(cwd, name));
      const summary = { ...SUMMARY, val_nll: 2 - i, test_nll: i, total_seconds: 10 * i };
      await makeFinishedRun(join(cwd, name), { ...PICTURES, summary });
    }
    await folder.writeLog(sweep.commands[5], "error: No.\n");
    const runs = await runsOf(folder);
    deepEqual(await writeComparison(folder, runs), { files: ["sweep.csv", "seeds.csv", "comparison.html"] });
    deepEqual((await Deno.readTextFile(join(cwd, "sweep.csv"))).split("\n"), [
      "run,data,seed,val_nll,val_nll_stderr,test_nll,test_nll_stderr,seconds",
      "scg_seed-1,scg,1,2,0.03,0,0.01,0",
      "scg_seed-2,scg,2,1,0.03,1,0.01,10",
      "scg_seed-3,scg,3,0,0.03,2,0.01,20",
      'a-b_seed-1,"a,b",1,-1,0.03,3,0.01,30',
      'a-b_seed-2,"a,b",2,-2,0.03,4,0.01,40',
      'a-b_seed-3,"a,b",3,,,,,',
      "",
    ]);
    const [heads, first, second] = (await Deno.readTextFile(join(cwd, "seeds.csv"))).trim().split("\n");
    equal(heads, "data,runs,val_nll_mean,val_nll_sd,test_nll_mean,test_nll_sd");
    match(first, /^scg,3,1,(1|0\.9{9,}\d*),1,(1|0\.9{9,}\d*)$/);
    match(second, /^"a,b",2,-1\.5,0\.7071\d+,3\.5,0\.7071\d+$/);
    match(await Deno.readTextFile(join(cwd, "comparison.html")), /<h1>5 runs compared<\/h1>/);
    deepEqual(comparisonLines(sweep, runs), [
      "data  seed  NLL, validation  NLL, fresh data  seconds",
      "scg   1     2.000 ± 0.030    0.000 ± 0.010    0.0",
      "scg   2     1.000 ± 0.030    1.000 ± 0.010    10.0",
      "scg   3     0.000 ± 0.030    2.000 ± 0.010    20.0",
      "a,b   1     -1.000 ± 0.030   3.000 ± 0.010    30.0",
      "a,b   2     -2.000 ± 0.030   4.000 ± 0.010    40.0",
      "a,b   3     failed",
      "",
      "Mean over seeds ± their standard deviation",
      "data  seeds  NLL, validation  NLL, fresh data",
      "scg   3      1.000 ± 1.000    1.000 ± 1.000",
      "a,b   2      -1.500 ± 0.707   3.500 ± 0.707",
    ]);
    const record = comparisonRecord(sweep, runs);
    deepEqual(record.runs[5], {
      run: "a-b_seed-3",
      values: { data: "a,b", seed: "3" },
      state: "failed",
      message: "No.",
    });
    const { values, runs: count, val_nll_mean, test_nll_sd } = record.seeds[0];
    deepEqual([values, count, val_nll_mean], [{ data: "scg" }, 3, 1]);
    ok(Math.abs(test_nll_sd! - 1) < 1e-12);
  }));

Deno.test("of more runs than a page can tell apart it has those with the lowest NLL", () =>
  inFolder(async (cwd) => {
    const sweep = parseSweep("train:2d scg --ema 0.{10..21}");
    const folder = await SweepFolder.open(cwd, sweep);
    for (const [i, { name }] of sweep.commands.entries()) {
      await Deno.mkdir(join(cwd, name));
      await makeFinishedRun(join(cwd, name), {
        ...PICTURES,
        summary: { ...SUMMARY, val_nll: 12 - i, total_seconds: 1 },
      });
    }
    deepEqual(await writeComparison(folder, await runsOf(folder)), { files: ["sweep.csv", "comparison.html"] });
    const page = await Deno.readTextFile(join(cwd, "comparison.html"));
    match(page, /<h1>10 runs compared<\/h1>\s*<p class="lead">ema-0\.12, .*, ema-0\.21\.<\/p>/);
    match(comparisonLines(sweep, await runsOf(folder)).at(-1)!, /^comparison\.html has the 10 with the lowest NLL/);
    for (const text of ["{", "null", `{"val_nll":null,"total_seconds":1}`]) {
      await Deno.writeTextFile(join(cwd, "ema-0.10", "summary.json"), text);
      const { kind, ...rest } = await folder.stateOf(sweep.commands[0]);
      equal(kind, "failed");
      match((rest as { message: string }).message, /summary\.json is not that of a run\.$/);
    }
  }));

Deno.test("a rank leaves failures to the last one, and those of an earlier job to their own", () => {
  const { commands } = parseSweep("train:2d moons --seed {1..4}");
  const share = { index: 0, count: 2, onHost: 1, isRank: true };
  const failed = (time: number) => ({ kind: "failed", message: "No.", time }) as const;
  const runs = [failed(5), failed(5), failed(20), { kind: "unfinished" } as const]
    .map((state, i) => ({ ...commands[i], state }));
  const own = [commands[0]];
  const told = (runs: readonly SweepRun[], isRank: boolean) =>
    failuresToTell(runs, own, { ...share, isRank }, 10).map(({ name }) => name);
  deepEqual(told(runs, false), ["seed-1"]);
  deepEqual(told(runs, true), []);
  deepEqual(told(runs.slice(0, 3), true), ["seed-1", "seed-3"]);
  const failures = failuresToTell(runs.map((run) => ({ ...run, state: failed(30) })), own, share, 10);
  equal(
    failureMessage(failures, 9, "s"),
    "4 of 9 runs failed: seed-1 (No), seed-2 (No), seed-3 (No) and 1 more. " +
      "Their logs are in s/logs; the same command tries them again.",
  );
});
