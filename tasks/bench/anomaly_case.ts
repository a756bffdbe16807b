import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Progress } from "../../core/cli/mod.ts";
import { output, requirePackages } from "./output.ts";

/** What is measured of a set of rows. */
interface SetResult {
  readonly set: string;
  /** The area under the ROC curve of −log p, and its standard error. */
  readonly auroc: number;
  readonly stderr: number;
  /** That of each of scikit-learn's detectors. */
  readonly peers: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Runs a task as a user starts it. */
type RunTask = (script: string, args: readonly string[]) => Promise<Record<string, number>>;

/** How well −log p tells anomalies from usual rows, beside scikit-learn's detectors on the same rows; prints a table. */
export async function measureAnomalies(
  { python, json, signal }: { readonly python: string; readonly json: boolean; readonly signal: AbortSignal },
  runTask: RunTask,
): Promise<void> {
  await requirePackages(python, [{ module: "sklearn", install: "scikit-learn" }], "the case anomalies", signal);
  using progress = new Progress({ quiet: json });
  const folder = await Deno.makeTempDir({ prefix: "bench-" }), results: SetResult[] = [];
  try {
    progress.update({ label: "peers", done: 0, total: 1 });
    const script = fileURLToPath(new URL("anomaly_peers.py", import.meta.url));
    const sets = (await output(python, [script, folder], signal)).trim().split("\n").map((line) => JSON.parse(line));
    for (const [i, { set, peers }] of sets.entries()) {
      progress.update({ label: "sets", done: i, total: sets.length, fields: [set] });
      const begun = performance.now(), run = join(folder, set);
      await runTask("train_2d.ts", [join(folder, `${set}-train.csv`), "--out", run, "--figures", "off"]);
      const scored = await runTask("score.ts", [run, join(folder, `${set}-test.csv`), "--label", "odd=yes"]);
      const seconds = Math.round((performance.now() - begun) / 100) / 10;
      const result = { set, auroc: scored.auroc, stderr: scored.auroc_stderr, peers, seconds };
      results.push(result);
      if (json) console.log(JSON.stringify({ case: "anomalies", ...result }));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  progress.finish();
  if (!json) console.log(tableOf(results).join("\n"));
}

/** A line for each set, and the mean ranks. */
export function tableOf(results: readonly SetResult[]): string[] {
  const names = Object.keys(results[0].peers), width = Math.max(...names.map((name) => name.length)) + 2;
  const row = (cells: readonly string[]) =>
    cells.map((cell, k) => k === 0 ? cell.padEnd(12) : cell.padStart(width)).join("");
  const all = results.map(({ auroc, peers }) => [auroc, ...names.map((name) => peers[name])]);
  const ranks = all.map((areas) => areas.map((area) => 1 + areas.filter((other) => other > area).length));
  const mean = (of: (i: number) => number) => results.reduce((sum, _, i) => sum + of(i) / results.length, 0);
  return [
    "Area under the ROC curve, higher is better",
    row(["", "−log p", ...names]),
    ...results.map(({ set }, i) => row([set, ...all[i].map((area) => area.toFixed(4))])),
    row(["mean rank", ...["", ...names].map((_, k) => mean((i) => ranks[i][k]).toFixed(2))]),
    row(["mean", ...["", ...names].map((_, k) => mean((i) => all[i][k]).toFixed(4))]),
  ];
}
