/**
 * Something that the user can put right: a wrong option, an unreadable file, a full disk. Tasks print its message as
 * one line and no stack, so the message says what was got, what was expected and what to do next.
 */
export class UserError extends Error {
  /** The exit code of a task that ends by it: 2, but 1 where a computation or a part of a job failed. */
  readonly exitCode: number = 2;
  /** Whether every process of a job has it at the same point, since it comes of what they share. */
  readonly everywhere: boolean = false;
  /** What stands before the message where a task prints it. */
  readonly prefix: string = "error: ";

  /** Says what was wrong, in a message of one line. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The message of anything thrown, without the class name where there is one. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
