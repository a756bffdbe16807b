import type { TableCoding } from "../../core/rows/table_coding.ts";
import { shownCell } from "../../core/rows/describe_table.ts";
import type { TopRow } from "../../core/evaluation/score_blocks.ts";

/** Values that are named of an anomalous row, and nats above usual from which they are. */
const NAMED = 3, LEAST = 1;

/** What the terminal shows. */
export function linesOf(
  s: {
    readonly run: string;
    readonly data: string;
    readonly rows: number;
    readonly read?: string;
    readonly nats: number;
    readonly log_scale?: number;
    readonly by: string;
    readonly against: { readonly part: string; readonly rows: number };
    readonly threshold?: number;
    readonly anomalies?: number | undefined;
    readonly label?: string | undefined;
    readonly auroc?: number;
    readonly auroc_stderr?: number;
    readonly average_precision?: number;
    readonly labelled?: number;
    readonly seconds: number;
    readonly rows_per_second: number;
    readonly out?: string;
    readonly figures: readonly string[];
  },
  top: readonly TopRow[],
  names: readonly string[],
  coding: TableCoding | undefined,
): string[] {
  const rows = s.against.part === "train" ? "training rows, which the model has seen" : "validation rows";
  const wrote = [...s.out === undefined ? [] : [s.out], ...s.figures.map((path) => `${s.run}/${path}`)];
  return [
    `${s.rows.toLocaleString("en")} rows of ${s.data} under ${s.run}, by ${s.by}`,
    ...(s.read ? [`  read ${s.read}`] : []),
    `−log p on average  ${s.nats.toFixed(3)} nats; p-values among ${s.against.rows.toLocaleString("en")} ${rows}`,
    ...(s.threshold === undefined ? [] : [
      `Anomalies          ${s.anomalies} rows with p ≤ ${s.threshold}; ${
        (s.threshold * s.rows).toFixed(1)
      } are expected of ` +
      "rows like those",
    ]),
    ...(s.auroc === undefined ? [] : [
      `AUROC              ${s.auroc.toFixed(4)} ± ${s.auroc_stderr!.toFixed(4)}, average precision ` +
      `${s.average_precision!.toFixed(4)}; ${s.labelled} anomalies, where ${s.label}`,
    ]),
    "The most anomalous rows, from 0:",
    ...top.map((row) =>
      `  ${String(row.row).padStart(String(s.rows).length)}  ${row.nll.toFixed(2).padStart(8)} nats  p ${
        row.p < 0.001 ? row.p.toExponential(1) : row.p.toFixed(3)
      }  ${because(row, names, coding)}`
    ),
    `${s.seconds.toFixed(1)} s, ${s.rows_per_second.toLocaleString("en")} rows a second`,
    `Wrote ${wrote.join(", ")}`,
  ];
}

function because({ excess, cells }: TopRow, names: readonly string[], coding: TableCoding | undefined): string {
  const order = [...excess.keys()].filter((k) => excess[k] > LEAST).sort((a, b) => excess[b] - excess[a]).slice(
    0,
    NAMED,
  );
  return order.map((k) => {
    const value = coding && cells ? ` ${shownCell(coding, cells, k)}` : "";
    return `${names[k]}${value} +${excess[k].toFixed(1)}`;
  }).join(", ");
}
