import type { TableFile } from "../rows/column_types.ts";

/** A cell as it is written; nothing where it is unknown. */
export interface TextCell {
  readonly text: string | undefined;
  /** Whether it is a number, true or false in JSON, and not quoted where only texts are. */
  readonly isBare: boolean;
}

/** Writes the rows of a table as text. */
export interface RowText {
  /** What comes before the rows. */
  begin(names: readonly string[]): string;
  /** A row, and what comes between it and the one before. */
  row(cells: readonly TextCell[], index: number): string;
  /** What comes after the rows. */
  end(): string;
}

/** The rows of a table that is stored in some way. */
export function rowText(file: TableFile): RowText {
  return file.kind === "json" || file.kind === "jsonl" ? jsonText(file) : csvText(file);
}

function csvText(file: TableFile): RowText {
  const { delimiter, newline, header, mark, quotes, quotedNames } = file;
  const line = (cells: readonly string[]) =>
    (cells.length === 1 && cells[0] === "" ? '""' : cells.join(delimiter)) + newline;
  return {
    begin: (names) => {
      const before = mark ? "\ufeff" : "";
      return header ? before + line(names.map((name) => csvCell(file, name, quotedNames))) : before;
    },
    row: (cells) =>
      line(cells.map(({ text, isBare }) => {
        if (text === undefined) return csvMissing(file);
        if (isBare && quotes !== "all" && !text.includes(delimiter)) return text;
        return csvCell(file, text, quotes === "all" || quotes === "texts" && !isBare);
      })),
    end: () => "",
  };
}

/** A cell of CSV, in quotes where it has to be or is to be. */
export function csvCell({ delimiter }: TableFile, text: string, isQuoted: boolean): string {
  const needs = isQuoted || text === "" || text.includes(delimiter) || /["\r\n]|^\s|\s$|^[#%]/.test(text) ||
    delimiter === " " && /\s/.test(text);
  return needs ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What stands for a missing cell of CSV. */
export function csvMissing({ delimiter, missing }: TableFile): string {
  return missing === "" && delimiter === " " ? "NA" : missing;
}

function jsonText({ kind, newline, spaced, missing }: TableFile): RowText {
  const isList = kind === "json";
  let keys: readonly string[] = [];
  return {
    begin: (names) => {
      keys = names.map((name) => JSON.stringify(name));
      return isList ? "[" : "";
    },
    row: (cells, index) => {
      const pairs = cells.flatMap(({ text, isBare }, k) => {
        if (text === undefined && missing === "") return [];
        return [`${keys[k]}:${spaced ? " " : ""}${text === undefined ? "null" : jsonValue(text, isBare)}`];
      });
      const record = `{${pairs.join(spaced ? ", " : ",")}}`;
      return isList ? `${index === 0 ? newline : `,${newline}`}${record}` : record + newline;
    },
    end: () => isList ? `${newline}]${newline}` : "",
  };
}

/** A value of JSON. */
export function jsonValue(text: string, isBare: boolean): string {
  return isBare ? text : JSON.stringify(text);
}
