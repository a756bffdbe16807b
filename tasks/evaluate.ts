import "../core/cli/listen.ts";
import { basename, dirname, join, resolve } from "node:path";
import { main, parseCommandLine, printText, Progress, takeNotes, UsageError } from "../core/cli/mod.ts";
import { sizeOf } from "../core/data/tensors.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { imageShape } from "../core/figures/pictures.ts";
import { lockOutput } from "../core/io/lock.ts";
import { encodeSafetensors } from "../core/io/safetensors.ts";
import { requireWithin } from "../core/io/within.ts";
import { internalsOf } from "../core/model/internals.ts";
import { clipToRange, comparedSets, MOST_COMPARED } from "../core/model/quality_sets.ts";
import { DRAWING, requireCount } from "../core/model/use_ranges.ts";
import { optionName } from "../core/options/names.ts";
import { withDefault } from "../core/options/values.ts";
import { compareSamples } from "../core/quality/compare.ts";
import { findingsOf } from "../core/quality/findings.ts";
import { FEATURE_RANGES, openFeatures } from "../core/quality/onnx_features.ts";
import { Random } from "../core/random/random.ts";
import { noteThreads, runBackendOption } from "../core/run/backend.ts";
import { readingOptions } from "../core/run/evaluation_data.ts";
import { startModel } from "../core/run/load_model.ts";
import { peakMemory } from "../core/run/memory.ts";
import { openRun } from "../core/run/open_run.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { HELD_OUT_PARTS, qualityData } from "../core/run/quality_data.ts";
import { columnsFigure, pairsFigure } from "../core/run/quality_figure.ts";
import { shown } from "../core/run/result.ts";
import { inUnits } from "../core/run/sample_files.ts";
import { tableCells } from "../core/rows/table_coding.ts";
import { writeRows } from "../core/tables/write_table.ts";
import { samplerOf, samplingPlan } from "../core/sampling/plan.ts";
import { qualityLines, qualityRecord } from "./evaluate/text.ts";

/** Rows of each set where no number of them is asked for. */
const { points: POINTS, images: IMAGES } = MOST_COMPARED;

/** What images without a known range are taken to lie in. */
const IMAGE_RANGE = [-1, 1] as const;

const options = {
  samples: {
    optional: "string",
    placeholder: "file",
    help: "Compare these, of any program, in place of samples that are drawn.",
  },
  count: {
    ...DRAWING.count,
    help:
      `Samples, and as many held-out and training rows (default as many as are held out, at most ${POINTS} points or ${IMAGES} images).`,
  },
  data: { optional: "string", placeholder: "data", help: "What they are compared with (default: the run's own)." },
  part: {
    optional: "string",
    choices: HELD_OUT_PARTS,
    help: "Which part of it (default: test, or validation without one).",
  },
  features: {
    optional: "string",
    placeholder: "model.onnx",
    help: "Of images: a network of features, as Inception's, for the Fréchet distance of the FID.",
  },
  featuresRange: {
    optional: "string",
    choices: FEATURE_RANGES,
    help: "What is black and white to it, or imagenet's means and deviations (default 0,1, or 0,255 of bytes).",
  },
  featuresSize: {
    optional: "number",
    min: 1,
    max: 4096,
    integer: true,
    help: "The side of its images, where its file leaves that open (default the samples' own).",
  },
  featuresOutput: { optional: "string", placeholder: "name", help: "Which of its outputs (default the first)." },
  sampler: { ...DRAWING.sampler, help: "As of sample." },
  steps: { ...DRAWING.steps, help: "As of sample." },
  eta: { ...DRAWING.eta, help: "As of sample." },
  clip: { optional: "string", choices: ["on", "off"], help: "As of sample." },
  batchSize: withDefault(DRAWING.batchSize, 64, "Samples per run of the denoiser."),
  seed: withDefault(DRAWING.seed, 0, "Seed of the noise, of which rows are taken, and of what the measures draw."),
  ...readingOptions,
  ...runBackendOption,
  ...trustOption,
  ...outputOptions,
} as const;

await main((stop) => {
  let kept = "wrote nothing";
  return orStopped(() => `Stopped before the comparison was finished; ${kept}.`, async () => {
    const { options: o, positional, given: said } = await parseCommandLine({
      name: "evaluate",
      summary: "Says how good samples are: beside held-out rows, and what real training rows get beside the same.",
      positional: [{ name: "run", help: "The folder of a run, or of one of its checkpoints." }],
      options,
    }, Deno.args);
    requireHeeded(o, said);
    using progress = new Progress({ quiet: o.quiet || o.json });
    const { notes, onNote } = takeNotes(progress);
    const run = await openRun(positional.run, { trust: trustOf(o.trust, o.data) }, { onNote });
    const { info, folder } = run, { shape, range = IMAGE_RANGE } = info, d = sizeOf(shape), images = imageShape(shape);
    if (!images && o.features !== undefined) {
      throw new UsageError(`--features is for images, but the run's samples are of shape [${shape}]. Leave it out.`);
    }
    const { sampler, steps } = samplerOf(o, shape), clip = o.clip === undefined ? undefined : o.clip === "on";
    const drawing = { sampler, steps, eta: o.eta, clip, seed: o.seed, batchSize: o.batchSize, signal: stop };
    samplingPlan(drawing, run.proposal, info);
    const random = Random.fromSeed(o.seed).split("evaluate");
    const data = await qualityData(run, o, images ? IMAGES : POINTS, random);
    data.notes.forEach(onNote);
    requireCount(data.rows, d);
    if (info.condition) onNote("condition: samples of p(x) are compared, with nothing given");
    await using features = o.features === undefined ? undefined : await openFeatures(o.features, {
      ...{ shape: [images!.channels, images!.height, images!.width], range },
      ...{ featureRange: o.featuresRange, size: o.featuresSize, output: o.featuresOutput },
      ...(o.threads === undefined ? {} : { threads: o.threads }),
    });
    if (features) onNote(`features ${basename(o.features!)}: ${features.description}`);

    const given = o.samples === undefined ? [] : [basename(o.samples)];
    const stem = join("evaluate", [data.name, ...given].join("-").replace(/[^\w.-]+/g, "_").slice(-80));
    await requireWithin(folder.path, folder.file(`${stem}.json`));
    await lockOutput(folder.file(`${stem}.json`));
    const started = performance.now();
    let { samples } = data;
    const files: string[] = [];
    if (!samples) {
      await using model = await startModel(run, o);
      const { engine, draw } = internalsOf(model);
      noteThreads(o.threads, engine, onNote);
      samples = new Float32Array(data.rows * d);
      for await (const record of draw(data.rows, drawing)) {
        if (record.kind === "batch") samples.set(record.samples, record.first * d);
        else progress.update({ label: "sample", done: record.done, total: data.rows });
      }
      if (images && info.range) noteClipped(clipToRange(samples, info.range), samples.length, onNote);
      // Kept at once: what follows takes a while of many training rows.
      files.push(`${stem}.${info.table ? "csv" : "safetensors"}`);
      if (info.table) {
        await Deno.mkdir(dirname(folder.file(stem)), { recursive: true });
        await writeRows(folder.file(files[0]), info.table.schema, tableCells(info.table, samples));
      } else {
        const drawn = { shape: [data.rows, ...shape], data: inUnits(samples, info.axes) };
        await folder.write(files[0], encodeSafetensors({ samples: drawn }));
      }
      kept = `the samples are in ${join(shown(folder.path), files[0])}, for --samples`;
    }
    const sets = comparedSets(info, data, samples, random);
    const { quality, nearest } = await compareSamples(
      { ...sets, ...(features ? { featuresOf: (rows: Float32Array) => features.featuresOf(rows) } : {}) },
      {
        ...{ random: random.split("compare"), signal: stop },
        onProgress: (share) => progress.update({ label: "compare", done: 100 * share, total: 100 }),
      },
    );
    const seconds = (performance.now() - started) / 1000, findings = findingsOf(quality);

    const name = basename(folder.path), [{ samples: trees }] = quality.classifiers;
    const text = {
      title: `${name}: samples beside ${data.name}`,
      subtitle: `${quality.rows} of each, trees right on ${(100 * trees.accuracy.value).toFixed(1)} %${
        images ? ", the samples closest to a training image, each before it" : ""
      }`,
    };
    const { renderSvg } = await import("../core/figures/mod.ts");
    const figure = images
      ? pairsFigure(text, { samples, training: data.training, nearest, shape: images, range })
      : columnsFigure(text, quality, { ...sets, axes: info.axes });
    files.push(`${stem}.svg`);
    await folder.write(files[files.length - 1], await renderSvg(figure));
    const summary = {
      task: "evaluate",
      run: shown(folder.path),
      epoch: run.epoch,
      data: data.name,
      ...(o.samples === undefined ? { sampler, steps } : { samples: shown(resolve(o.samples)) }),
      ...(o.features === undefined ? {} : { features_model: shown(resolve(o.features)) }),
      ...qualityRecord(quality),
      findings,
      seconds: Math.round(seconds * 1000) / 1000,
      peak_mb: peakMemory(),
      seed: o.seed,
      files,
      ...(notes.length > 0 ? { notes } : {}),
    };
    await folder.writeJson(`${stem}.json`, summary);
    progress.finish();
    const what = o.samples === undefined ? `by ${sampler} in ${steps} steps` : `of ${basename(o.samples)}`;
    printText(
      o.json ? JSON.stringify(summary) : [
        `${quality.rows} samples ${what}, beside ${quality.rows} rows of ${data.name}; ${summary.run}`,
        ...qualityLines(quality, findings),
        `Wrote ${[...files, `${stem}.json`].map((file) => join(summary.run, file)).join(", ")}`,
      ].join("\n"),
    );
  });
});

/** Refuses options that nothing would heed beside the others. @param said Those that were given. @throws {UsageError} */
function requireHeeded(
  o: { readonly [key: string]: string | number | boolean | undefined },
  said: ReadonlySet<string>,
): void {
  const refuse = (keys: readonly string[], why: string) => {
    const key = keys.find((each) => said.has(each));
    if (key !== undefined) throw new UsageError(`${optionName(key)} is ${o[key]}, but ${why}. Leave it out.`);
  };
  if (o.samples !== undefined) {
    refuse(["sampler", "steps", "eta", "clip", "batchSize", "backend"], `the samples are those of ${o.samples}`);
  }
  if (o.features === undefined) {
    refuse(["featuresRange", "featuresSize", "featuresOutput"], "there is no network of --features");
  }
}

function noteClipped(beyond: number, values: number, onNote: (note: string) => void): void {
  if (beyond === 0) return;
  const share = (100 * beyond / values).toFixed(1);
  onNote(`samples: ${share} % of the values lie beyond black and white, to which they are taken, as pictures have it`);
}
