import { UserError } from "../errors/user_error.ts";

/** A plugin that cannot be found, loaded or trusted. The message is one line that says what to do. */
export class PluginError extends UserError {}

/** A value, put so that an error can show it: short, on one line. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) {
    const text = JSON.stringify(value) ?? "";
    return text.length <= 40 ? text : `an array of ${value.length}`;
  }
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object") return "an object";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value);
}

/** Whether a value is an object with keys, as opposed to null, an array or a primitive. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
