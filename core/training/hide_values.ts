import { sizeOf } from "../data/tensors.ts";
import { type DataInfo, referenceOf } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { placesOfAtoms } from "../reference/atoms.ts";

/** The part of the rows that have values hidden. */
const ROWS = 0.25;

/**
 * Hides values of some rows of a batch that may be unknown, beside those that are, of each row a part of its own, from none to
 * all: a network then learns what is expected of any values given any others.
 *
 * @param width Of the vectors of what is known, of which the flags are the last.
 * @returns Sets flags in vectors `[batch, width]`, and says of which rows it did by 0.
 */
export function hiding(
  gaps: readonly number[],
  info: DataInfo,
  width: number,
): (vectors: Float32Array, isTold: Uint8Array, random: Random) => void {
  const d = sizeOf(info.shape), may = new Set(gaps), { components, atoms } = referenceOf(info);
  const numbers = atoms ? components[0].mean.length : d, blocks = placesOfAtoms(atoms?.blocks ?? [], numbers);
  // The coordinates of a level are known together.
  const groups = [
    ...Array.from({ length: numbers }, (_, place) => ({ begin: place, size: 1 })),
    ...blocks,
  ].filter(({ begin }) => may.has(begin));
  return (vectors, isTold, random) => {
    const each = 2 + groups.length, u = random.fillUniform(new Float64Array(isTold.length * each));
    for (let row = 0; row < isTold.length; row++) {
      if (u[row * each] >= ROWS) continue;
      const first = (row + 1) * width - d;
      groups.forEach(({ begin, size }, g) => {
        if (u[row * each + 2 + g] >= u[row * each + 1]) return;
        vectors.fill(1, first + begin, first + begin + size);
        isTold[row] = 0;
      });
    }
  };
}
