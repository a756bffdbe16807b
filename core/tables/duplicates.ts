import type { ColumnSummary } from "./column_summary.ts";
import { type LeftOutColumn, OTHER, type TableColumn } from "./column_types.ts";
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
    const kept: Candidate[] = [];
    for (const candidate of order) {
      const { name } = candidate.column;
      const twin = candidate.isAsked ? undefined : kept.find((other) => duplicateOf(other, candidate));
      if (twin) found.set(name, { name, reason: "duplicate", of: twin.column.name, ...duplicateOf(twin, candidate) });
      else kept.push(candidate);
    }
  }
  return found;
}

/** What is written in a column for each level of another, where both say the same; nothing where they do not. */
function duplicateOf(
  kept: Candidate,
  other: Candidate,
): { levels?: readonly string[]; bare?: true } | undefined {
  if (kept.summary.content === other.summary.content) return {};
  const from = kept.column, to = other.column, places = kept.summary.levels, texts = other.summary.levels;
  if (from.kind !== "class" || to.kind !== "class" || !places || !texts || places.length !== texts.length) {
    return undefined;
  }
  // The levels of both were met in the same rows, so that they are in the same order.
  const renamed = new Map(places.map(({ text }, k) => [text, texts[k].text]));
  const levels = from.levels.map((level) => renamed.get(level) ?? OTHER);
  return { levels, ...(to.bare ? { bare: true } : {}) };
}
