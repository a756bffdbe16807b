import { UserError } from "../errors/user_error.ts";

/** A report that cannot be made or written. */
export class ReportError extends UserError {}
