import { type Condition, conditionPlaces, conditionWidth } from "../data/condition.ts";
import type { Random } from "../random/random.ts";

/**
 * Makes what is known of a batch's samples unknown for some of them, so that one network learns p(x | c), p(x) and what is
 * between (J. Ho and T. Salimans, arXiv 2207.12598): of a sample all with the probability, otherwise, where there are
 * several variables, each of them with it.
 *
 * @param width Of the vectors, of which the condition's is the first part.
 * @returns Changes vectors `[batch, width]` in place, and says of which rows something is no longer told by 0.
 */
export function dropping(
  condition: Condition,
  probability: number,
  width: number = conditionWidth(condition),
): (vectors: Float32Array, isTold: Uint8Array, random: Random) => void {
  const places = [...conditionPlaces(condition), conditionWidth(condition)];
  const several = condition.length > 1, draws = 1 + (several ? condition.length : 0);
  return (vectors, isTold, random) => {
    const u = random.fillUniform(new Float64Array(isTold.length * draws));
    for (let row = 0; row < isTold.length; row++) {
      const own = u.subarray(row * draws, (row + 1) * draws);
      if (own.some((value) => value < probability)) isTold[row] = 0;
      for (let k = 0; k < condition.length; k++) {
        if (!(own[0] < probability || several && own[1 + k] < probability)) continue;
        vectors.fill(0, row * width + places[k], row * width + places[k + 1]);
      }
    }
  };
}
