/** What reading a file may take. */
export interface Limits {
  readonly bytes: number;
  readonly seconds: number;
}

/** A gigabyte, ten seconds. */
export const LIMITS: Limits = { bytes: 1 << 30, seconds: 10 };

/** What a process is to try. */
export interface ChildRequest {
  /** The module that has the formats. */
  readonly targets: string;
  readonly limits: Limits;
  readonly format: string;
  readonly seed: number;
  /** The numbers of its cases: from the first up to the last. */
  readonly first: number;
  readonly last: number;
  /** Where files are put that are read. */
  readonly folder: string;
  /** Where files are put that make it fail. */
  readonly out: string;
  /** Only write the first case's file: its path without the ending. */
  readonly write?: string;
}

/** What a process prints of each case. */
export interface Line {
  readonly number: number;
  readonly seconds: number;
  /** Whether the file was read, and not refused in one line. */
  readonly isRead?: boolean;
  /** What must not be, and where the file was put. */
  readonly failure?: string;
  readonly path?: string;
}
