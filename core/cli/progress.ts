import { terminalColumns, writeText } from "./terminal.ts";

/** How far a task is. */
export interface ProgressRecord {
  /** What is counted, as in `epoch`. */
  readonly label: string;
  /** How many are done, counting from 0. A fraction of one moves the bar, but not the count. */
  readonly done: number;
  readonly total: number;
  /** What else to show, as in `NLL 0.731 nats`, the most important first: a narrow terminal drops the last. */
  readonly fields?: readonly string[];
}

/** Where progress is shown. */
export interface ProgressStream {
  write(text: string): void;
  /** Whether it is a terminal. Otherwise lines are plain and few. */
  isTerminal(): boolean;
  /** The characters in a line of the terminal at this moment. */
  columns(): number;
}

/** How progress is shown. */
export interface ProgressOptions {
  /** Whether nothing at all is shown. */
  readonly quiet?: boolean;
  /** Where it is shown: by default at stderr. */
  readonly stream?: ProgressStream;
  /** A clock, in milliseconds. */
  readonly now?: () => number;
}

const STDERR: ProgressStream = {
  write: (text) => writeText(Deno.stderr, text),
  isTerminal: () => Deno.stderr.isTerminal(),
  columns: terminalColumns,
};

/** Milliseconds between two drawings on a terminal, and between two lines without one. */
const DRAW_INTERVAL = 100;
const LINE_INTERVAL = 5000;

const MIN_BAR = 8;
const MAX_BAR = 30;

const GAP = " · ";

/** Returns to the start of the line and clears it. */
const CLEAR = "\r\x1b[2K";

/**
 * Shows how far a task is, and how long it will take at its pace since the first record: on a terminal as one line with
 * a bar, drawn at most ten times a second, otherwise as plain lines, at most one in five seconds and the last. A stream
 * that can no longer be written to ends the display, not the task.
 */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #silent: boolean;
  #record: ProgressRecord | undefined;
  /** What time left is reckoned from. */
  #start: { readonly done: number; readonly time: number } | undefined;
  /** When a line last appeared. Without a terminal the first waits like all others. */
  #shownAt: number;
  #shown: ProgressRecord | undefined;
  #barIsDrawn = false;

  constructor({ quiet = false, stream = STDERR, now = () => performance.now() }: ProgressOptions = {}) {
    this.#silent = quiet;
    this.#stream = stream;
    this.#now = now;
    this.#shownAt = now();
  }

  /** Takes a new record, and shows it if enough time has passed. */
  update(record: ProgressRecord): void {
    if (this.#silent) return;
    const time = this.#now();
    const before = this.#record;
    if (before?.label !== record.label || before.total !== record.total || record.done < before.done) {
      this.#start = { done: record.done, time };
    }
    this.#record = record;
    const terminal = this.#stream.isTerminal();
    const interval = terminal ? (this.#barIsDrawn ? DRAW_INTERVAL : 0) : LINE_INTERVAL;
    if (time - this.#shownAt >= interval) this.#show(record, terminal, time);
  }

  /** Prints a line that stays, above the bar. */
  note(line: string): void {
    const drawnBefore = this.#barIsDrawn;
    this.#clear();
    this.#write(`${line}\n`);
    if (drawnBefore && this.#record) this.#show(this.#record, true, this.#now());
  }

  /** Removes the bar or, without a terminal, prints the last record if it is not there yet and anything was done. */
  finish(): void {
    this.#clear();
    const last = this.#record;
    if (last && last.done > 0 && last !== this.#shown && !this.#stream.isTerminal()) {
      this.#show(last, false, this.#now());
    }
    this.#record = this.#start = undefined;
  }

  [Symbol.dispose](): void {
    this.finish();
  }

  #show(record: ProgressRecord, terminal: boolean, time: number): void {
    const start = this.#start ?? { done: record.done, time };
    const gained = record.done - start.done;
    const left = gained > 0 && record.done < record.total ? (record.total - record.done) / gained : undefined;
    const parts = [...(record.fields ?? [])];
    if (left !== undefined) parts.push(`${formatDuration(left * (time - start.time) / 1000)} left`);
    this.#write(
      terminal ? CLEAR + barLine(record, parts, this.#stream.columns()) : `${[counted(record), ...parts].join(GAP)}\n`,
    );
    this.#barIsDrawn = terminal;
    this.#shownAt = time;
    this.#shown = record;
  }

  #clear(): void {
    if (this.#barIsDrawn) this.#write(CLEAR);
    this.#barIsDrawn = false;
  }

  #write(text: string): void {
    if (this.#silent) return;
    try {
      this.#stream.write(text);
    } catch {
      // Whoever read the progress is gone, which is no reason to stop.
      this.#silent = true;
    }
  }
}

/** A length of time as `0:07`, `12:34`, `1:02:03` or `1 d 2:03:04`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-:--";
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  const rest = `${String(minutes).padStart(whole >= 3600 ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}`;
  if (whole < 3600) return rest;
  return `${days > 0 ? `${days} d ` : ""}${hours}:${rest}`;
}

/** The line for a terminal: one column short of it, since some break the line after the last. */
function barLine(record: ProgressRecord, parts: readonly string[], columns: number): string {
  const width = Math.max(0, columns - 1);
  const head = counted(record);
  for (let n = parts.length; n >= 0; n--) {
    const tail = parts.slice(0, n).join(GAP);
    const bar = Math.min(MAX_BAR, width - head.length - 1 - (tail && ` ${tail}`).length);
    if (bar >= MIN_BAR) return `${head} ${drawBar(record, bar)}${tail && ` ${tail}`}`;
  }
  return head.slice(0, width);
}

/** `epoch  37/160`: the count takes as many places as the total, so that the line does not jump. */
function counted({ label, done, total }: ProgressRecord): string {
  return `${label} ${String(Math.floor(done)).padStart(String(total).length)}/${total}`;
}

/** A bar in steps of half a character. */
function drawBar({ done, total }: ProgressRecord, width: number): string {
  const fraction = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
  const halves = Math.floor(fraction * width * 2);
  const filled = "━".repeat(Math.floor(halves / 2)) + "╸".repeat(halves % 2);
  return filled + "─".repeat(width - filled.length);
}
