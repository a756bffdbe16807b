import { basename } from "node:path";
import { main, parseCommandLine, Progress, UsageError } from "../core/cli/mod.ts";
import { parseDataFile } from "../core/data/data_file.ts";
import { BACKEND_CHOICES } from "../core/engine/mod.ts";
import { UserError } from "../core/errors/user_error.ts";
import { writeFileAtomic } from "../core/io/atomic.ts";
import { loadDataset } from "../core/plugins/load.ts";
import { csvHeader, describeColumn, parseColumns, requireDisjoint } from "../core/mutual_information/columns.ts";
import { unconditional } from "../core/plugins/conditional_denoiser.ts";
import {
  type Information,
  type InformationSettings,
  measureInformation,
  mutualInformation,
  splitPairs,
} from "../core/mutual_information/estimate.ts";
import { pairsOf, requireDensity } from "../core/mutual_information/pairs.ts";
import { Random } from "../core/random/random.ts";
import { defaultThreads, startEngine, threadsOption } from "../core/run/backend.ts";
import { freeFolder, RunFolder } from "../core/run/folder.ts";
import { peakMemory } from "../core/run/memory.ts";
import { outputOptions } from "../core/run/options.ts";
import { shown } from "../core/run/result.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { sizeOf } from "../core/data/tensors.ts";
import * as mlp from "../denoisers/mlp.ts";

const options = {
  x: { default: "", placeholder: "columns", help: "Columns of X: numbers from 0, ranges and names, as 0-4,height." },
  y: { default: "", placeholder: "columns", help: "Columns of Y." },
  direction: {
    default: "x",
    choices: ["x", "y", "both"],
    help: "Whose likelihood is taken: p(x) and p(x|y), p(y) and p(y|x), or the mean of both.",
  },
  heldOut: { default: 0.2, above: 0, max: 0.5, help: "Part of the rows that the information is measured on." },
  epochs: { default: 60, min: 1, integer: true, help: "Passes through the training rows; the best is kept." },
  batchSize: { default: 128, min: 1, integer: true, help: "Rows in a training step." },
  learningRate: { default: 1e-3, above: 0, max: 1e6, help: "Adam's learning rate." },
  levels: { default: 32, min: 1, max: 10_000, integer: true, help: "Log SNRs per row in the measurement." },
  validationLevels: { default: 4, min: 1, max: 10_000, integer: true, help: "Log SNRs per row in a validation." },
  hiddenSize: mlp.options.hiddenSize,
  hiddenLayers: mlp.options.hiddenLayers,
  embedding: { default: false, onOff: true, help: "Sinusoidal embeddings of the columns and of log SNR." },
  embeddingSize: mlp.options.embeddingSize,
  seed: { default: 0, min: 0, integer: true, help: "Seed of everything that is drawn." },
  backend: { default: "auto", choices: BACKEND_CHOICES, help: "What runs the tensors." },
  ...threadsOption,
  out: { optional: "string", placeholder: "folder", help: "Where to write (default: a new folder in runs)." },
  figures: { default: true, onOff: true, help: "Draw the figure." },
  ...outputOptions,
} as const;

await main((stop) =>
  orStopped("Stopped before the measurement; wrote nothing.", async () => {
    const started = performance.now();
    const { options: o, positional } = await parseCommandLine({
      name: "mi",
      summary: "Estimates the mutual information of columns from a denoiser of x and one of x given y.",
      positional: [{ name: "data", help: "A file of data, as points.csv or pairs.h5:z, or a data set's name." }],
      options,
    }, Deno.args);
    for (const side of ["x", "y"] as const) {
      if (o[side] === "") throw new UsageError(`--${side} is missing. Name its columns, as --x 0 --y 1-3.`);
    }
    const random = Random.fromSeed(o.seed);
    const dataset = await loadDataset(positional.data);
    const defaults = Object.fromEntries(
      Object.entries(dataset.options ?? {}).map(([key, spec]) => [key, spec.default]),
    );
    const data = await dataset.load(random.split("data"), defaults);
    const width = sizeOf(data.shape);
    if (width < 2) throw new UserError(`${positional.data} has 1 column, expected at least 2. Give a file of pairs.`);
    const file = parseDataFile(positional.data);
    const names = file && /\.[ct]sv$/i.test(file.path) ? await csvHeader(file.path) : [];
    const [x, y] = [parseColumns("--x", o.x, width, names), parseColumns("--y", o.y, width, names)];
    requireDisjoint(x, y, names);
    const pairs = pairsOf(data, x, y, names);
    const directions = o.direction === "both" ? ["x", "y"] as const : [o.direction as "x" | "y"];
    for (const side of directions) {
      requireDensity(pairs[side], { x, y }[side], names, `--direction ${side === "x" ? "y" : "x"}`);
    }
    const split = splitPairs(pairs, o.heldOut, random.split("split"));
    if (o.batchSize > split.train.x.count) {
      throw new UserError(
        `--batch-size is ${o.batchSize}, but there are ${split.train.x.count} training rows. Give at most that.`,
      );
    }
    const name = `${(file ? basename(file.path) : dataset.name).replace(/\.[a-z0-9]+$/i, "")}-mi`;
    const path = await freeFolder(o.out, `runs/${name}`);

    using progress = new Progress({ quiet: o.quiet || o.json });
    const { engine, reason } = await startEngine(o.backend, o.threads ?? defaultThreads(), [x.length]);
    const { hiddenSize, hiddenLayers, embedding, embeddingSize } = o;
    const network = { hiddenSize, hiddenLayers, embedding, embeddingSize, skip: true };
    const { epochs, batchSize, learningRate, levels, validationLevels } = o;
    const settings: InformationSettings = {
      ...{ epochs, batchSize, learningRate, levels, validationLevels },
      curvePoints: o.figures ? 65 : 0,
      curveRows: 1000,
    };
    const total = 2 * directions.length * epochs;
    const results: Information[] = [];
    let done = 0;
    for (const direction of directions) {
      const swap = <T>({ x, y }: { x: T; y: T }) => direction === "x" ? { x, y } : { x: y, y: x };
      results.push(
        await measureInformation(
          engine,
          { train: swap(split.train), validation: swap(split.validation), test: swap(split.test) },
          {
            marginal: (info) => unconditional(mlp.create(info, network)),
            conditional: (info, condition) => mlp.createConditional(info, condition, network),
          },
          settings,
          random.split(direction),
          {
            signal: stop,
            onEpoch: (which, { excess }) => {
              const given = which === "marginal" ? "" : direction === "x" ? " | y" : " | x";
              const field = `p(${direction}${given}) ${excess.toFixed(3)} nats against its Gaussian`;
              progress.update({ label: "epoch", done: ++done, total, fields: [field] });
            },
            onMeasure: () => progress.update({ label: "measurement and figures", done: 0, total: 1 }),
          },
        ),
      );
    }
    const versions = engine.versions, { backend, threads } = engine;
    await engine.dispose();
    const { mean, stderr } = mutualInformation(results);
    const folder = new RunFolder(path);
    const files: string[] = [];
    for (const [k, { curves }] of results.entries()) {
      if (!curves) continue;
      const [{ informationFigure }, { renderSvg }] = await Promise.all([
        import("../core/mutual_information/figure.ts"),
        import("../core/figures/render.ts"),
      ]);
      const [of, given] = directions[k] === "x" ? ["x", "y"] as const : ["y", "x"] as const;
      const title = `${name}: error of ${of} without and with ${given}`;
      const drawn = directions.length === 1 ? "mi.svg" : `mi-${directions[k]}.svg`;
      await writeFileAtomic(folder.file(drawn), await renderSvg(informationFigure(title, given, curves)));
      files.push(drawn);
    }
    const columnsOf = (columns: readonly number[]) => columns.map((column) => names[column] ?? column);
    const summary = {
      task: "mi",
      data: positional.data,
      x: columnsOf(x),
      y: columnsOf(y),
      rows: pairs.x.count,
      held_out_rows: split.test.x.count,
      mi_nats: mean,
      mi_stderr: stderr,
      mi_bits: mean / Math.LN2,
      mi_bits_stderr: stderr / Math.LN2,
      gaussian_mi_nats: results[0].linear.information,
      directions: results.map(({ nll, bestEpochs, proposal, steps, parameters }, k) => ({
        likelihood_of: directions[k],
        nll: nll.marginal.mean,
        nll_stderr: nll.marginal.stderr,
        conditional_nll: nll.conditional.mean,
        conditional_nll_stderr: nll.conditional.stderr,
        best_epoch: bestEpochs[0],
        conditional_best_epoch: bestEpochs[1],
        logsnr_loc: proposal.loc,
        logsnr_scale: proposal.scale,
        steps,
        parameters,
      })),
      ...{ epochs, batch_size: batchSize, learning_rate: learningRate, levels, ...snakeCase(network) },
      seed: o.seed,
      seconds: Math.round(performance.now() - started) / 1000,
      peak_mb: peakMemory(),
      backend,
      ...(reason === undefined ? {} : { backend_reason: reason }),
      threads,
      versions,
      folder: shown(folder.path),
      files,
    };
    await folder.writeJson("summary.json", summary);
    progress.finish();
    const list = (columns: readonly number[]) => columns.map((column) => describeColumn(column, names)).join(", ");
    console.log(
      o.json ? JSON.stringify(summary) : [
        `${positional.data}: columns ${list(x)} and ${list(y)}, ${summary.rows} rows, in ${
          summary.seconds.toFixed(1)
        } s on ${backend}`,
        `Mutual information       ${mean.toFixed(4)} ± ${stderr.toFixed(4)} nats (${summary.mi_bits.toFixed(4)} bits)`,
        `Of their Gaussian part   ${summary.gaussian_mi_nats.toFixed(4)} nats`,
        `Wrote ${summary.folder}, with ${["summary.json", ...files].join(", ")}`,
      ].join("\n"),
    );
  })
);

function snakeCase(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]),
  );
}
