import { UserError } from "../errors.ts";

/** A report that cannot be made or written. */
export class ReportError extends UserError {}
