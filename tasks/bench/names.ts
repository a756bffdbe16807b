import { nearest } from "../../core/errors/nearest.ts";
import { UsageError } from "../../core/errors/usage_error.ts";

/**
 * The names that an option lists, separated by commas, each once and in the order of `known`.
 *
 * @param option As the user writes it, for messages: `--sets`.
 * @throws {UsageError} For a name that is not known.
 */
export function namesOf<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  const asked = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const isKnown = (name: string): name is T => (known as readonly string[]).includes(name);
  const unknown = asked.find((name) => !isKnown(name));
  if (asked.length > 0 && unknown === undefined) return known.filter((name) => asked.includes(name));
  const close = unknown === undefined ? [] : nearest(unknown, known);
  const hint = close.length === 0 ? "" : ` Did you mean ${close.join(" or ")}?`;
  throw new UsageError(
    `${option} has ${JSON.stringify(unknown ?? text)}, expected some of ${
      known.join(",")
    }, separated by commas.${hint}`,
  );
}
