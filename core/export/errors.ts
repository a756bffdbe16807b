import { UserError } from "../errors/user_error.ts";

/** A model that cannot be exported in the form that was asked for. */
export class ExportError extends UserError {}
