import { messageOf } from "../errors.ts";
import { faint, type Terminal, terminalAt, writeText } from "./terminal.ts";

/** How far a task is. */
export interface ProgressRecord {
  /** What is counted, as in `epoch`. Time left is reckoned anew when it changes. */
  readonly label: string;
  /** How many are done, counting from 0. A fraction of one moves the bar, but not the count. */
  readonly done: number;
  readonly total: number;
  /** What else to show, as in `NLL 0.731 nats`, the most important first: a narrow terminal drops the last. */
  readonly fields?: readonly string[];
}

/** Where progress is shown. */
export interface ProgressOutput {
  write(text: string): void;
  /** The terminal at that moment. Without one, lines are plain and few. */
  terminal(): Terminal | undefined;
}

/** How progress is shown. */
export interface ProgressOptions {
  /** Whether nothing at all is shown. */
  readonly quiet?: boolean;
  /** Where it is shown: by default at stderr. */
  readonly output?: ProgressOutput;
  /** A clock, in milliseconds. */
  readonly now?: () => number;
}

const STDERR: ProgressOutput = {
  write: (text) => writeText(Deno.stderr, text),
  terminal: () => terminalAt(Deno.stderr),
};

/** Milliseconds between two drawings on a terminal, and between two lines without one. */
const DRAW_INTERVAL = 100;
const LINE_INTERVAL = 5000;

/** Before this many milliseconds there is too little to reckon the time left from. */
const FIRST_ESTIMATE = 1000;

const MIN_BAR = 8;
const MAX_BAR = 40;

/** Returns to the start of the line and clears it. */
const CLEAR = "\r\x1b[K";

/**
 * Shows how far a task is: on a terminal as one line with a bar, drawn at most ten times a second, otherwise as plain
 * lines, at most one in five seconds and the last. A stream that can no longer be written to ends the display, not the
 * task.
 *
 * @example
 * ```ts
 * import { Progress } from "./progress.ts";
 *
 * using progress = new Progress({ quiet: true });
 * for (let epoch = 1; epoch <= 160; epoch++) {
 *   progress.update({ label: "epoch", done: epoch, total: 160, fields: ["NLL 0.731 nats"] });
 * }
 * ```
 */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  #silent: boolean;
  #record: ProgressRecord | undefined;
  /** The record that time left is reckoned from, and when it came. */
  #start: { readonly done: number; readonly time: number } | undefined;
  /** When the line last appeared, and of which record it is. */
  #shownAt = -Infinity;
  #shown: ProgressRecord | undefined;
  #barIsDrawn = false;

  constructor({ quiet = false, output = STDERR, now = () => performance.now() }: ProgressOptions = {}) {
    this.#silent = quiet;
    this.#output = output;
    this.#now = now;
  }

  /** Takes a new record, and shows it if enough time has passed. */
  update(record: ProgressRecord): void {
    if (this.#silent) return;
    const time = this.#now();
    const before = this.#record;
    this.#record = record;
    const isNew = before?.label !== record.label || before.total !== record.total || record.done < before.done;
    if (this.#start === undefined || isNew) this.#start = { done: record.done, time };

    const terminal = this.#output.terminal();
    const due = terminal ? this.#shownAt + DRAW_INTERVAL : Math.max(this.#start.time, this.#shownAt) + LINE_INTERVAL;
    if (time >= due) this.#show(record, terminal, time);
  }

  /** Prints a line that stays, above the bar. */
  note(line: string): void {
    if (this.#silent) return;
    const terminal = this.#output.terminal();
    this.#write(`${this.#barIsDrawn ? CLEAR : ""}${line}\n`);
    this.#barIsDrawn = false;
    if (terminal && this.#record) this.#show(this.#record, terminal, this.#now());
  }

  /** Removes the bar or, without a terminal, prints the last record. The next record starts afresh. */
  finish(): void {
    if (this.#barIsDrawn) this.#write(CLEAR);
    else if (this.#record && this.#record !== this.#shown && !this.#silent && !this.#output.terminal()) {
      this.#show(this.#record, undefined, this.#now());
    }
    this.#barIsDrawn = false;
    this.#record = this.#start = this.#shown = undefined;
    this.#shownAt = -Infinity;
  }

  [Symbol.dispose](): void {
    this.finish();
  }

  #show(record: ProgressRecord, terminal: Terminal | undefined, time: number): void {
    const start = this.#start ?? { done: record.done, time };
    const timing = timeLeft(record, record.done - start.done, time - start.time);
    this.#write(terminal ? CLEAR + barLine(record, timing, terminal) : plainLine(record, timing) + "\n");
    this.#barIsDrawn = terminal !== undefined;
    this.#shownAt = time;
    this.#shown = record;
  }

  #write(text: string): void {
    if (this.#silent) return;
    try {
      this.#output.write(text);
    } catch (error) {
      this.#silent = true;
      if (!(error instanceof Error)) throw new TypeError(messageOf(error));
    }
  }
}

/** A length of time as `0:07`, `12:34`, `1:02:03` or `2 d 3 h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (!Number.isFinite(whole)) return "unknown";
  const hours = Math.floor(whole / 3600);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  const [minutes, rest] = [Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** The time left, or at the end the time taken, if it can be told. */
function timeLeft({ done, total }: ProgressRecord, gained: number, milliseconds: number): string | undefined {
  if (done >= total) return `in ${formatDuration(milliseconds / 1000)}`;
  if (gained <= 0 || milliseconds < FIRST_ESTIMATE) return undefined;
  return `${formatDuration((total - done) / gained * milliseconds / 1000)} left`;
}

function plainLine(record: ProgressRecord, timing: string | undefined): string {
  return [counted(record), ...(record.fields ?? []), ...(timing ? [timing] : [])].join(" · ");
}

/** The line for a terminal: one column short of it, since some break the line after the last. */
function barLine(record: ProgressRecord, timing: string | undefined, terminal: Terminal): string {
  const width = Math.max(1, terminal.columns - 1);
  const head = counted(record);
  const fields = record.fields ?? [];
  for (let n = fields.length; n >= 0; n--) {
    const text = [...fields.slice(0, n), ...(timing ? [timing] : [])].join(" · ");
    const tail = text && ` ${text}`;
    const bar = Math.min(MAX_BAR, width - lengthOf(head) - 1 - lengthOf(tail));
    if (bar >= MIN_BAR) return `${head} ${drawBar(record, bar, terminal.colour)}${tail}`;
  }
  return cut([head, ...(timing ? [timing] : [])].join(" "), width);
}

/** `epoch  37/160`: the count takes as many places as the total, so that the line does not jump. */
function counted({ label, done, total }: ProgressRecord): string {
  return `${label} ${String(Math.floor(done)).padStart(String(total).length)}/${total}`;
}

/** A bar in steps of half a character. */
function drawBar({ done, total }: ProgressRecord, width: number, colour: boolean): string {
  const fraction = total > 0 ? Math.min(1, Math.max(0, done / total)) : 1;
  const halves = Math.floor(fraction * width * 2);
  const filled = "━".repeat(Math.floor(halves / 2)) + "╸".repeat(halves % 2);
  const rest = "─".repeat(width - filled.length);
  return filled + (colour && rest ? faint(rest) : rest);
}

function lengthOf(text: string): number {
  return [...text].length;
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : characters.slice(0, width - 1).join("") + "…";
}
