import "../core/cli/listen.ts";
import { main, parseCommandLine, printText, Progress } from "../core/cli/mod.ts";
import { orStopped } from "../core/errors/interrupted_error.ts";
import { positionalArguments } from "../core/report/arguments.ts";
import { writeReport } from "../core/report/mod.ts";
import { fileSize } from "../core/report/numbers.ts";
import { outputOptions } from "../core/run/options.ts";
import { shown } from "../core/run/result.ts";

const options = {
  out: {
    optional: "string",
    placeholder: "file",
    help: "The page's file (default: report.html in the run's folder, or in the one that all runs are in).",
  },
  live: {
    default: true,
    onOff: true,
    help: "Evaluate two-dimensional models in the page, which makes it 5 MB larger.",
  },
  ...outputOptions,
} as const;

await main((stop) =>
  orStopped("Stopped before the page was written; wrote nothing.", async () => {
    const { options: o } = await parseCommandLine({
      name: "report",
      summary: "Writes one page about a run, or about several that are compared: an HTML file that needs nothing else.",
      positional: [{ name: "run...", help: "The folders of runs, or of checkpoints." }],
      options,
    }, Deno.args);
    const paths = positionalArguments(Deno.args, options);
    using progress = new Progress({ quiet: o.quiet || o.json });
    progress.update({ label: "report", done: 0, total: paths.length });
    const started = performance.now();
    const { path, bytes, runs } = await writeReport(paths, o.out, {
      live: o.live,
      signal: stop,
      onRun: (done) => progress.update({ label: "report", done, total: paths.length }),
    });
    progress.finish();
    const summary = {
      task: "report",
      runs: runs.map(({ files, live, notes }) => ({
        run: shown(files.folder.path),
        finished: files.summary !== undefined,
        live: live !== undefined,
        notes,
      })),
      bytes,
      seconds: Math.round(performance.now() - started) / 1000,
      file: shown(path),
    };
    const notes = runs.flatMap(({ label, notes }) => notes.map((note) => `${label}: ${note}\n`));
    printText(o.json ? JSON.stringify(summary) : `${notes.join("")}Wrote ${summary.file}, ${fileSize(bytes)}`);
  })
);
