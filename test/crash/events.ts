import { createHash } from "node:crypto";
import { bytes, decode, type Fields, string } from "../core/io/event_reader.ts";

/** Field numbers of TensorBoard's event.proto and summary.proto. */
const STEP = 2, SUMMARY = 5, SESSION = 7, VALUE = 1, TAG = 1;

/** A record is its length, a checksum of that, its bytes and a checksum of these. */
const BEFORE = 12, AFTER = 4;

/**
 * What TensorBoard shows of a folder's event files: of each tag and step what was written last, as a line each. A run that
 * goes on takes back the steps from which on it writes again. When they were written is left out.
 *
 * @param files In the order of their names.
 */
export function shownEvents(files: readonly Uint8Array[]): string {
  const values = new Map<string, { readonly step: number; readonly line: string }>();
  for (const event of files.flatMap(eventsOf).map(decode)) {
    const step = Number(event.get(STEP)?.[0] ?? 0);
    if (event.has(SESSION)) {
      for (const [key, value] of values) if (value.step >= step) values.delete(key);
    }
    for (const value of messages(event, SUMMARY).flatMap((summary) => messages(summary, VALUE))) {
      const key = `${string(value, TAG)} at step ${step}`;
      values.set(key, { step, line: `${key}: ${digestOf(value)}\n` });
    }
  }
  return [...values.values()].map(({ line }) => line).sort().join("");
}

/** The events of a file, but for a last one that was not written to its end. */
function eventsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength), events: Uint8Array[] = [];
  for (let at = 0; at + BEFORE <= file.length;) {
    const begin = at + BEFORE, end = begin + Number(view.getBigUint64(at, true));
    if (end + AFTER > file.length) break;
    events.push(file.subarray(begin, end));
    at = end + AFTER;
  }
  return events;
}

function messages(fields: Fields, field: number): Fields[] {
  return fields.has(field) ? [decode(bytes(fields, field))] : [];
}

function digestOf(fields: Fields): string {
  const hash = createHash("sha256");
  for (const part of [...fields.values()].flat()) hash.update(typeof part === "number" ? String(part) : part);
  return hash.digest("hex").slice(0, 16);
}
