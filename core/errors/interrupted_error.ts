import { UserError } from "./user_error.ts";

/** A task that Ctrl-C ended. What was finished is saved; the message says where, and how to go on. */
export class InterruptedError extends UserError {
  /** What a shell reports of a process that Ctrl-C ended. */
  override readonly exitCode = 130;
  /** All ranks know of it at the same point. */
  override readonly everywhere = true;
  /** It is no error. */
  override readonly prefix = "";

  /** Says what was saved, in a message that ends with a full stop. */
  constructor(message = "Stopped.", options?: ErrorOptions) {
    super(message, options);
  }
}

/** Runs a part of a task; where Ctrl-C ends it, the error says what that means for the user. */
export async function orStopped<T>(message: string | (() => string), run: () => Promise<T> | T): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    throw new InterruptedError(typeof message === "string" ? message : message(), { cause: error });
  }
}
