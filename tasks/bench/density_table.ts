import { bestOf, isMeasured, type ModelResult, type SetResult, type Verdict } from "./density_results.ts";

/** What marks the best of ours and the peers. */
const BEST = "*";

/** The results as a table: a row per set, a column per model. */
export function densityTable(results: readonly SetResult[]): string {
  const models = [...new Set(results.flatMap((result) => result.models.map(({ model }) => model)))];
  const columns = ["ours", "reference", ...models.filter((model) => model !== "ours" && model !== "reference")];
  const isCompared = results.some(({ verdict }) => verdict !== undefined);
  const head = ["set", "truth", ...columns, ...(isCompared ? ["ours beside the best peer"] : [])];
  const rows = results.map(({ set, truth, models, verdict }) => {
    const best = bestOf(models.filter(({ model }) => model !== "reference"));
    const cells = columns.map((column) => {
      const result = models.find(({ model }) => model === column);
      return result ? cellOf(result, result.model === best?.model) : "";
    });
    return [set, truth?.toFixed(3) ?? "", ...cells, ...(isCompared ? [verdict ? inWords(verdict) : ""] : [])];
  });
  return aligned([head, ...rows]);
}

/** What the table's numbers are, and why some are missing. */
export function tableNotes(results: readonly SetResult[]): string[] {
  const [{ threads }] = results;
  const failures = results.flatMap(({ set, models }) =>
    models.flatMap(({ model, error }) => error === undefined ? [] : [`${model} on ${set}: ${error}`])
  );
  return [
    `NLL in nats of test points ± one standard error, with the seconds that fitting and measuring took on ${threads} ` +
    `${threads === 1 ? "thread" : "threads"}; ${BEST} the best of ours and the peers. reference is ours without its ` +
    "network. truth is the entropy, of mixtures the true density's NLL of the same points.",
    ...failures,
  ];
}

/** A model's result in a few words. */
export function resultLine({ nll_nats: nll, stderr, seconds, error }: ModelResult): string {
  if (nll === undefined) return error ?? "failed";
  const spread = stderr === undefined ? "" : ` ± ${stderr.toFixed(3)}`;
  return `${nll.toFixed(3)}${spread}${seconds === undefined ? "" : ` (${secondsOf(seconds)} s)`}`;
}

function cellOf(result: ModelResult, isBest: boolean): string {
  if (!isMeasured(result)) return "failed";
  if (result.model === "reference") return result.nll_nats.toFixed(3);
  return `${resultLine(result)}${isBest ? ` ${BEST}` : ""}`;
}

function inWords(verdict: Verdict): string {
  const { best_peer: peer, ours_less_peer: mean, ours_less_peer_stderr: stderr, as_good, better } = verdict;
  const by = `${Math.abs(mean).toFixed(3)} ± ${stderr.toFixed(3)}`;
  if (better) return `better than ${peer} by ${by}`;
  if (as_good) return `as good as ${peer}: ${mean < 0 ? "−" : "+"}${by}`;
  return `behind ${peer} by ${by}`;
}

function secondsOf(seconds: number): string {
  return seconds.toFixed(seconds < 10 ? 1 : 0);
}

/** Columns of equal width, two spaces apart. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()).join("\n");
}
