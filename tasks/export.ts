import "../core/cli/listen.ts";
import { basename, join } from "node:path";
import { main, parseCommandLine, printText, Progress, takeNotes, UsageError } from "../core/cli/mod.ts";
import { exportRun, FORMATS } from "../core/export/mod.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { defaultThreads } from "../core/engine/start.ts";
import { claimName } from "../core/run/folder.ts";
import { openUsable } from "../core/run/open_usable.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { shown } from "../core/run/result.ts";

const options = {
  format: {
    optional: "string",
    choices: FORMATS,
    help: "diffusers: a folder that from_pretrained loads; onnx: one file; tfjs: a weights manifest and shards.",
  },
  batch: { optional: "number", min: 1, max: 65_536, integer: true, help: "Fixed batch of onnx (default: any)." },
  out: {
    optional: "string",
    placeholder: "folder",
    help: "Where to write (default: a new folder in the run's, named for the format).",
  },
  ...trustOption,
  ...outputOptions,
} as const;

await main((stop) =>
  orStopped("Stopped before the export was written; wrote nothing.", async () => {
    const { options: o, positional } = await parseCommandLine({
      name: "export",
      summary: "Writes a trained model in the form of another library.",
      positional: [{ name: "run", help: "The folder of a run, of one of its checkpoints, or of a diffusers model." }],
      options,
    }, Deno.args);
    const { format } = o;
    if (format === undefined) throw new UsageError(`--format is missing: ${FORMATS.join(", ")}.`);
    if (o.batch !== undefined && format !== "onnx") {
      throw new UsageError(`--batch is for --format onnx, but the format is ${format}. Leave it out.`);
    }
    const { notes, onNote } = takeNotes(new Progress({ quiet: o.quiet || o.json }));
    const run = await openUsable(positional.run, trustOf(o.trust), { onNote, signal: stop });
    const folder = await claimName(o.out, join(run.folder.path, format));

    // The others are written at once; an ONNX model is run first.
    using progress = new Progress({ quiet: o.quiet || o.json || format !== "onnx" });
    progress.update({ label: "export", done: 0, total: 1 });
    const started = performance.now();
    const { files, bytes, difference } = await exportRun(run, format, folder, {
      threads: defaultThreads(),
      signal: stop,
      ...(o.batch === undefined ? {} : { batch: o.batch }),
    });
    progress.update({ label: "export", done: 1, total: 1 });
    progress.finish();
    const summary = {
      task: "export",
      run: shown(run.folder.path),
      ...(run.weights === undefined ? { epoch: run.epoch } : { weights: run.weights }),
      format,
      ...(format === "onnx" ? { batch: o.batch ?? null, largest_difference: difference } : {}),
      parameters: Object.values(run.params).reduce((sum, { data }) => sum + data.length, 0),
      bytes,
      seconds: Math.round(performance.now() - started) / 1000,
      folder: shown(folder),
      files,
      ...(notes.length > 0 ? { notes } : {}),
    };
    const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
    printText(
      o.json
        ? JSON.stringify(summary)
        : `${run.weights ?? `${basename(run.folder.path)} after epoch ${run.epoch}`} as ${format}, ${size}\n` +
          `Wrote ${summary.folder}, with ${describe(files)}`,
    );
  })
);

/** The names of files; of shards the first and the last. */
function describe(files: readonly string[]): string {
  const shown = files.length <= 5 ? files : [...files.slice(0, 2), `… ${files.at(-1)}`];
  return shown.join(", ");
}
