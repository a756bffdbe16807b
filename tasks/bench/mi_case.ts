import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Progress, UsageError } from "../../core/cli/mod.ts";
import { renderSvg } from "../../core/figures/mod.ts";
import { claimFolder, RunFolder } from "../../core/run/folder.ts";
import { shown } from "../../core/run/result.ts";
import { TASK_PERMISSIONS } from "../doctor/child.ts";
import { informationErrorsFigure } from "./mi_figure.ts";
import { output } from "./output.ts";

/** What the command line says of the case `mi`. */
export interface MiOptions {
  readonly tasks: string | undefined;
  readonly out: string | undefined;
  readonly backend: string;
  readonly threads: number;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** What a folder of tasks says of each: the truth in nats, and the columns of x and of y. */
interface MiTask {
  readonly mi_nats: number;
  readonly dx: number;
  readonly dy: number;
}

/** A task that was run. */
export interface MiResult {
  readonly task: string;
  readonly truth: number;
  readonly mi_nats: number;
  readonly mi_stderr: number;
  readonly estimator: string;
  readonly seconds: number;
  readonly solved: boolean;
}

/** A task is solved by an error of no more nats than this, or no larger part of the truth. */
const WITHIN_NATS = 0.05, WITHIN_PART = 0.05;

const TRUTHS = "truth.json", RESULTS = "results.jsonl", FIGURE = "mi.svg";

/**
 * Mutual information of tasks whose truth is known, as cbg-ethz/bmi's (P. Czyż et al., arXiv 2306.11078): a folder with a
 * safetensors file for each, whose tensor `xy` has the columns of x before those of y, and truth.json. Each is run as
 * `deno task mi` runs it. Where it is interrupted, a table and a figure of those that are finished are written.
 *
 * @throws {UsageError} When the folder has no tasks.
 */
export async function measureInformation(options: MiOptions): Promise<void> {
  const { tasks, json, signal } = options;
  if (tasks === undefined) {
    throw new UsageError(`The case mi needs --tasks, a folder with ${TRUTHS} and a NAME.safetensors of each task.`);
  }
  const truths = await truthsIn(tasks);
  const folder = new RunFolder((await claimFolder(options.out, "runs/bench-mi", () => false)).path);
  const results: MiResult[] = [];
  using progress = new Progress({ quiet: json });
  try {
    for (const [task, { mi_nats: truth, dx, dy }] of truths) {
      progress.update({ label: "task", done: results.length, total: truths.length, fields: [task] });
      const begun = performance.now();
      const summary = JSON.parse(
        await output(Deno.execPath(), commandOf(task, dx, dy, folder.path, options), signal),
      ) as MiResult;
      const { mi_nats, mi_stderr, estimator } = summary;
      const solved = Math.abs(mi_nats - truth) <= Math.max(WITHIN_NATS, WITHIN_PART * truth);
      const seconds = Math.round(performance.now() - begun) / 1000;
      const result = { task, truth, mi_nats, mi_stderr, estimator, seconds, solved };
      results.push(result);
      await folder.appendLine(RESULTS, result);
      if (json) console.log(JSON.stringify(result));
      else progress.note(lineOf(result));
    }
  } finally {
    progress.finish();
    if (results.length > 0) {
      const figure = informationErrorsFigure("Error of the mutual information", results);
      await folder.write(FIGURE, await renderSvg(figure));
      if (!json) console.log(`${conclusion(results)}\nWrote ${shown(folder.path)}, with ${RESULTS}, ${FIGURE}`);
    }
  }
}

function commandOf(
  task: string,
  dx: number,
  dy: number,
  folder: string,
  { tasks, backend, threads }: MiOptions,
): string[] {
  const script = fileURLToPath(new URL("../mi.ts", import.meta.url));
  const columns = (first: number, count: number) => count === 1 ? `${first}` : `${first}-${first + count - 1}`;
  return [
    ...["run", ...TASK_PERMISSIONS, script, `${join(tasks!, `${task}.safetensors`)}:xy`],
    ...["--x", columns(0, dx), "--y", columns(dx, dy), "--out", join(folder, "runs", task)],
    ...["--backend", backend, "--threads", `${threads}`, "--figures", "off", "--json"],
  ];
}

async function truthsIn(folder: string): Promise<[string, MiTask][]> {
  let text: string;
  try {
    text = await Deno.readTextFile(join(folder, TRUTHS));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UsageError(`--tasks is ${folder}, which has no ${TRUTHS}. Name a folder that has it.`);
  }
  const tasks = parsed(text);
  if (tasks) return tasks;
  throw new UsageError(
    `${join(folder, TRUTHS)} is ${
      text.slice(0, 40)
    }, expected {"NAME": {"mi_nats": 0.4, "dx": 1, "dy": 1}} for each task.`,
  );
}

function parsed(text: string): [string, MiTask][] | undefined {
  try {
    const tasks = Object.entries(JSON.parse(text)) as [string, Partial<MiTask> | null][];
    const isCount = (n: unknown) => Number.isSafeInteger(n) && Number(n) > 0;
    const isTask = ([name, task]: [string, Partial<MiTask> | null]) =>
      name === basename(name) && Number.isFinite(task?.mi_nats) && isCount(task?.dx) && isCount(task?.dy);
    return tasks.length > 0 && tasks.every(isTask) ? tasks as [string, MiTask][] : undefined;
  } catch {
    return undefined;
  }
}

function lineOf({ task, truth, mi_nats, mi_stderr, estimator, seconds, solved }: MiResult): string {
  const estimate = `${mi_nats.toFixed(3)} ± ${mi_stderr.toFixed(3)} of ${truth.toFixed(3)} nats`;
  return `${solved ? "✓" : "✗"} ${task}: ${estimate} by the ${estimator}, ${seconds.toFixed(1)} s`;
}

/** How many are solved, and how often the truth lies within two errors. */
function conclusion(results: readonly MiResult[]): string {
  const errors = results.map(({ truth, mi_nats }) => Math.abs(mi_nats - truth)).sort((a, b) => a - b);
  const within = results.filter(({ truth, mi_nats, mi_stderr }) => Math.abs(mi_nats - truth) <= 2 * mi_stderr).length;
  const solved = results.filter(({ solved }) => solved).length;
  const slowest = Math.max(...results.map(({ seconds }) => seconds));
  return `${solved} of ${results.length} solved, to ${WITHIN_NATS} nats or ${100 * WITHIN_PART} %; median error ${
    errors[errors.length >> 1].toFixed(4)
  } nats; truth within two standard errors in ${within}; at most ${slowest.toFixed(1)} s`;
}
