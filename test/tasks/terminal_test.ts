import { deepEqual, equal } from "assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { inFolder } from "../folders.ts";
import { Gate } from "../gate.ts";
import { untilFile } from "../wait.ts";
import { runTask, taskArguments } from "./command.ts";

const ARGS = ["scg", "--points", "100", "--reference", "none", "--logsnr-loc", "1", "--logsnr-scale", "1", "--quiet"];
const SCRIPT = "/usr/bin/script";

Deno.test("names do not steer the terminal that a result is printed on, and JSON stays what it is", () =>
  inFolder(async (cwd) => {
    const args = [...ARGS, "--denoiser", "gaussian", "--epochs", "1", "--figures", "off"];
    const name = "red\x1b[31m\x9b1m", plain = await runTask("train:2d", [...args, "--out", name], cwd);
    deepEqual([plain.code, plain.stderr], [0, ""]);
    equal(plain.stdout.trim().split("\n").at(-1), "Wrote red\\u001b[31m\\u009b1m");
    const json = await runTask("train:2d", ["--resume", name, "--figures", "off", "--json"], cwd);
    equal(json.stdout.includes("\x9b"), false);
    equal(JSON.parse(json.stdout).folder, name);
  }));

Deno.test({
  name: "a run whose terminal goes saves, as it does at Ctrl-C",
  ignore: !existsSync(SCRIPT),
  fn: () =>
    inFolder(async (cwd) => {
      const gate = await Gate.make(cwd);
      const endless = ["--epochs", "1000000", "--decay", "constant", "--figures", "off", "--out", "run"];
      const words = await taskArguments("train:2d", [
        ...ARGS,
        "--denoiser",
        "./gated.ts",
        "--backend",
        "tfjs-cpu",
        ...endless,
      ]);
      const command = [Deno.execPath(), ...words].map((word) => `'${word}'`).join(" ");
      await gate.close({ file: "run/metrics.jsonl", lines: 2 });
      const terminal = new Deno.Command(SCRIPT, {
        // The shell, which the system tells that its terminal is gone, passes it on as it does to jobs, and tells their end.
        args: [
          "-q",
          "-c",
          `trap 'kill -HUP $!' HUP; ${command} < /dev/tty & wait $!; wait $!; echo $? > ended`,
          "/dev/null",
        ],
        ...{ cwd, stdin: "null", stdout: "null", stderr: "null", env: { NO_COLOR: "1", SHELL: "/bin/sh" } },
      }).spawn();
      await gate.reached(terminal);
      terminal.kill("SIGKILL");
      await terminal.status;
      await gate.open();
      await untilFile(join(cwd, "ended"), (text) => text.endsWith("\n"));
      equal(await Deno.readTextFile(join(cwd, "ended")), "130\n");
      const { epoch } = await loadCheckpoint((await latestCheckpoint(join(cwd, "run")))!);
      equal(epoch >= 2, true, `${epoch}`);
    }),
});
