import { sizeOf } from "../data/tensors.ts";
import { type DataInfo, referenceOf } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { placesOfAtoms } from "../reference/atoms.ts";

/** The part of the rows that have values hidden. */
const ROWS = 0.25;

/**
 * Hides values of some rows of a batch that may be unknown, beside those that are: of a row's numbers and of its levels a part
 * each, of a quarter of such rows none, of a quarter all. A network then learns what is expected of any values given any
 * others, and of a file that has the numbers alone.
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
    ...Array.from({ length: numbers }, (_, place) => ({ begin: place, size: 1, kind: 0 })),
    ...blocks.map(({ begin, size }) => ({ begin, size, kind: 1 })),
  ].filter(({ begin }) => may.has(begin));
  return (vectors, isTold, random) => {
    const each = 3 + groups.length, u = random.fillUniform(new Float64Array(isTold.length * each));
    for (let row = 0; row < isTold.length; row++) {
      const [chosen, ...parts] = u.subarray(row * each, row * each + 3);
      if (chosen >= ROWS) continue;
      const first = (row + 1) * width - d;
      groups.forEach(({ begin, size, kind }, g) => {
        if (u[row * each + 3 + g] >= 2 * parts[kind] - 0.5) return;
        vectors.fill(1, first + begin, first + begin + size);
        isTold[row] = 0;
      });
    }
  };
}
