import "../core/cli/listen.ts";
import { main, parseCommandLine, printText, Progress, takeNotes, UsageError } from "../core/cli/mod.ts";
import { imageShape } from "../core/figures/pictures.ts";
import { runBackendOption } from "../core/run/backend.ts";
import { openUsable } from "../core/run/open_usable.ts";
import { outputOptions, trustOf, trustOption } from "../core/run/options.ts";
import { optionName } from "../core/options/names.ts";
import { imageOptions, imputeImages } from "./impute/images.ts";
import { imputeTable } from "./impute/table.ts";

const options = { ...imageOptions, ...runBackendOption, ...trustOption, ...outputOptions } as const;

/** What a table is filled by as well. */
const OF_TABLES = ["draws", "mean", "seed", "out"];

await main(async (stop) => {
  const { options: o, positional, given } = await parseCommandLine({
    name: "impute",
    summary:
      "Fills in what is missing of a table, or of pictures, by a model of such: several draws, their mean and scatter.",
    positional: [
      { name: "run", help: "The folder of a run, of one of its checkpoints, or of a diffusers model." },
      { name: "file", help: "A table; or a picture, a folder of them, or a file of images." },
    ],
    options,
  }, Deno.args);
  using progress = new Progress({ quiet: o.quiet || o.json });
  const { notes, onNote } = takeNotes(progress);
  const opened = await openUsable(positional.run, trustOf(o.trust), { onNote });
  if (opened.info.table) {
    requireOfTables(given, positional.run);
    const { summary, lines } = await imputeTable({ opened, file: positional.file, options: o, progress, onNote, stop });
    printText(o.json ? JSON.stringify({ ...summary, ...(notes.length > 0 ? { notes } : {}) }) : lines.join("\n"));
    return;
  }
  if (!imageShape(opened.info.shape)) {
    throw new UsageError(
      `The samples of ${positional.run} are of shape [${opened.info.shape}], expected images or rows of a table. Name a run of such.`,
    );
  }
  const { summary, lines } = await imputeImages({ opened, file: positional.file, options: o, progress, onNote, stop });
  printText(o.json ? JSON.stringify({ ...summary, ...(notes.length > 0 ? { notes } : {}) }) : lines.join("\n"));
});

/** @throws {UsageError} For an option that says nothing of a table. */
function requireOfTables(given: ReadonlySet<string>, run: string): void {
  const wrong = Object.keys(imageOptions).find((name) => given.has(name) && !OF_TABLES.includes(name));
  if (wrong === undefined) return;
  throw new UsageError(`${optionName(wrong)} is of images, but ${run} is a run of a table. Leave it out.`);
}
