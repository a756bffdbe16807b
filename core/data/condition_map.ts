import { type Condition, conditionPlaces, conditionWidth } from "./condition.ts";

/**
 * What one model's condition says in the vector of another's: variables of the same name and kind, classes by their levels
 * and numbers in the other's scale. What the other does not have is left out, and what only it has is unknown, as is a
 * class that it does not know.
 *
 * @returns A matrix `[width of from, width of to]`, row-major, that a vector is multiplied by from the left.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { conditionMap } from "./condition_map.ts";
 *
 * const age = (mean: number, scale: number) => [{ name: "age", kind: "number", mean, scale }] as const;
 * // The flag stays, and 1 at a mean of 40 and a scale of 10 is 50: 2 at a mean of 30 and the same scale.
 * deepEqual([...conditionMap(age(40, 10), age(30, 10))], [1, 1, 0, 1]);
 * ```
 */
export function conditionMap(from: Condition, to: Condition): Float32Array {
  const width = conditionWidth(to), map = new Float32Array(conditionWidth(from) * width);
  const fromPlaces = conditionPlaces(from), toPlaces = conditionPlaces(to);
  to.forEach((target, k) => {
    const own = from.findIndex(({ name, kind }) => name === target.name && kind === target.kind);
    if (own < 0) return;
    const source = from[own], place = fromPlaces[own], flag = toPlaces[k];
    const set = (row: number, column: number, value: number) => map[row * width + column] = value;
    if (source.kind === "class" && target.kind === "class") {
      source.levels.forEach((level, i) => {
        const at = target.levels.indexOf(level);
        if (at < 0) return;
        set(place + 1 + i, flag, 1);
        set(place + 1 + i, flag + 1 + at, 1);
      });
    } else if (source.kind === "number" && target.kind === "number") {
      set(place, flag, 1);
      set(place, flag + 1, (source.mean - target.mean) / target.scale);
      set(place + 1, flag + 1, source.scale / target.scale);
    }
  });
  return map;
}
