import { UserError } from "../errors/user_error.ts";

/** How a number is mapped before it is modelled, as a user may ask for. */
export const TRANSFORMS: readonly Transform[] = ["auto", "none", "log", "logit", "normal", "asinh"];

/** One of {@linkcode TRANSFORMS}. */
export type Transform = "auto" | "none" | "log" | "logit" | "normal" | "asinh";

/** A column of numbers. */
export interface NumberColumn {
  /** As the file has it. */
  readonly name: string;
  /** Tells it from other kinds of columns. */
  readonly kind: "number";
  /** Its values are `offset + k · step`; left out of continuous ones. */
  readonly step?: number;
  /** 0 if left out. */
  readonly offset?: number;
  /** Digits after the point to write it with. */
  readonly decimals: number;
  /** Whether all of them are written, as in `1.50`. */
  readonly padded?: true;
  /** Whether its digits are in groups of three, as in `1,234,567`. */
  readonly grouped?: true;
  /** The smallest and the largest value. */
  readonly min: number;
  /** The largest value. */
  readonly max: number;
  /** What the user asks for. */
  readonly transform?: Transform;
  /** Values that it cannot go beyond, as the user says. */
  readonly bounds?: readonly [number, number];
  /** Whether its numbers are written as texts in JSON. */
  readonly quoted?: true;
}

/** A column of dates or times. Its values are days since 1970-01-01 UTC, or months since January 1970. */
export interface DateColumn {
  /** As the file has it. */
  readonly name: string;
  /** Tells it from other kinds of columns. */
  readonly kind: "date";
  /** Whether all are first days of months: values, steps and bounds are months then, and no days. */
  readonly months?: true;
  /** In days: 1 of dates, 1/86400 of seconds. Its values are `offset + k · step`. */
  readonly step: number;
  /** 0 if left out. */
  readonly offset?: number;
  /** How it is written, one of those of `dates.ts`, as `YYYY-MM-DD`. */
  readonly format: string;
  /** The smallest value. */
  readonly min: number;
  /** The largest value. */
  readonly max: number;
}

/** A column of one of some classes. A value is the place of its level, from 0. */
export interface ClassColumn {
  /** As the file has it. */
  readonly name: string;
  /** Tells it from other kinds of columns. */
  readonly kind: "class";
  /** As they are written in the file. {@linkcode OTHER} may be the last, for all that are not named. */
  readonly levels: readonly string[];
  /** How many rows are of each. */
  readonly counts: readonly number[];
  /** Whether levels that are numbers, true or false are so in JSON, and no texts. */
  readonly bare?: true;
}

/** A column that is modelled. Its cells are numbers, and NaN where unknown. */
export type TableColumn = NumberColumn | DateColumn | ClassColumn;

/** The level of all classes that are too rare for one of their own. */
export const OTHER = "(other)";

/** Most levels of a column of classes. */
export const MAX_LEVELS = 64;

/** A column of the file that is not modelled, and why. */
export type LeftOutColumn =
  & { readonly name: string }
  & (
    | {
      /** Why it is not modelled. */
      readonly reason: "constant";
      /** As it is written. */
      readonly value: string;
      /** Whether it is a number, true or false in JSON. */
      readonly bare?: true;
    }
    | {
      /** Why it is not modelled. */
      readonly reason: "duplicate";
      /** The modelled column that says the same. */
      readonly of: string;
      /** For each level of that column what is written in this one; left out where both have the same cells. */
      readonly levels?: readonly string[];
      /** Whether these are numbers, true or false in JSON. */
      readonly bare?: true;
    }
    /** Texts that are no classes. */
    | { readonly reason: "text" }
    /** What numbers or names the rows. */
    | { readonly reason: "id" }
    /** As the user says. */
    | { readonly reason: "dropped" }
    /** No cell of it has a value. */
    | { readonly reason: "empty" }
  );

/** How a table is stored, so that another can be written in the same way. */
export interface TableFile {
  /** Tells it from other kinds of columns. */
  readonly kind: "csv" | "json" | "jsonl" | "parquet";
  /** Of CSV. */
  readonly delimiter: string;
  /** Whether the first line has the columns' names. */
  readonly header: boolean;
  /** What stands before decimals. */
  readonly point: "." | ",";
  /** Which cells are quoted. */
  readonly quotes: "needed" | "texts" | "all";
  /** Whether each name of the header is in quotes. */
  readonly quotedNames: boolean;
  /** What ends a line. */
  readonly newline: "\n" | "\r\n";
  /** Whether it has a byte order mark. */
  readonly mark: boolean;
  /** Of a text in UTF-16, which byte of two is the first. */
  readonly utf16?: "le" | "be";
  /** Whether it is packed. */
  readonly gzip: boolean;
  /** Of JSON: what stands between two records and within one, as `", "` and `": "`. */
  readonly spaced: boolean;
  /** What stood most often for a missing cell: `""`, `NA`; in JSON `null`, or `""` for a key that is left out. */
  readonly missing: string;
}

/** What the columns of a table are: saved with a run as JSON, and read back by {@linkcode parseSchema}. */
export interface TableSchema {
  /** Those that are modelled, in the file's order. */
  readonly columns: readonly TableColumn[];
  /** Those that are not modelled. */
  readonly leftOut: readonly LeftOutColumn[];
  /** The names of all columns in the file's order. */
  readonly order: readonly string[];
  /** How it is stored. */
  readonly file: TableFile;
}

/** A table, or what is said of one, that cannot be taken as it is. The message says what was got and expected. */
export class TableError extends UserError {}
