import { UserError } from "../errors.ts";
import { placeIn } from "../mpi/environment.ts";
import { writeText } from "./terminal.ts";

/** A command line that the task cannot act on. The message says what was given and what is expected. */
export class UsageError extends UserError {}

/** Thrown for `--help`: nothing failed, but the task does not run. The message is the help text. */
export class HelpRequest extends Error {
  override name = "HelpRequest";
}

/** What a task that ended by an error leaves behind. */
export interface Outcome {
  /** The exit code: 0 after help, 2 after an error that the user can put right, 1 after an unexpected one. */
  readonly code: number;
  /** Text for stdout after help, for stderr otherwise. Ends with a newline. */
  readonly text: string;
}

/** What to print, and the exit code, for whatever a task threw. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof HelpRequest) return { code: 0, text: error.message };
  if (error instanceof UserError) return { code: error.exitCode, text: `${error.prefix}${oneLine(error.message)}\n` };
  if (error instanceof Deno.errors.NotCapable) {
    return { code: 2, text: `error: ${oneLine(error.message)}. Start this program as a deno task.\n` };
  }
  const text = "error: Something unexpected went wrong, which is a fault of the program or of a plugin.\n";
  return { code: 1, text: `${text}${Deno.inspect(error, { colors: false })}\n` };
}

/** Where `main` writes and how it ends the process; tests give their own. */
export interface ProcessEnds {
  stdout(text: string): void;
  stderr(text: string): void;
  exit(code: number): void;
}

const DENO: ProcessEnds = {
  stdout: (text) => writeIfRead(Deno.stdout, text),
  stderr: (text) => writeIfRead(Deno.stderr, text),
  exit: (code) => Deno.exit(code),
};

/**
 * Runs a task. A `UserError` becomes one line on stderr and exit code 2, `--help` its text on stdout and 0, anything
 * else a short line with the stack and 1. Interrupts are the task's own business.
 *
 * Of several processes that an MPI launcher started each would do the same, and write the same files. They are refused.
 */
export function main(task: () => Promise<void>, process: ProcessEnds = DENO): Promise<void> {
  const place = placeIn(Deno.env.toObject());
  if (!place) return mainOfMany(task, process);
  return mainOfMany(() => {
    if (place.rank > 0) process.exit(2);
    throw new UsageError(`This task is for one process, but ${place.size} were started. Start it without a launcher.`);
  }, process);
}

/** The same for a task that several processes share. */
export async function mainOfMany(task: () => Promise<void>, process: ProcessEnds = DENO): Promise<void> {
  try {
    await task();
  } catch (error) {
    const { code, text } = outcomeOf(error);
    if (code === 0) process.stdout(text);
    else process.stderr(text);
    process.exit(code);
  }
}

/** Messages may quote file names and plugins' text, so nothing in them may break the line or steer the terminal. */
function oneLine(message: string): string {
  return message.trim().replaceAll(/\s*[\r\n]\s*/g, " ").replaceAll(/\p{Cc}/gu, "\ufffd");
}

/** Writes a text, unless its reader is gone, as `head` is after its last line. */
function writeIfRead(stream: Parameters<typeof writeText>[0], text: string): void {
  try {
    writeText(stream, text);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
