import { basename, join, resolve } from "node:path";
import { main, parseCommandLine, Progress } from "../core/cli/mod.ts";
import { bitsPerDimension } from "../core/diffusion/likelihood.ts";
import { BACKEND_CHOICES } from "../core/engine/mod.ts";
import { createErrorMeter } from "../core/evaluation/errors.ts";
import { RunningNll } from "../core/evaluation/running_nll.ts";
import { UserError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { startEngine, THREADS, threadsOption } from "../core/run/backend.ts";
import { PARTS, samplesOf } from "../core/run/evaluation_data.ts";
import { Interrupt } from "../core/run/interrupt.ts";
import { peakMemory } from "../core/run/memory.ts";
import { loadSums, saveSums } from "../core/run/nll_state.ts";
import { openRun } from "../core/run/open_run.ts";
import { outputOptions } from "../core/run/options.ts";
import { requirePerSamplePath, writePerSample } from "../core/run/per_sample_file.ts";
import { shown } from "../core/run/result.ts";
import { InterruptedError } from "../core/run/train_run.ts";
import { sizeOf } from "../core/tensors.ts";

/** Rounds where neither an error nor a number of them is asked for. */
const ROUNDS = 8;

/** Progress is saved after each round that ends so long after the last save. */
const SAVE_MS = 20_000;

const options = {
  data: { optional: "string", placeholder: "data", help: "A file or data set (default: the run's own)." },
  part: { optional: "string", choices: PARTS, help: "Which samples of it (default: test, or validation without one)." },
  stderr: {
    optional: "number",
    above: 0,
    help: "Take rounds until the noise's standard error in nats is no larger than this.",
  },
  rounds: { optional: "number", min: 1, max: 1e6, integer: true, help: `Log SNRs per sample (default ${ROUNDS}).` },
  budget: { optional: "number", above: 0, help: "Evaluations of the denoiser after which no round is begun." },
  adapt: { default: true, onOff: true, help: "Learn from a pilot where along the log SNRs to measure." },
  perSample: {
    optional: "string",
    placeholder: "file",
    help: "Write −log p(x) and its error for every sample: .csv, .h5.",
  },
  seed: { default: 0, min: 0, integer: true, help: "Seed of the log SNRs and the noise." },
  evalBatchSize: {
    optional: "number",
    min: 1,
    integer: true,
    help: "Samples per run of the denoiser (default: the run's).",
  },
  backend: { optional: "string", choices: BACKEND_CHOICES, help: "What runs the tensors (default: the run's)." },
  ...threadsOption,
  ...outputOptions,
} as const;

await main(async () => {
  const { options: o, positional } = await parseCommandLine({
    name: "nll",
    summary: "Estimates the likelihood of data under a trained model, with its error.",
    positional: [{ name: "run", help: "The folder of a run, or of one of its checkpoints." }],
    options,
  }, Deno.args);
  if (o.perSample !== undefined) requirePerSamplePath(o.perSample);
  const run = await openRun(positional.run);
  const { samples, pool, name, logScale } = await samplesOf(run, o);
  const d = sizeOf(run.info.shape);

  const key = JSON.stringify({
    ...{ checkpoint: basename(run.checkpoint), data: name, samples: samples.count, seed: o.seed, adapt: o.adapt },
    proposal: run.proposal,
  });
  const stem = name.replace(/[^\w.-]+/g, "_").slice(-80);
  const state = join(run.folder.path, "nll", `${stem}.part`);
  using interrupt = new Interrupt();
  using progress = new Progress({ quiet: o.quiet || o.json });
  const { engine, reason } = await startEngine(o.backend ?? run.config.backend, o.threads ?? THREADS, run.info.shape);
  const params = engine.createState(run.params);
  const batch = Math.min(o.evalBatchSize ?? run.config.evalBatchSize, 2 * samples.count);
  const meter = await createErrorMeter(engine, params, (s) => s, run.denoiser, run.info, batch);
  const from = await loadSums(state, key);
  const running = new RunningNll(meter, samples, run.proposal, Random.fromSeed(o.seed).split("nll"), {
    ...(from ? { from } : {}),
    pool,
  });

  const started = performance.now();
  let saved = started;
  const enough = () => {
    const { rounds, evaluations } = running.sums();
    if (rounds === 0) return false;
    if (o.budget !== undefined && evaluations + 2 * samples.count > o.budget) return true;
    const { noiseStderr } = running.estimate();
    if (o.stderr !== undefined && !(noiseStderr <= o.stderr)) return o.rounds !== undefined && rounds >= o.rounds;
    return o.stderr !== undefined || rounds >= (o.rounds ?? ROUNDS);
  };
  progress.update({ label: from ? "going on" : "pilot", done: 0, total: 1 });
  if (o.adapt && !from) await running.adapt();
  while (!enough() && !interrupt.requested) {
    const { rounds } = running.sums();
    const error = rounds === 0 ? [] : [`± ${shownError(running.estimate().noiseStderr)} nats from noise`];
    for await (const done of running.round()) {
      progress.update({ label: "round", done: rounds + done, total: expectedRounds(running, o), fields: error });
      if (interrupt.requested) break;
    }
    if (performance.now() - saved > SAVE_MS) {
      await saveSums(state, key, running.sums());
      saved = performance.now();
    }
  }
  const seconds = (performance.now() - started) / 1000;
  await meter.dispose();
  params.dispose();
  engine.dispose();
  if (!enough()) {
    if (running.sums().rounds > 0) await saveSums(state, key, running.sums());
    throw new InterruptedError(
      `Stopped after ${running.sums().rounds} rounds, and saved. The same command goes on from there.`,
    );
  }
  const estimate = running.estimate();
  if (!Number.isFinite(estimate.mean)) {
    throw new UserError(
      "The likelihood came out as no finite number: the model has diverged, or the data is not its own.",
    );
  }
  await saveSums(state, key, running.sums());
  if (o.perSample !== undefined) await writePerSample(resolve(o.perSample), running.perSample());
  progress.finish();
  const reached = o.stderr === undefined || estimate.noiseStderr <= o.stderr;
  const { width } = running.sums();
  const summary = {
    task: "nll",
    run: shown(run.folder.path),
    epoch: run.epoch,
    data: name,
    samples: samples.count,
    estimator: "paired",
    reference: width === undefined ? "gaussian" : "kernels",
    nats: estimate.mean,
    stderr: estimate.stderr,
    noise_stderr: estimate.noiseStderr,
    bits_per_dim: bitsPerDimension(estimate.mean, d),
    ...(logScale === undefined ? {} : { log_scale: logScale }),
    rounds: estimate.rounds,
    evaluations: estimate.evaluations,
    reached,
    seconds: Math.round(seconds * 1000) / 1000,
    peak_mb: peakMemory(),
    seed: o.seed,
    backend: engine.backend,
    ...(reason === undefined ? {} : { backend_reason: reason }),
    versions: engine.versions,
    ...(o.perSample === undefined ? {} : { per_sample: shown(resolve(o.perSample)) }),
  };
  await run.folder.writeJson(join("nll", `${stem}.json`), summary);
  console.log(o.json ? JSON.stringify(summary) : lines(summary, d, o.stderr).join("\n"));
});

/** What the terminal shows. */
function lines(
  s: {
    readonly run: string;
    readonly data: string;
    readonly samples: number;
    readonly nats: number;
    readonly stderr: number;
    readonly noise_stderr: number;
    readonly bits_per_dim: number;
    readonly log_scale?: number;
    readonly rounds: number;
    readonly evaluations: number;
    readonly seconds: number;
    readonly per_sample?: string;
    readonly reached: boolean;
  },
  d: number,
  wanted: number | undefined,
): string[] {
  const bits = (nats: number) => bitsPerDimension(nats, d);
  return [
    `${s.samples} samples of ${s.data} under ${s.run}`,
    `NLL  ${s.nats.toFixed(4)} ± ${shownError(s.stderr)} nats ` +
    `(${s.bits_per_dim.toFixed(4)} ± ${shownError(bits(s.stderr))} bits/dim)`,
    `     of the error ${shownError(s.noise_stderr)} nats is noise, the rest the finite number of samples`,
    ...(s.log_scale === undefined
      ? []
      : [`     of the scaled values; add ${s.log_scale.toFixed(4)} nats for those of the file`]),
    `${s.rounds} rounds, ${s.evaluations.toLocaleString("en")} evaluations of the denoiser, ${s.seconds.toFixed(1)} s`,
    ...(s.reached ? [] : [`The budget is spent; the noise's error is not down to ${wanted} yet.`]),
    ...(s.per_sample === undefined ? [] : [`Wrote ${s.per_sample}`]),
  ];
}

function shownError(x: number): string {
  return Number.isFinite(x) ? String(Number(x.toPrecision(2))) : "?";
}

/** How many rounds there will be, as far as that can be told. */
function expectedRounds(
  running: RunningNll,
  { stderr, rounds = ROUNDS }: { readonly stderr: number | undefined; readonly rounds: number | undefined },
): number {
  const taken = running.sums().rounds;
  if (stderr === undefined) return rounds;
  if (taken < 2) return Math.max(taken + 1, ROUNDS);
  return Math.max(taken + 1, Math.ceil(taken * (running.estimate().noiseStderr / stderr) ** 2));
}
