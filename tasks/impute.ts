import "../core/cli/listen.ts";
import { main, parseCommandLine, printText, Progress, takeNotes, UsageError } from "../core/cli/mod.ts";
import { imageShape } from "../core/figures/pictures.ts";
import { runBackendOption } from "../core/run/backend.ts";
import { openUsable } from "../core/run/open_usable.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { imageOptions, imputeImages } from "./impute/images.ts";

const options = { ...imageOptions, ...runBackendOption, ...trustOption, ...outputOptions } as const;

await main(async (stop) => {
  const { options: o, positional } = await parseCommandLine({
    name: "impute",
    summary: "Fills in what is missing of pictures by a model of such pictures: several draws, their mean and scatter.",
    positional: [
      { name: "run", help: "The folder of a run, of one of its checkpoints, or of a diffusers model." },
      { name: "file", help: "A picture, a folder of them, or a file of images." },
    ],
    options,
  }, Deno.args);
  using progress = new Progress({ quiet: o.quiet || o.json });
  const { notes, onNote } = takeNotes(progress);
  const opened = await openUsable(positional.run, trustOf(o.trust), { onNote });
  if (!imageShape(opened.info.shape)) {
    throw new UsageError(
      `The samples of ${positional.run} are of shape [${opened.info.shape}], expected images. Name a run of images.`,
    );
  }
  const { summary, lines } = await imputeImages({ opened, file: positional.file, options: o, progress, onNote, stop });
  printText(o.json ? JSON.stringify({ ...summary, ...(notes.length > 0 ? { notes } : {}) }) : lines.join("\n"));
});
