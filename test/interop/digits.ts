import { equal, ok } from "assert";
import { join } from "node:path";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";
import { runTask } from "../tasks/command.ts";

Deno.test("scikit-learn's held-out digits are told apart by their likelihoods", () =>
  inFolder(async (cwd) => {
    await runPython("make_digits.py", [cwd], ["numpy", "sklearn"]);
    const json = async (task: string, ...args: string[]) => {
      const { code, stdout, stderr } = await runTask(task, [...args, "--json"], cwd);
      equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const settings = ["--epochs", "40", "--figures", "off", "--out", "run"];
    const { val_nll, val_nll_unconditional } = await json("train:2d", "train.csv", "--condition", "label", ...settings);
    ok(val_nll < val_nll_unconditional - 1, `${val_nll} and ${val_nll_unconditional}`);
    const data = join(cwd, "test.csv");
    const { accuracy, log_loss, samples } = await json("classify", "run", "--data", data, "--rounds", "16");
    equal(samples, 297);
    // Of 297 digits a few decide, and which they are hangs on a processor's rounding: 98.0 % and 0.098 nats where it was
    // measured, 97 % and 0.12 are aimed at, and two standard errors more are let pass.
    ok(accuracy >= 0.955 && log_loss <= 0.22, `${accuracy}, ${log_loss}`);
    // 2.22 nats where it was measured; of 2.30 the digits that are told wrong take some off.
    const { mi_nats, classes } = await json("mi", "run", "--data", data, "--rounds", "16", "--figures", "off");
    ok(mi_nats > 2.05 && mi_nats < classes.entropy_nats + 0.02, `${mi_nats} of ${classes.entropy_nats}`);
  }));
