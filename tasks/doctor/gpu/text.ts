import { hanging } from "../report.ts";
import type { CaseRecord, GpuReport, PathRecord, TimeRecord, TrainingRecord } from "./record.ts";
import { TIMED_CASES } from "./sizes.ts";

const NAME = 15;
const LABEL = 14;
const CELL = 12;

/** What came of a path. @param columns Characters in a line. */
export function pathText(path: PathRecord, columns: number): string {
  const { backend, card, absent, size, check, conformance, benchmark, training, crashes, faults } = path;
  if (absent !== undefined) return hanging(`${backend.padEnd(NAME)}not available: ${absent}`, NAME, columns);
  const [gb, ...others] = [card?.memory_bytes].filter((b) => b !== undefined).map((b) => `${(b / 1e9).toFixed(1)} GB`);
  const about = [
    card?.name ?? "a GPU of unknown name",
    ...(card?.software ? ["software"] : []),
    ...(gb === undefined ? others : [gb]),
    ...(card?.driver === undefined ? [] : [`driver ${card.driver}`]),
    ...(size === "small" ? ["small sizes"] : []),
  ].join(", ");
  const lines: [string, string][] = [
    ["", about],
    ...(check?.largest_error === undefined ? [] : [["values", valuesText(check)] as [string, string]]),
    ...(conformance ? [["conformance", conformanceText(conformance)] as [string, string]] : []),
  ];
  return [
    hanging(`${backend.padEnd(NAME)}on ${lines.shift()![1]}`, NAME, columns),
    ...lines.map(([label, text]) => labelled(label, text, columns)),
    ...(benchmark ? benchmarkText(benchmark, columns) : []),
    ...(training ? training.map((t) => labelled(`${t.task}`, trainingText(t), columns)) : []),
    ...counted(crashes ?? []).map((text) => labelled("tried again", text, columns)),
    ...faults.map((text) => labelled("WRONG", text, columns)),
  ].join("\n");
}

/** Texts that are the same as one, with their number. */
function counted(texts: readonly string[]): string[] {
  return [...new Set(texts)].map((text) => {
    const count = texts.filter((other) => other === text).length;
    return count > 1 ? `${text} (${count} times)` : text;
  });
}

function valuesText({ correct, largest_error }: NonNullable<PathRecord["check"]>): string {
  return `${correct ? "right" : "wrong"}, largest error ${largest_error?.toExponential(1) ?? "not finite"}`;
}

function conformanceText(cases: readonly CaseRecord[]): string {
  const within = cases.filter(({ of_tolerance: x }) => x !== undefined && x !== null && x <= 1);
  const worst = within.reduce((a, b) => Math.max(a, b.of_tolerance!), 0);
  return `${within.length} of ${cases.length} cases within their tolerance` +
    (within.length > 0 ? `, the largest error ${worst.toPrecision(2)} of it` : "");
}

/** A row a case, with its precisions side by side. */
function benchmarkText(benchmark: readonly TimeRecord[], columns: number): string[] {
  const titles = new Map(Object.values(TIMED_CASES).flat().map(({ name, title }) => [name, title]));
  const width = Math.max(...[...titles.values()].map(({ length }) => length)) + 1;
  const row = (title: string, cells: readonly string[]) =>
    labelled("", title.padEnd(width) + cells.map((cell) => cell.padStart(CELL)).join(""), columns).trimEnd();
  const ms = (x: number | undefined) =>
    x === undefined ? "" : `${x >= 100 ? Math.round(x) : Number(x.toPrecision(3))} ms`;
  const find = (name: string, precision: string) => benchmark.find((b) => b.case === name && b.precision === precision);
  const names = [...new Set(benchmark.map((b) => b.case))];
  return [
    labelled("a step", " ".repeat(width) + ["f32", "f16", "onnx-cpu"].map((t) => t.padStart(CELL)).join(""), columns),
    ...names.flatMap((name) => {
      const [full, half] = [find(name, "f32"), find(name, "f16")];
      const reason = full?.not_tried;
      const title = titles.get(name) ?? name;
      if (reason !== undefined) return [labelled("", `${title}: not tried: ${reason}`, columns)];
      return [row(title, [ms(full?.ms_per_step), ms(half?.ms_per_step), ms(full?.cpu_ms_per_step)])];
    }),
  ];
}

function trainingText({ precision, val_nll, resumed_val_nll, difference, seconds }: TrainingRecord): string {
  if (val_nll === undefined) return `${precision} failed`;
  return [
    `${precision} ${val_nll.toFixed(4)} nats`,
    ...(resumed_val_nll === undefined ? [] : [`resumed ${resumed_val_nll.toFixed(4)}`]),
    ...(difference === undefined ? [] : [`${difference.toExponential(1)} from onnx-cpu`]),
    ...(seconds === undefined ? [] : [`${seconds.toFixed(0)} s`]),
  ].join(", ");
}

/** The end: whether all is well, and where the file is. */
export function verdictText({ conforms, paths, seconds }: GpuReport, file: string, columns: number): string {
  const there = paths.filter(({ absent }) => absent === undefined);
  const wrong = there.filter(({ faults }) => faults.length > 0).map(({ backend }) => backend);
  const verdict = conforms
    ? `${there.map(({ backend }) => backend).join(", ")}: everything is as on the processor`
    : `WRONG: ${wrong.join(", ")}; see above`;
  return `${hanging(`${verdict}.`, 0, columns)}\nWrote ${file}, after ${seconds.toFixed(0)} s.`;
}

function labelled(label: string, text: string, columns: number): string {
  return hanging(`  ${label.padEnd(LABEL - 1)}${text}`, NAME, columns);
}
