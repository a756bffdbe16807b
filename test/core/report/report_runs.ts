import { join } from "node:path";
import type { HostTensors } from "../../../core/data/tensors.ts";
import { makeRun } from "../run/runs.ts";

/** A summary as train:2d leaves it. */
export const SUMMARY = {
  task: "train:2d",
  dataset: "scg",
  denoiser: "gaussian",
  epochs: 3,
  steps: 6,
  parameters: 1234,
  val_nll: 1.25,
  val_nll_stderr: 0.03,
  test_nll: 1.23,
  test_nll_stderr: 0.01,
  gaussian_nll: 1.5,
  entropy: 1.218,
  train_seconds: 2.5,
  ms_per_step: 1.2,
  peak_mb: 210,
  backend: "onnx-cpu",
  precision: "f32",
  threads: 1,
  versions: { itdiffusion: "0.1.0", deno: "2.9.6" },
};

const SVG = `<svg class="itd-figure" xmlns="http://www.w3.org/2000/svg" width="660" height="400" ` +
  `aria-label="Error &amp; more"><rect width="9" height="9"/></svg>`;

/** Writes a finished run's folder, with figures and a likelihood that was measured later. */
export async function makeFinishedRun(
  path: string,
  { shape = [2], summary = SUMMARY, figures = { mse: SVG }, config = {}, model = {}, epochs = 3 }: {
    readonly shape?: readonly number[];
    /** None leaves the run unfinished. */
    readonly summary?: Readonly<Record<string, unknown>> | null;
    readonly figures?: Readonly<Record<string, string>>;
    readonly config?: Readonly<Record<string, unknown>>;
    readonly model?: HostTensors;
    readonly epochs?: number;
  } = {},
): Promise<void> {
  await makeRun(path, { shape }, { config, model });
  const lines = Array.from({ length: epochs }, (_, k) => ({
    epoch: k + 1,
    step: 2 * k + 2,
    train_nll: 2 - 0.3 * k,
    val_nll: 2.1 - 0.3 * k,
    val_nll_stderr: 0.1,
    seconds: k + 1,
  }));
  await Deno.writeTextFile(join(path, "metrics.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  if (summary) await Deno.writeTextFile(join(path, "summary.json"), JSON.stringify(summary));
  for (const name of ["figures", "nll"]) await Deno.mkdir(join(path, name));
  for (const [name, svg] of Object.entries(figures)) {
    await Deno.writeTextFile(join(path, "figures", `${name}.svg`), svg);
  }
  const later = { estimator: "paired", nats: 1.2222, stderr: 0.004, samples: 50_000, evaluations: 4e6, seconds: 75 };
  await Deno.writeTextFile(join(path, "nll", "fresh.json"), JSON.stringify(later));
}
