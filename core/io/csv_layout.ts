import { CsvError } from "csv-parse";
import { parse } from "csv-parse/sync";
import { DataFileError } from "./data_array.ts";
import { NUMBER } from "./decimal.ts";

/** How a table of numbers is laid out in a text. */
export interface CsvLayout {
  /** What separates cells; `" "` stands for any run of spaces and tabs. */
  readonly delimiter: string;
  /** What stands before decimals. */
  readonly point: "." | ",";
  /** Lines before the first record: empty ones, comments, Excel's `sep=;`. */
  readonly skippedLines: number;
  /** What a line of comment begins with, where there are some. */
  readonly comment?: string;
  /** Whether the first record has the columns' names. */
  readonly hasHeader: boolean;
  /** For each column of the file, what becomes of it: it is read, is an index that counts the rows, or is empty. */
  readonly roles: readonly ColumnRole[];
  /** The names of the columns that are read, where there is a header. */
  readonly columns?: readonly string[];
  /** The names of all columns as the header has them, where there is one. */
  readonly names?: readonly string[];
  /** Which cells are in quotes: those that need them, every text, or every cell. */
  readonly quotes: "needed" | "texts" | "all";
  /** Whether the header's names are in quotes, each of them. */
  readonly hasQuotedNames: boolean;
  readonly notes: readonly string[];
}

/** What the cells of a table are: numbers alone, or of any kind. */
export type TableContent = "numbers" | "cells";

/** What becomes of a column. */
export type ColumnRole = "number" | "index" | "empty";

/** What separates cells, in the order in which it is looked for. */
const DELIMITERS = ["\t", ";", ",", "|"];

/** Characters of a line that tell what separates its cells. */
const TOLD_BY = 4096;

/** Records that tell a header and an index. */
const RECORDS = 200;

/** A cell, and whether it was in quotes. */
interface Cell {
  readonly text: string;
  readonly isQuoted: boolean;
}

/**
 * Finds out how a table is laid out.
 *
 * The first record is a header where it has a cell that is neither a number nor stands for a missing one. One of numbers
 * alone is one where no row of numbers looks so: in quotes over numbers without, whole numbers over fractions, or whole
 * numbers that count (pandas' 0, 1, …; years) over rows that do not. Of a table whose cells may be texts, a first record is
 * none where it looks like those below: a text of it is in its column again, or it has a fraction over numbers.
 *
 * @param head The beginning of the text, of whole lines.
 * @param header Whether there is a header; `auto` looks for one.
 * @param content What its cells are. No column is left out of one of any cells.
 * @throws {DataFileError} Where the beginning is no table.
 */
export function csvLayout(
  path: string,
  head: string,
  header: "auto" | "on" | "off",
  content: TableContent = "numbers",
): CsvLayout {
  const lines = head.split(/\r\n|\n|\r/), notes: string[] = [];
  let skippedLines = 0, comment: string | undefined, given: string | undefined, named: string | undefined;
  for (; skippedLines < lines.length; skippedLines++) {
    const line = lines[skippedLines].trim(), sep = /^"?sep=(.)"?$/i.exec(line);
    if (sep) given = sep[1];
    else if (/^[#%]/.test(line)) [comment, named] = [line[0], line.replace(/^[#%]+\s*/, "")];
    else if (line !== "") break;
  }
  const rest = lines.slice(skippedLines);
  const delimiter = given ?? delimiterOf(rest, content);
  if (given) notes.push(`separated by ${given} as its first line says`);
  if (comment) notes.push(`lines that begin with ${comment} left out`);
  const records = recordsOf(path, rest.join("\n"), delimiter, content);
  const [first = [], ...others] = records;
  const rows = others.filter((row) => row.length > 1 || row[0]?.text !== "");
  const isOfCells = content === "cells";
  const reason = header === "auto"
    ? isOfCells && isRow(first, rows) ? undefined : headerReason(first, rows, /\.[ct]sv(\.gz)?$/i.test(path))
    : header === "on"
    ? "as --header says"
    : undefined;
  const hasHeader = reason !== undefined;
  const body = hasHeader ? rows : [first, ...rows];
  const width = body[0]?.length ?? first.length;
  let names = hasHeader ? first.map(({ text }) => text) : undefined;
  // NumPy writes a table's header as a comment.
  const ofComment = named === undefined ? [] : splitLine(named, delimiter);
  const isNamed = !names && ofComment.length === width && ofComment.every((name) => name !== "" && !NUMBER.test(name));
  if (isNamed) names = ofComment;
  // R writes row names without a name for their column; some programs end rows, but not the header, with a delimiter.
  const isEmpty = (k: number) => body.length > 0 && body.every((row) => (row[k]?.text ?? "") === "");
  if (names?.length === width - 1) names = isEmpty(width - 1) ? [...names, ""] : ["", ...names];
  if (names && body.length > 0 && names.length !== width) {
    throw new DataFileError(
      `${path}: its header has ${names.length} columns, but its first row ${width}. Correct the header, or give ` +
        "--header off.",
    );
  }
  const roles = Array.from({ length: width }, (_, k): ColumnRole => {
    if (isOfCells) return "number";
    if ((names?.[k] ?? "") === "" && isEmpty(k) && width > 1) return "empty";
    const isUnnamed = names !== undefined && /^(unnamed: ?\d+)?$/i.test(names[k]);
    return isUnnamed && k === 0 && width > 1 && isIndex(body.map((row) => row[k])) ? "index" : "number";
  });
  const at = (role: ColumnRole) => roles.flatMap((each, k) => each === role ? [k + 1] : []).join(", ");
  if (header !== "auto") notes.push(header === "on" ? "header taken as --header says" : "no header, as --header says");
  else if (reason === "") notes.push("header found");
  else if (reason !== undefined) notes.push(`first line taken for a header: ${reason}; --header off if it is data`);
  else notes.push(isNamed ? "names found in the comment before it" : "no header");
  if (roles.includes("index")) notes.push(`column ${at("index")} left out, an index without a name`);
  if (roles.includes("empty")) notes.push(`empty column ${at("empty")} left out`);
  const point = (isOfCells ? areDecimalsAfterCommas : hasDecimalCommas)(delimiter, body) ? "," : ".";
  if (point === ",") notes.push("decimal commas");
  const columns = names?.filter((_, k) => roles[k] === "number");
  return {
    ...{ delimiter, point, skippedLines, hasHeader, roles, notes },
    ...(comment === undefined ? {} : { comment }),
    ...(columns === undefined ? {} : { columns: columns.map((name, k) => name === "" ? `column ${k + 1}` : name) }),
    ...(names === undefined ? {} : { names }),
    ...{ quotes: quotesOf(body), hasQuotedNames: hasHeader && first.every(({ isQuoted }) => isQuoted) },
  };
}

/**
 * The first that separates the first lines into as many cells; spaces, where no other separates them at all, and where
 * texts may have some, they separate each line into as many cells.
 */
function delimiterOf(lines: readonly string[], content: TableContent): string {
  // The beginnings of a few lines tell, however long the lines are.
  const some = lines.slice(0, 50).map((line) => line.slice(0, TOLD_BY)).filter((line) => line.trim() !== "").slice(0, 5)
    .map((line) => line.replace(/"[^"]*"?/g, '""'));
  const counts = (delimiter: string) => some.map((line) => line.split(delimiter).length);
  const isCut = some.some((line) => line.length >= TOLD_BY);
  const separates = (delimiter: string) =>
    counts(delimiter).every((count, _, [first]) => count > 1 && (count === first || isCut));
  const found = DELIMITERS.find(separates) ?? DELIMITERS.find((each) => some[0]?.includes(each));
  if (found !== undefined) return found;
  if (content === "cells") {
    const cells = lines.slice(0, 50).map((line) => line.slice(0, TOLD_BY).replace(/"[^"]*"?/g, '""').trim())
      .filter((line) => line !== "").map((line) => line.split(/\s+/).length);
    return cells.every((count) => count > 1 && count === cells[0]) ? " " : ",";
  }
  return some.some((line) => /\S\s+\S/.test(line) && !/[a-z]\s+[a-z]/i.test(line)) ? " " : ",";
}

function splitLine(line: string, delimiter: string): string[] {
  return delimiter === " " ? line.trim().split(/\s+/) : line.split(delimiter).map((each) => each.trim());
}

function recordsOf(path: string, text: string, delimiter: string, content: TableContent): Cell[][] {
  if (delimiter === " ") {
    return text.split("\n").filter((line) => line.trim() !== "").slice(0, RECORDS).map((line) =>
      splitLine(line, delimiter).map((text) => ({ text: text.replace(/^"(.*)"$/, "$1"), isQuoted: text[0] === '"' }))
    );
  }
  try {
    return parse(text, {
      cast: (text, { quoting }) => ({ text, isQuoted: quoting }),
      delimiter,
      relax_column_count: true,
      relax_quotes: content === "cells",
      skip_empty_lines: true,
      to: RECORDS,
      trim: true,
    }) as unknown as Cell[][];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new DataFileError(
      `${path} is no CSV file: ${error.message.split(/[\r\n]/)[0].slice(0, 80)}. Save it again as CSV.`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Why the first record is a header: `""` where it has names, nothing where it is a row of data.
 *
 * @param isTable Whether the file calls itself a table, and not just a text of numbers.
 */
function headerReason(
  first: readonly Cell[],
  rows: readonly Cell[][],
  isTable: boolean,
): string | undefined {
  if (first.some(isName)) return "";
  const cells = first.filter(({ text }) => text !== "");
  if (cells.length === 0 || rows.length === 0 || !cells.every(({ text }) => NUMBER.test(text))) return undefined;
  if (cells.every((cell) => cell.isQuoted) && rows.every((row) => row.every((cell) => !cell.isQuoted))) {
    return "its numbers are in quotes, those below are not";
  }
  const isUnnamed = first[0].text === "", from = isUnnamed ? 1 : 0;
  const share = (holds: (row: readonly Cell[]) => boolean) => rows.filter(holds).length / rows.length;
  const texts = cells.map(({ text }) => text), areWhole = texts.every(isWhole);
  const hasFractions = (k: number) => share((row) => /[.eE]/.test(row[k]?.text ?? "")) > 0.9;
  // One column that begins with 0 may well be a series of numbers.
  const mayBeSeries = cells.length === 1 && !isUnnamed && !isTable;
  if (
    areWhole && !mayBeSeries && rows.length >= 3 && isAscending(texts) && cells.every((_, k) => hasFractions(k + from))
  ) {
    return "its numbers are whole and ascend, those below have decimals";
  }
  const isSpaced = (texts: readonly string[]) =>
    areWhole && texts.every(isWhole) && hasEqualSteps(texts, 1) || texts.length > 2 && hasEqualSteps(texts);
  if (cells.length > 1 && isSpaced(texts) && rows.length >= 10) {
    if (share((row) => isSpaced(row.slice(from).map(({ text }) => text))) < 0.02) {
      return "its numbers are evenly spaced, those below are not";
    }
  }
  return undefined;
}

/** Whether a first record of names, and maybe numbers, is a row like those below. */
function isRow(first: readonly Cell[], rows: readonly Cell[][]): boolean {
  const isNumber = (text = "") => NUMBER.test(text.replace(",", "."));
  const isOverNumbers = (cell: Cell, k: number) =>
    isName(cell) && rows.some((row) => isNumber(row[k]?.text)) &&
    rows.every((row) => isNumber(row[k]?.text) || isMissing(row[k]?.text ?? ""));
  if (!first.some(isName) || first.some(isOverNumbers)) return false;
  return first.some((cell, k) => {
    if (!isName(cell)) {
      // Names of years are whole numbers; a fraction over numbers is one of them.
      return /^[+-]?\d*[.,]\d+$/.test(cell.text) && rows.length > 0 &&
        rows.every((row) => isNumber(row[k]?.text) || isMissing(row[k]?.text ?? ""));
    }
    return rows.some((row) => row[k]?.text === cell.text);
  });
}

/** Which cells are in quotes, as far as some rows tell. */
function quotesOf(rows: readonly Cell[][]): CsvLayout["quotes"] {
  const cells = rows.flat().filter(({ text }) => text !== "");
  if (cells.length === 0 || !cells.some(({ isQuoted }) => isQuoted)) return "needed";
  if (cells.every(({ isQuoted }) => isQuoted)) return "all";
  const texts = cells.filter(({ text }) => !NUMBER.test(text.replace(",", ".")) && !isMissing(text));
  return texts.length > 0 && texts.every(({ isQuoted }) => isQuoted) ? "texts" : "needed";
}

function isWhole(text: string): boolean {
  return /^[+-]?\d+$/.test(text);
}

function isAscending(texts: readonly string[]): boolean {
  return texts.every((text, k) => k === 0 || Number(text) > Number(texts[k - 1]));
}

/** @param step The step that is expected; any above 0, if left out. */
function hasEqualSteps(texts: readonly string[], step = Number(texts[1]) - Number(texts[0])): boolean {
  return step > 0 &&
    texts.every((text, k) => k === 0 || Math.abs(Number(text) - Number(texts[k - 1]) - step) < 1e-6 * step);
}

/** Whether a cell of the first record may be a column's name: no number, and nothing that stands for a missing one. */
function isName({ text }: Cell): boolean {
  return /[\p{L}\p{N}]/u.test(text) && !NUMBER.test(text) && !/^[+-]?\d*,\d+$/.test(text) &&
    !isMissing(text.replace(/^[+-]/, "")) && !/^[+-]?inf(inity)?$/i.test(text);
}

/** Whether a cell says that nothing is there. */
export function isMissing(text: string): boolean {
  return /^(nan|na|n\/a|null|none)?$/i.test(text);
}

/**
 * Whether numbers have commas before their decimals, where commas separate nothing else: none has a point, and they are not
 * all in groups of three digits, as thousands are.
 */
function hasDecimalCommas(delimiter: string, rows: readonly Cell[][]): boolean {
  if (delimiter === ",") return false;
  const cells = rows.flatMap((row) => row.map(({ text }) => text)).filter((text) => /\d/.test(text));
  const commas = cells.filter((text) => text.includes(","));
  return commas.length > 0 && cells.every((text) => !text.includes(".")) &&
    commas.every((text) => /^[+-]?\d*,\d+([eE][+-]?\d+)?$/.test(text)) &&
    commas.some((text) => !/^[+-]?[1-9]\d{0,2},\d{3}$/.test(text));
}

/** The same of a table whose cells may be texts, of which only those that are numbers in one way or the other tell. */
function areDecimalsAfterCommas(delimiter: string, rows: readonly Cell[][]): boolean {
  if (delimiter === ",") return false;
  const texts = rows.flatMap((row) => row.map(({ text }) => text)).filter((text) => /^[+-]?[\d.,]*\d/.test(text));
  const commas = texts.filter((text) => /^[+-]?(\d*|[1-9]\d{0,2}(\.\d{3})+),\d+([eE][+-]?\d+)?$/.test(text));
  const points = texts.filter((text) => NUMBER.test(text) && text.includes("."));
  return commas.some((text) => !/^[+-]?[1-9]\d{0,2},\d{3}$/.test(text)) &&
    points.every((text) => /^[+-]?[1-9]\d{0,2}\.\d{3}$/.test(text));
}

/** Whether cells count rows from 0 or 1, or are names of rows. */
function isIndex(cells: readonly (Cell | undefined)[]): boolean {
  const texts = cells.map((cell) => cell?.text ?? ""), from = Number(texts[0]);
  if (texts.length > 0 && texts.every((text) => text !== "" && !NUMBER.test(text))) return true;
  return (from === 0 || from === 1) && texts.every((text, i) => /^\d+$/.test(text) && Number(text) === from + i);
}
