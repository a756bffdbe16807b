import { UserError } from "../errors/user_error.ts";

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
  // What was thrown first: where a disk is full, closing a file fails too.
  if (error instanceof SuppressedError) return outcomeOf(error.suppressed);
  if (error instanceof HelpRequest) return { code: 0, text: error.message };
  if (error instanceof UserError) return { code: error.exitCode, text: `${error.prefix}${oneLine(error.message)}\n` };
  if (error instanceof Deno.errors.NotCapable) {
    return { code: 2, text: `error: ${oneLine(error.message)}. Start this program as a deno task.\n` };
  }
  const text = "error: Something unexpected went wrong, which is a fault of the program or of a plugin.\n";
  return { code: 1, text: `${text}${Deno.inspect(error, { colors: false })}\n` };
}

/** Messages may quote file names and plugins' text, so nothing in them may break the line or steer the terminal. */
function oneLine(message: string): string {
  return message.trim().replaceAll(/\s*[\r\n]\s*/g, " ").replaceAll(/\p{Cc}/gu, "\ufffd");
}
