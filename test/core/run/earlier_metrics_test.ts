import { deepEqual, equal, match } from "assert";
import { join } from "node:path";
import { inFolder } from "../../folders.ts";
import { runTask } from "../../tasks/command.ts";

Deno.test("a run whose metrics are damaged does not go on as if they were whole", () =>
  inFolder(async (cwd) => {
    const args = ["scg", "--points", "100", "--width", "8", "--blocks", "1", "--figures", "off", "--quiet"];
    equal((await runTask("train:2d", [...args, "--epochs", "2", "--out", "run"], cwd)).code, 0);
    const path = join(cwd, "run/metrics.jsonl"), whole = await Deno.readTextFile(path);
    const [first, second] = whole.trim().split("\n");
    const resume = (...more: string[]) =>
      runTask("train:2d", ["--resume", "run", "--figures", "off", "--quiet", ...more], cwd);
    const cases: [string, RegExp][] = [
      ["null\n", /its line 1 is no record of an epoch/],
      [`${first}\ngarbage\n${second}\n`, /its line 2 is no record of an epoch/],
      [`${second}\n${first}\n`, /its line 2 is no record of an epoch/],
      [`${first}\n${second.replace(/"val_nll":[^,]+/, '"val_nll":"x"')}\n`, /its line 2 is no record/],
      [`${first}\n${second.slice(0, 20)}`, /The run is over after epoch 2, of which .*metrics\.jsonl has nothing/],
    ];
    for (const [text, message] of cases) {
      await Deno.writeTextFile(path, text);
      const { code, stdout, stderr } = await resume();
      deepEqual([code, stdout], [2, ""]);
      match(stderr, /^error: [^\n]+\n$/);
      match(stderr, message);
      equal(await Deno.readTextFile(path), text, "nothing is changed");
    }
    // There is something to train, and then something to tell.
    await Deno.remove(path);
    const { code, stdout, stderr } = await resume("--epochs", "3");
    deepEqual([code, stderr], [0, ""]);
    match(stdout, /^scg: 3 epochs in/);
  }));
