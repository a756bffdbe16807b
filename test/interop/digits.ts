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
    const settings = ["--epochs", "150", "--figures", "off", "--out", "run"];
    const { val_nll, val_nll_unconditional } = await json("train:2d", "train.csv", "--condition", "label", ...settings);
    ok(val_nll < val_nll_unconditional - 1, `${val_nll} and ${val_nll_unconditional}`);
    const data = join(cwd, "test.csv");
    const { accuracy, log_loss, samples } = await json("classify", "run", "--data", data, "--rounds", "16");
    equal(samples, 297);
    ok(accuracy >= 0.97 && log_loss <= 0.12, `${accuracy}, ${log_loss}`);
  }));
