import { equal, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inFolder } from "../folders.ts";
import { runTask } from "../tasks/command.ts";

const PYTHON = Deno.env.get("PYTHON") ?? "python3";

/** Enough to leave the noise behind. Both have one thread, so that neither waits for what else the machine does. */
const EPOCHS = 2;
const RECIPE = { batch: 64, loc: 2, scale: 2, rate: 1e-3 };

async function python(script: string, ...args: string[]): Promise<string> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, { args: [path, ...args] }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("training from scratch on scikit-learn's digits lowers the NLL as PyTorch does", () =>
  inFolder(async (folder) => {
    await python("make_pictures.py", folder);
    const run = join(folder, "run");
    const { batch, loc, scale, rate } = RECIPE;
    const recipe = ["--epochs", EPOCHS, "--batch-size", batch, "--logsnr-loc", loc, "--logsnr-scale", scale];
    const { code, stdout, stderr } = await runTask(
      "train:cifar",
      [
        ...[join(folder, "digits.h5"), "--from-scratch", "--channels", "16,32", ...recipe, "--learning-rate", rate],
        ...["--validation-levels", 4, "--samples", 0, "--json", "--threads", 1, "--out", run],
      ].map(String),
    );
    equal(code, 0, stderr);
    const ours = JSON.parse(stdout);
    const epochs = (await Deno.readTextFile(join(run, "metrics.jsonl"))).trim().split("\n").map((l) => JSON.parse(l));
    ok(ours.val_nll < epochs[0].val_nll - 10, `from ${epochs[0].val_nll} to ${ours.val_nll}`);

    const config = join(run, "checkpoints", String(EPOCHS).padStart(6, "0"), "config.json");
    const peerRecipe = ["--epochs", EPOCHS, "--batch", batch, "--loc", loc, "--scale", scale, "--lr", rate].map(String);
    const peerArgs = [join(folder, "digits.h5"), config, ...peerRecipe, "--threads", "1"];
    const peer = JSON.parse(await python("train_torch.py", ...peerArgs));
    ok(Math.abs(ours.gaussian_nll - peer.gaussian) < 0.01, `${ours.gaussian_nll} and ${peer.gaussian}`);
    const noise = Math.hypot(ours.val_nll_stderr, peer.stderr);
    console.log(`NLL here ${ours.val_nll.toFixed(1)}, in PyTorch ${peer.nll.toFixed(1)}, ± ${noise.toFixed(1)}`);
    ok(Math.abs(ours.val_nll - peer.nll) < 4 * noise, `${ours.val_nll} and ${peer.nll}, ± ${noise}`);
  }));
