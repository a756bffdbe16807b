import type { ColumnSummary } from "./column_summary.ts";
import { type LeftOutColumn, OTHER, type TableColumn } from "../rows/column_types.ts";
import { ID_NAME } from "./decide_column.ts";

/** A column that may be modelled. */
export interface Candidate {
  readonly column: TableColumn;
  readonly summary: ColumnSummary;
  /** Whether the user said what it is, and so wants it. */
  readonly isAsked: boolean;
}

/**
 * The columns that say the same as another: their cells are equal in all rows, or are classes that go one to one. The first
 * is kept, but one whose name says that it numbers rows.
 *
 * @returns Those that are left out, by name.
 */
export function findDuplicates(candidates: readonly Candidate[]): ReadonlyMap<string, LeftOutColumn> {
  const found = new Map<string, LeftOutColumn>();
  const groups = Map.groupBy(candidates, ({ summary }) => summary.pattern);
  for (const group of groups.values()) {
    const order = [
      ...group.filter(({ isAsked }) => isAsked),
      ...group.filter(({ isAsked, column }) => !isAsked && !ID_NAME.test(column.name)),
      ...group.filter(({ isAsked, column }) => !isAsked && ID_NAME.test(column.name)),
    ];
    // Of equal cells, and of classes that go one to one, as all of the same pattern do.
    const equal = new Map<string, Candidate>();
    let classes: Candidate | undefined;
    for (const candidate of order) {
      const { column: { name, kind }, summary, isAsked } = candidate, same = equal.get(summary.content);
      const renamed = !isAsked && !same && classes ? renamedLevels(classes, candidate) : undefined;
      if (!isAsked && same) found.set(name, { name, reason: "duplicate", of: same.column.name });
      else if (renamed) found.set(name, { name, reason: "duplicate", of: classes!.column.name, ...renamed });
      else {
        if (!same) equal.set(summary.content, candidate);
        if (kind === "class") classes ??= candidate;
      }
    }
  }
  return found;
}

/** What is written in a column of classes for each level of another that says the same; nothing of other columns. */
function renamedLevels(
  { column: from, summary }: Candidate,
  other: Candidate,
): { levels: readonly string[]; bare?: true } | undefined {
  const to = other.column, places = summary.levels, texts = other.summary.levels;
  if (from.kind !== "class" || to.kind !== "class" || !places || !texts || places.length !== texts.length) {
    return undefined;
  }
  // The levels of both were met in the same rows, so that they are in the same order.
  const renamed = new Map(places.map(({ text }, k) => [text, texts[k].text]));
  const levels = from.levels.map((level) => renamed.get(level) ?? OTHER);
  return { levels, ...(to.bare ? { bare: true } : {}) };
}
