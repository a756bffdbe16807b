import { deepEqual, equal, ok, throws } from "assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { EventWriter } from "../../core/io/tensorboard.ts";
import { writePerSample } from "../../core/run/per_sample_file.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "../tasks/command.ts";
import { comparable, contentsOf, differences } from "./compare.ts";
import { shownEvents } from "./events.ts";
import { run } from "./process.ts";
import { parseStops, stopsText } from "./stop.ts";

Deno.test("a process is killed before, within and after the write that is named", () =>
  inFolder(async (folder) => {
    const cwd = join(folder, "cwd"), start = { task: "export", args: ["run", "--format", "tfjs", "--quiet"], cwd };
    await makeRun(join(cwd, "run"), { shape: [2] });
    const { code, writes } = await run({ ...start, isListed: true });
    equal(code, 0);
    const names = writes.map(({ name }) => name), moved = names.indexOf("rename run/.tmp-… -> run/tfjs");
    const first = names.indexOf("write run/.tmp-…/model.json");
    ok(moved > first && first > 0 && writes[first].hasParts && !writes[moved].hasParts, names.join("\n"));
    const size = (await Deno.stat(join(cwd, "run", "tfjs", "model.json"))).size;

    /** What is left when it is killed there. */
    const left = async (at: number, when: "before" | "within" | "after") => {
      await Deno.remove(join(cwd, "run", "tfjs"), { recursive: true });
      const ended = await run({
        ...start,
        stop: { signals: ["SIGKILL"], moment: { kind: "write", at: at + 1, when } },
      });
      deepEqual([ended.signal, ended.writes.at(-1)?.name], ["SIGKILL", names[at]]);
      const temporary = (await namesIn(join(cwd, "run"))).find((name) => name.startsWith(".tmp-"));
      const result = {
        isThere: existsSync(join(cwd, "run", "tfjs")),
        part: temporary && (await Deno.stat(join(cwd, "run", temporary, "model.json"))).size / size,
      };
      equal((await runTask("export", [...start.args, "--out", "run/tfjs"], cwd)).code, result.isThere ? 2 : 0);
      ok((await namesIn(join(cwd, "run"))).every((name) => !name.startsWith(".tmp-")));
      return result;
    };
    deepEqual(await left(moved, "before"), { isThere: false, part: 1 });
    const { isThere, part } = await left(first, "within");
    ok(!isThere && Math.abs(Number(part) - 0.5) < 0.01, `${part}`);
    deepEqual(await left(moved, "after"), { isThere: true, part: undefined });
    deepEqual(await namesIn(folder), ["cwd"]);
  }));

Deno.test("a run that is killed at a checkpoint has told TensorBoard of all the epochs that it implies", () =>
  inFolder(async (folder) => {
    const cwd = join(folder, "cwd");
    await Deno.mkdir(cwd);
    const small = ["scg", "--points", "100", "--denoiser", "gaussian", "--reference", "none", "--figures", "off"];
    const start = { task: "train:2d", args: [...small, "--epochs", "3", "--out", "run", "--quiet"], cwd };
    const { writes } = await run({ ...start, isListed: true });
    const at = 1 + writes.findLastIndex(({ name }) => name.startsWith("rename run/checkpoints/"));
    await Deno.remove(join(cwd, "run"), { recursive: true });
    await run({ ...start, stop: { signals: ["SIGKILL"], moment: { kind: "write", at, when: "after" } } });
    const { epoch, step } = await loadCheckpoint((await latestCheckpoint(join(cwd, "run")))!);
    const events = comparable(await contentsOf(cwd), cwd).get("run/events.out.tfevents.")!;
    for (let k = 1; k <= epoch; k++) ok(events.includes(`nll/validation at step ${k * step / epoch}:`), events);
  }));

Deno.test("two folders differ by what is in them, and not by times, memory and the path of the folder", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const contents = (folder: string, seconds: number, nll: number) =>
    comparable(
      new Map([
        ["run/", bytes("")],
        ["run/metrics.jsonl", bytes(`{"epoch":1,"val_nll":${nll},"seconds":${seconds}}\n`)],
        ["run/summary.json", bytes(JSON.stringify({ peak_mb: seconds, folder: `${folder}/run` }))],
        ["sweep.csv", bytes(`run,val_nll,seconds\nseed-0,${nll},${seconds}\n`)],
        [
          "report.html",
          bytes(`<td>${seconds} s</td>${seconds > 1 ? '<tr><th scope="row">a step</th><td>1</td></tr>' : ""}`),
        ],
      ]),
      folder,
    );
  deepEqual(differences(contents("/a", 1, 0.5), contents("/b/c", 2, 0.5)), []);
  const other = contents("/b", 2, 0.25);
  other.set("run/.lock", "12");
  other.delete("run/summary.json");
  deepEqual(differences(other, contents("/a", 1, 0.5)), [
    "run/.lock is there and should not be",
    'run/metrics.jsonl has "\\"val_nll\\": 0.25", expected "\\"val_nll\\": 0.5"',
    "run/summary.json is missing",
    'sweep.csv has "seed-0,0.25", expected "seed-0,0.5"',
  ]);
});

Deno.test("HDF5 files differ by their values, and not by when they were written", () =>
  inFolder(async (folder) => {
    const { now } = Date, texts: string[] = [], bytes: string[] = [];
    try {
      for (const [i, first] of [0.5, 0.5, 0.25].entries()) {
        // The times in it are seconds.
        Date.now = () => 1e12 + 1000 * i;
        const nll = Float64Array.of(first, 1, 2);
        await writePerSample(join(folder, "scores.h5"), { nll, stderr: nll });
        const contents = await contentsOf(folder);
        texts.push(comparable(contents, folder).get("scores.h5")!);
        bytes.push(String(contents.get("scores.h5")));
      }
    } finally {
      Date.now = now;
    }
    ok(texts[0] === texts[1] && texts[0] !== texts[2] && bytes[0] !== bytes[1]);
  }));

Deno.test("events are compared as TensorBoard shows them: the last of a step, without those that were taken back", () =>
  inFolder(async (folder) => {
    const files: Uint8Array[] = [];
    const write = async (options: { purgeStep?: number }, values: readonly (readonly [number, number])[]) => {
      const writer = EventWriter.create(folder, options);
      for (const [step, value] of values) writer.scalar("nll", value, step);
      writer.close();
      files.push(await Deno.readFile(writer.path));
    };
    await write({}, [[1, 0.5], [2, 0.4], [3, 0.1]]);
    const whole = shownEvents(files);
    await write({ purgeStep: 2 }, [[2, 0.4]]);
    equal(shownEvents(files), whole.split("\n").slice(0, 2).map((line) => `${line}\n`).join(""));
    // The end of a file that a killed process did not write.
    equal(shownEvents([files[0].subarray(0, -3)]), shownEvents(files));
  }));

Deno.test("what a trial does is said in a text that repeats it", () => {
  const text = "KILL@17.within,INT+TERM@850ms,child:KILL@9ms";
  deepEqual(parseStops(text), [
    { signals: ["SIGKILL"], moment: { kind: "write", at: 17, when: "within" } },
    { signals: ["SIGINT", "SIGTERM"], moment: { kind: "time", ms: 850 } },
    { signals: ["SIGKILL"], moment: { kind: "time", ms: 9 }, ofChild: true },
  ]);
  equal(stopsText(parseStops(text)), text);
  throws(() => parseStops("KILL@noon"), /--repeat has "KILL@noon", expected as in KILL@17\.within or/);
});
