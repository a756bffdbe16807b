import { deepEqual, doesNotMatch, equal, match } from "assert";
import { join } from "node:path";
import { inFolder } from "../../folders.ts";
import { runTask } from "../../tasks/command.ts";

/** A run without a mixture and figures, which take longer than its epochs. */
const PLAIN = ["--reference", "none", "--figures", "off"];

/** A file of points; without test data the runs are over sooner. */
async function points(cwd: string): Promise<string> {
  const rows = Array.from({ length: 100 }, (_, i) => `${Math.sin(1.7 * i)},${Math.cos(3.1 * i)}`);
  await Deno.writeTextFile(join(cwd, "points.csv"), rows.join("\n"));
  return "points.csv";
}

Deno.test("a run whose metrics are damaged does not go on as if they were whole", () =>
  inFolder(async (cwd) => {
    const args = [await points(cwd), "--width", "8", "--blocks", "1", ...PLAIN, "--quiet"];
    equal((await runTask("train:2d", [...args, "--epochs", "2", "--out", "run"], cwd)).code, 0);
    const path = join(cwd, "run/metrics.jsonl"), whole = await Deno.readTextFile(path);
    const [first, second] = whole.trim().split("\n");
    const resume = (...more: string[]) =>
      runTask("train:2d", ["--resume", "run", "--figures", "off", "--quiet", ...more], cwd);
    const cases: [string, RegExp][] = [
      ["null\n", /its line 1 is no record of an epoch/],
      [`${first}\ngarbage\n${second}\n`, /its line 2 is no record of an epoch/],
      [`${first}\n${first}\n${second}\n`, /its line 2 is no record of an epoch/],
      [`${first}\n${second.replace(/"val_nll":[^,]+/, '"val_nll":"x"')}\n`, /its line 2 is no record/],
    ];
    for (const [text, message] of cases) {
      await Deno.writeTextFile(path, text);
      const { code, stdout, stderr } = await resume();
      deepEqual([code, stdout], [2, ""]);
      match(stderr, /^error: [^\n]+\n$/);
      match(stderr, message);
      equal(await Deno.readTextFile(path), text, "nothing is changed");
    }
  }));

Deno.test("metrics are cut to the checkpoint, and what they lack of it is said", () =>
  inFolder(async (cwd) => {
    const args = [await points(cwd), "--width", "8", "--blocks", "1", ...PLAIN];
    equal((await runTask("train:2d", [...args, "--epochs", "3", "--out", "run"], cwd)).code, 0);
    const path = join(cwd, "run/metrics.jsonl"), whole = await Deno.readTextFile(path);
    const [first, second, third] = whole.trim().split("\n");
    const fourth = third.replace('"epoch":3', '"epoch":4');
    const cases: [string | undefined, string, RegExp?][] = [
      // A power cut may leave anything of what was not put on the disk with the checkpoint.
      [`${whole}${fourth}\n${fourth.slice(0, 20)}`, whole],
      [`${whole}\0\0\0\n\0`, whole],
      [whole.trimEnd(), whole],
      // The checkpoint knows the last line itself.
      [`${first}\n${second}\n${third.slice(0, 20)}`, whole],
      [
        `${first}\n`,
        `${first}\n${third}\n`,
        /^\S+run\/metrics\.jsonl has nothing of epoch 2; the run goes on without\.$/m,
      ],
      [undefined, `${third}\n`, /metrics\.jsonl has nothing of 2 epochs from 1 on; the run goes on without\.$/m],
    ];
    for (const [text, expected, said] of cases) {
      if (text === undefined) await Deno.remove(path);
      else await Deno.writeTextFile(path, text);
      const { code, stdout, stderr } = await runTask("train:2d", ["--resume", "run", "--figures", "off"], cwd);
      equal(code, 0, stderr);
      match(stdout, /^points: 3 epochs in/);
      equal(await Deno.readTextFile(path), expected);
      if (said) match(stderr, said);
      else doesNotMatch(stderr, /metrics/);
    }
    // An earlier version's checkpoint knows none.
    const state = join(cwd, "run/checkpoints/000003/state.json");
    const { state: { metrics: _, ...rest }, ...about } = JSON.parse(await Deno.readTextFile(state));
    await Deno.writeTextFile(state, JSON.stringify({ ...about, state: rest }));
    await Deno.writeTextFile(path, `${first}\n`);
    const { code, stderr } = await runTask("train:2d", ["--resume", "run", "--figures", "off", "--quiet"], cwd);
    deepEqual([code, await Deno.readTextFile(path)], [2, `${first}\n`]);
    match(stderr, /^error: The run is over after epoch 3, of which .*metrics\.jsonl has nothing/);
    const more = await runTask("train:2d", ["--resume", "run", "--epochs", "4", "--figures", "off"], cwd);
    equal(more.code, 0, more.stderr);
    match(more.stderr, /metrics\.jsonl has nothing of 2 epochs from 2 on/);
    deepEqual(
      (await Deno.readTextFile(path)).trim().split("\n").map((line) => JSON.parse(line).epoch),
      [1, 4],
    );
  }));
