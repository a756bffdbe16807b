import { UserError } from "./user_error.ts";

/** A command line that the task cannot act on. The message says what was given and what is expected. */
export class UsageError extends UserError {}
