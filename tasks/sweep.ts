import "../core/cli/listen.ts";
import { mainOfMany, parseCommandLine, printText, Progress } from "../core/cli/mod.ts";
import { InterruptedError } from "../core/errors/interrupted_error.ts";
import { defaultThreads } from "../core/engine/start.ts";
import { outputOptions } from "../core/run/options.ts";
import { shown } from "../core/run/result.ts";
import { writeComparison } from "../core/sweep/comparison.ts";
import { failureOf } from "../core/sweep/errors.ts";
import { failureMessage, failuresToTell } from "../core/sweep/failures.ts";
import { allowedHosts } from "../core/sweep/hosts.ts";
import { SweepFolder } from "../core/sweep/folder.ts";
import { commandsOf, runShare } from "../core/sweep/run_share.ts";
import { shareIn } from "../core/sweep/share.ts";
import { comparisonLines, comparisonRecord } from "../core/sweep/tables.ts";
import { digestOf, parseSweep } from "../core/sweep/template.ts";

const options = {
  jobs: { default: 1, min: 1, max: 1024, integer: true, help: "Runs at a time, in this process's share." },
  out: {
    optional: "string",
    placeholder: "folder",
    help: "The sweep's folder (default: one in runs that the same command finds again).",
  },
  allowImport: {
    optional: "string",
    list: true,
    placeholder: "host",
    help: "Hosts that the runs may import plugins from, where the command names one by its URL.",
  },
  ...outputOptions,
} as const;

await mainOfMany(async (stop) => {
  const [started, startedAt] = [performance.now(), Date.now()];
  const { options: o, positional } = await parseCommandLine({
    name: "sweep",
    summary:
      "Trains once for each combination of values in braces, and compares the runs. Under mpirun, srun and in a " +
      "Slurm job array the runs are dealt to the processes. The same command goes on with what is not finished.",
    positional: [{
      name: "command",
      help: "A training task and its options in quotes: 'train:2d moons --seed {1..8}'.",
    }],
    options,
  }, Deno.args);
  const sweep = parseSweep(positional.command);
  const hosts = allowedHosts(sweep, o.allowImport);
  const share = shareIn(Deno.env.toObject());
  const folder = await SweepFolder.open(o.out ?? `runs/sweep-${digestOf(sweep)}`, sweep);
  const own = commandsOf(sweep.commands, share);
  const atOnce = o.jobs * share.onHost;
  const threads = Math.min(defaultThreads(), Math.max(1, Math.floor(navigator.hardwareConcurrency / atOnce)));

  using progress = new Progress({ quiet: o.quiet || o.json });
  await runShare(folder, own, {
    jobs: o.jobs,
    extraArgs: atOnce > 1 ? [`--threads=${threads}`] : [],
    hosts,
    signal: stop,
    onChange: (line, done) => {
      progress.note(line);
      progress.update({ label: "run", done, total: own.length });
    },
  });
  progress.finish();

  const runs = await Promise.all(
    sweep.commands.map(async (command) => ({ ...command, state: await folder.stateOf(command) })),
  );
  const path = shown(folder.folder.path);
  const unfinished = new Set(runs.flatMap(({ name, state }) => state.kind === "unfinished" ? [name] : []));
  if (stop.aborted && own.some(({ name }) => unfinished.has(name))) {
    throw new InterruptedError(`Stopped, and saved what was running in ${path}. The same command goes on.`);
  }
  const { files, problem } = unfinished.size > 0 ? { files: [] } : await writeComparison(folder, runs);
  if (o.json) {
    printText(JSON.stringify({
      task: "sweep",
      ...comparisonRecord(sweep, runs),
      seconds: Math.round(performance.now() - started) / 1000,
      folder: path,
      files,
    }));
  } else if (unfinished.size > 0) {
    const others = unfinished.size === 1 ? "1 run is" : `${unfinished.size} runs are`;
    printText(`${others} left to other processes; the last of them writes the comparison to ${path}.`);
  } else {
    printText([...comparisonLines(sweep, runs), "", `Wrote ${path}, with ${files.join(", ")}`].join("\n"));
  }
  const failures = failuresToTell(runs, own, share, startedAt);
  if (failures.length > 0) {
    throw failureOf(failureMessage(failures, runs.length, path), failures.map(({ state }) => state.message));
  }
  if (problem !== undefined) throw failureOf(`There is no page that compares the runs: ${problem}`, [problem]);
});
