import { shownName } from "../io/columns.ts";
import {
  type ClassColumn,
  type LeftOutColumn,
  MAX_LEVELS,
  type NumberColumn,
  OTHER,
  type TableColumn,
  TableError,
} from "../rows/column_types.ts";
import type { ColumnSummary, Level } from "./column_summary.ts";
import { DAY, type FoundDates } from "../rows/dates.ts";
import { monthsOf } from "../rows/months.ts";
import type { Table } from "./open_table.ts";
import type { ColumnRequest } from "./types_file.ts";

/** A step below 1 and this share of the standard deviation rounds nothing that matters, unless values recur. */
const TINY_STEP = 1e-4;

/** Rows from which two numbers that recur are taken for classes. */
const FEW_ROWS = 5;

/** The share of the rows that the levels have which are not lumped together. */
const LUMPED_LEAVES = 0.9;

/** The share of the rows in which a continuous number recurs that is no density there. */
const ATOM = 0.01;

/** Names of columns that number rows. */
export const ID_NAME =
  /^(id|ids|idx|index|row|rows|no|nr|num|number|key|#|rowid|row[ _.-]?(id|nr|no|num|number|index)|.*[ _.-]id|unnamed: ?\d+)$/i;

/** What a column is, or why it is left out, and what the reader should know of it. */
export type Decision =
  & { readonly notes: string[] }
  & ({ readonly column: TableColumn } | { readonly leftOut: LeftOutColumn });

/**
 * Decides what a column is.
 *
 * @param request What the user says of it.
 * @param rows The table's.
 * @throws {TableError} For a column that is not what it is said to be.
 */
export function decideColumn(
  table: Table,
  name: string,
  summary: ColumnSummary,
  request: ColumnRequest | undefined,
  rows: number,
): Decision {
  const { texts, numbers, booleans, dates } = summary;
  const out = (leftOut: LeftOutColumn, note?: string): Decision => ({
    leftOut,
    notes: note === undefined ? [] : [note],
  });
  if (request?.kind === "drop") return out({ name, reason: "dropped" });
  if (request?.kind === "id") return out({ name, reason: "id" });
  const isWordy = summary.known === 0 && summary.words > 0;
  if (summary.known === 0 && !(isWordy && request?.kind === "class")) {
    return out({ name, reason: "empty" }, "left out, no row has a value");
  }
  if (request?.kind === "number") return numberAsked(table, name, summary, request);
  if (request?.kind === "date") return dateAsked(table, name, summary, request);
  if (request?.kind === "class") return classOf(table, name, summary, request);
  const notes = wordNotes(summary), levels = levelsOf(summary);
  if (levels?.length === 1) {
    const [{ text }] = levels, bare = isBare(summary);
    const of = summary.known === rows ? "" : " where it is known";
    return out(
      { name, reason: "constant", value: text, ...bare },
      `left out, is ${JSON.stringify(text.slice(0, 40))}${of} in every row`,
    );
  }
  if (dates > 0 && texts + numbers + booleans === 0) return { column: storedDate(name, summary), notes };
  const date = texts > 0 && numbers + booleans + dates === 0 ? foundDate(name, summary, undefined, notes) : undefined;
  if (date) return date;
  const isWhole = summary.steps.decimals === 0, areCodes = summary.codes > 0 && isWhole;
  if (texts + booleans + dates > 0 || areCodes || levels?.length === 2 && summary.known >= FEW_ROWS) {
    return classOf(table, name, summary, undefined);
  }
  if (isWhole && (ID_NAME.test(name) || /^column 1$/.test(name)) && summary.known === rows) {
    const isUnique = summary.isAscending || levels?.length === rows;
    const counts = summary.isCounting && summary.isAscending;
    if (counts || isUnique && ID_NAME.test(name)) {
      return out({ name, reason: "id" }, counts ? "left out, it counts the rows" : "left out, it numbers the rows");
    }
  }
  const column = numberColumn(name, summary, undefined);
  return { column, notes: [...notes, ...numberNotes(column, summary)] };
}

/** The values of a column, of which words that stand for missing ones are none where it is of numbers or dates. */
function levelsOf(summary: ColumnSummary): Level[] | undefined {
  const isOfTexts = summary.texts > 0 && !summary.dateFinder.found;
  return summary.levels?.filter(({ isWord }) => isOfTexts || !isWord);
}

/** Says which words stand for missing values, other than those that hardly mean anything else. */
function wordNotes(summary: ColumnSummary): string[] {
  const grouped = summary.grouped > 0 && summary.texts === 0
    ? ["digits in groups of three, with separators of thousands"]
    : [];
  const words = summary.levels?.filter(({ isWord }) => isWord) ?? [];
  const isOfTexts = summary.texts > 0 && !summary.dateFinder.found;
  const all = [
    ...isOfTexts ? [] : words.map(({ text, count }) => [text, count] as const),
    ...[...summary.missing].filter(([marker]) => marker === "?" || marker === "."),
  ];
  const unknown = all.map(([text, count]) =>
    `${JSON.stringify(text)} taken for unknown in ${count} ${count === 1 ? "row" : "rows"}`
  );
  return [...grouped, ...unknown];
}

function numberColumn(
  name: string,
  summary: ColumnSummary,
  request: Extract<ColumnRequest, { kind: "number" }> | undefined,
): NumberColumn {
  const { steps, distinctShare, numbers, quoted } = summary, { min, max } = steps;
  const found = steps.found(summary.levels?.length ?? summary.limit);
  const isRounded = found !== undefined &&
    (found.step >= 1 || found.step > TINY_STEP * steps.spread || numbers >= 20 && distinctShare < 0.5);
  const asked = request?.step, step = asked === 0 ? undefined : asked ?? (isRounded ? found.step : undefined);
  const offset = step === undefined ? 0 : asked === undefined ? found!.offset : remainder(min, step);
  return {
    ...{ name, kind: "number" },
    ...(step === undefined ? {} : { step }),
    ...(offset === 0 ? {} : { offset }),
    decimals: isRounded && asked === undefined && steps.decimals > found.decimals && steps.decimals > 13
      ? found.decimals
      : Math.min(100, steps.decimals),
    ...(steps.decimals > 0 && steps.fewestDecimals === steps.decimals ? { padded: true } : {}),
    ...(summary.grouped > 0 ? { grouped: true } : {}),
    ...{ min, max },
    ...(request?.transform === undefined ? {} : { transform: request.transform }),
    ...(request?.bounds === undefined ? {} : { bounds: request.bounds }),
    ...(quoted > numbers / 2 ? { quoted: true } : {}),
  };
}

/** What is left of a value when it is divided by a step, to the digits that there are. */
function remainder(value: number, step: number): number {
  const rest = Number((value - step * Math.floor(value / step + 1e-9)).toPrecision(12));
  return Math.abs(rest) < 1e-9 * step ? 0 : rest;
}

function numberAsked(
  table: Table,
  name: string,
  summary: ColumnSummary,
  request: Extract<ColumnRequest, { kind: "number" }>,
): Decision {
  const { texts, booleans, dates, numbers } = summary;
  if (texts > 0 || booleans > 0 || dates > 0 || numbers === 0) {
    const got = summary.firstText
      ? `has ${JSON.stringify(summary.firstText.text.slice(0, 40))} in ${summary.firstText.place}`
      : booleans > 0
      ? "is of true and false"
      : "is of dates";
    throw new TableError(
      `${table.path}: ${shownName(name)} is to be a number, but ${got}. Clean the data, or make it a class.`,
    );
  }
  const column = numberColumn(name, summary, request), { bounds } = column;
  if (bounds && (column.min < bounds[0] || column.max > bounds[1])) {
    throw new TableError(
      `${table.path}: ${shownName(name)} goes from ${column.min} to ${column.max}, beyond its bounds ${
        bounds.join(", ")
      }. ` +
        "Correct the bounds, or clean the data.",
    );
  }
  const asked = request.step ?? 0, own = summary.steps.divisor ?? 0, times = own / asked;
  if (asked > 0 && (own === 0 || Math.abs(times - Math.round(times)) > 1e-6 || times < 0.5)) {
    throw new TableError(
      `${table.path}: ${shownName(name)} is to be in steps of ${asked}, but its values ` +
        (own === 0 ? "have no step" : `are in steps of ${own}`) + ". Correct the step, or leave it out.",
    );
  }
  return { column, notes: [...wordNotes(summary), ...numberNotes(column, summary)] };
}

/** What is doubtful of numbers. */
function numberNotes({ step, min, max, decimals }: NumberColumn, summary: ColumnSummary): string[] {
  const { extremes: { marker }, numbers, firstNumber, recurring } = summary;
  const rows = (count: number) => `${count} ${count === 1 ? "row" : "rows"}`;
  const atoms = step === undefined ? recurring.filter(({ count }) => count >= Math.max(FEW_ROWS, ATOM * numbers)) : [];
  const some = atoms.slice(0, 3).map(({ value, count }) => `${value} in ${rows(count)}`).join(", ");
  const isBeyond = Math.max(-min, max) > Number.MAX_SAFE_INTEGER && decimals === 0 &&
    /^[+-]?\d+$/.test(firstNumber!.text);
  return [
    ...(marker
      ? [
        `is ${marker.value} in ${
          rows(marker.count)
        }, far from all else; where that stands for unknown, empty these cells`,
      ]
      : []),
    ...(atoms.length > 0
      ? [
        `is ${some}${
          atoms.length > 3 ? ", …" : ""
        }: a density has no bound where a value recurs, so that its −log p says ` +
        "little; a step by --types makes it one of probabilities",
      ]
      : []),
    ...(isBeyond
      ? ["has whole numbers beyond 2^53, which are not told apart to the last digit; --id, if they name the rows"]
      : []),
  ];
}

function dateAsked(
  table: Table,
  name: string,
  summary: ColumnSummary,
  request: Extract<ColumnRequest, { kind: "date" }>,
): Decision {
  const { texts, numbers, booleans, dates } = summary;
  if (dates > 0 && texts + numbers + booleans === 0) return { column: storedDate(name, summary), notes: [] };
  if (numbers + booleans === 0 && texts > 0) {
    const decided = foundDate(name, summary, request.format, wordNotes(summary));
    if (decided) return decided;
  }
  const example = numbers > 0 ? summary.firstNumber : summary.firstText;
  const got = example ? `${JSON.stringify(example.text.slice(0, 40))} in ${example.place}` : "other values";
  const expected = request.format ?? "one form in all rows, as YYYY-MM-DD or M/D/YYYY";
  throw new TableError(`${table.path}: ${shownName(name)} is to be a date, expected ${expected}, but it has ${got}.`);
}

function storedDate(name: string, { dateSteps: { min, max, step, origin, months } }: ColumnSummary): TableColumn {
  const gap = step || DAY, isOfDays = gap % DAY === 0 && min % DAY === 0;
  const format = isOfDays
    ? "YYYY-MM-DD"
    : min % 1000 === 0 && gap % 1000 === 0
    ? "YYYY-MM-DDTHH:mm:ss"
    : "YYYY-MM-DDTHH:mm:ss.SSS";
  return dateColumn(name, format, { min: min / DAY, max: max / DAY, step: gap / DAY, origin: origin / DAY, months });
}

function foundDate(
  name: string,
  summary: ColumnSummary,
  format: string | undefined,
  notes: string[],
): Decision | undefined {
  const found = summary.dateFinder.as(format);
  if (!found) return undefined;
  const assumed = found.isAmbiguous && format === undefined
    ? [`dates read as ${found.format}, though D/M would do as well; --types says which`]
    : [];
  return { column: dateColumn(name, found.format, found), notes: [...notes, ...assumed] };
}

function dateColumn(
  name: string,
  format: string,
  { min, max, step, origin, months }: Omit<FoundDates, "format" | "isAmbiguous" | "months"> & {
    readonly months?: FoundDates["months"] | undefined;
  },
): TableColumn {
  if (months) {
    const offset = ((months.origin % months.step) + months.step) % months.step;
    return {
      ...{ name, kind: "date", months: true, step: months.step, ...(offset === 0 ? {} : { offset }), format },
      ...{ min: monthsOf(min), max: monthsOf(max) },
    };
  }
  const unit = Math.round(step * DAY), rest = ((Math.round(origin * DAY) % unit) + unit) % unit;
  return { name, kind: "date", step, ...(rest === 0 ? {} : { offset: rest / DAY }), format, min, max };
}

/** Whether levels are numbers, true or false in JSON, and not only texts. */
function isBare({ numbers, quoted, booleans }: ColumnSummary): { bare?: true } {
  return booleans > 0 || numbers > quoted ? { bare: true } : {};
}

function classOf(
  table: Table,
  name: string,
  summary: ColumnSummary,
  request: Extract<ColumnRequest, { kind: "class" }> | undefined,
): Decision {
  const met = request ? summary.levels : levelsOf(summary), total = summary.known + summary.words;
  const isMixed = summary.texts > 0 && summary.numbers > summary.texts;
  const mixed = isMixed && summary.firstText
    ? [
      `has ${summary.texts === 1 ? "a text" : `${summary.texts} texts`} among numbers, ` +
      `${JSON.stringify(summary.firstText.text.slice(0, 40))} in ${summary.firstText.place}`,
    ]
    : [];
  const asText = (why: string): Decision => ({
    leftOut: { name, reason: "text" },
    notes: [...mixed, `left out, ${why}${unitHint(summary)}`],
  });
  if (!met) {
    if (request) {
      throw new TableError(
        `${table.path}: ${shownName(name)} is to be a class, but has over ${summary.limit} different values. ` +
          "Leave it out, or make it a number.",
      );
    }
    return asText(summary.codes > 0 ? "codes, too many to be classes" : "texts, too many to be classes");
  }
  const ordered = [...met].sort((a, b) => b.count - a.count || a.place - b.place);
  if (!request) {
    if (met.length > 2 && met.length > total / 2) return asText("its texts are nearly all different");
    if (met.length > MAX_LEVELS) {
      const kept = ordered.slice(0, MAX_LEVELS - 1).reduce((sum, { count }) => sum + count, 0);
      if (kept < LUMPED_LEAVES * total) return asText(`${met.length} different texts, too many to be classes`);
    }
  }
  const isLumped = met.length > MAX_LEVELS, kept = isLumped ? ordered.slice(0, MAX_LEVELS - 1) : ordered;
  const said = request?.levels ?? [];
  const byText = new Map(kept.map(({ text, count }) => [text, count]));
  const levels = [...new Set([...said, ...[...kept].sort(byLevel).map(({ text }) => text)])].filter((each) =>
    each !== OTHER
  );
  const counts = levels.map((level) => byText.get(level) ?? 0);
  const rest = total - (request || isOfWords(summary) ? 0 : summary.words) -
    counts.reduce((sum, count) => sum + count, 0);
  const rare = met.length - kept.length;
  const column: ClassColumn = {
    ...{ name, kind: "class" },
    levels: rest > 0 ? [...levels, OTHER] : levels,
    counts: rest > 0 ? [...counts, rest] : counts,
    ...isBare(summary),
  };
  const words = kept.filter(({ isWord }) => isWord).map(({ text }) =>
    `${JSON.stringify(text)} is a class, not a missing value`
  );
  return {
    column,
    notes: [
      ...mixed,
      ...(isOfWords(summary) ? words : []),
      ...wordNotes(summary),
      ...(isLumped ? [`${rare} rare classes in ${rest} rows are one, ${OTHER}`] : []),
    ],
  };
}

/** What to do about numbers that have a unit with them: `$5`, `45 %`. */
function unitHint({ firstText }: ColumnSummary): string {
  const got = firstText && /^([$€£¥]) ?[+-]?\d[\d.,]*$|^[+-]?\d[\d.,]* ?([%$€£¥])$/.exec(firstText.text);
  if (!got) return "";
  const unit = JSON.stringify(got[1] ?? got[2]), text = JSON.stringify(firstText.text.slice(0, 40));
  return `; as numbers they would be modelled, as ${text} in ${firstText.place} without ${unit}`;
}

/** Whether words that stand for missing values among numbers are classes, since the column is of texts. */
function isOfWords(summary: ColumnSummary): boolean {
  return summary.texts > 0 && !summary.dateFinder.found;
}

/** Numbers in their order, then texts in theirs, whatever the machine's language. */
function byLevel(a: Level, b: Level): number {
  if (Number.isNaN(a.value) !== Number.isNaN(b.value)) return Number.isNaN(a.value) ? 1 : -1;
  if (a.value !== b.value && !Number.isNaN(a.value)) return a.value - b.value;
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}
