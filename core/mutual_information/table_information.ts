/**
 * The information of two labels, by the table of how often their values occur together.
 *
 * @module
 */
import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Label } from "./label_entropy.ts";

/** Halvings of an interval of shares until float64 tells its ends no longer apart. */
const HALVINGS = 50;

/** I(X; Y) of two labels. */
export interface TableInformation {
  /** In nats. */
  readonly nats: number;
  /** Its standard error: of the rows, of the cells' number, and of chance. */
  readonly stderr: number;
  /** By tables without the row, and with it, whose mean it is. */
  readonly heldOut: number;
  /** See `heldOut`. */
  readonly fitted: number;
  /** Values of X, and of Y. */
  readonly levels: readonly [x: number, y: number];
  /** The share of the table that is drawn to that of independent labels. */
  readonly shrinkage: number;
  /** log p(x, y) − log p(x) − log p(y) of each row, by the table without it. */
  readonly perRow: Float64Array;
}

/**
 * The information of a table that is drawn to that of independent labels (J. Hausser and K. Strimmer, 2009), p(x, y) = (1 −
 * λ)·n(x, y)/n + λ·p(x)·p(y), by the λ under which each row is the likeliest by the table without it. The mean of rows with
 * and without themselves is, where all cells are frequent, the plug-in information less the bias of G. A. Miller (1955) and
 * S. Panzeri and A. Treves (1996), (k − 1)·(l − 1)/2n; where they are not, far less is left of the bias.
 */
export function tableInformation(x: Label, y: Label): TableInformation {
  const n = x.levels.length, width = y.counts.length, cells = new Uint32Array(x.counts.length * width);
  x.levels.forEach((level, row) => cells[level * width + y.levels[row]]++);
  const places = cells.keys().filter((cell) => cells[cell] > 0).toArray();
  /** p(x, y)/(p(x)·p(y)) of the cells, unless drawn to 1. */
  const ratiosWithout = (own: number) =>
    places.map((cell) => {
      const [a, b] = [x.counts[Math.floor(cell / width)] - own, y.counts[cell % width] - own];
      // Of a value that was not seen nothing is known.
      return a === 0 || b === 0 ? 1 : (cells[cell] - own) * (n - own) / a / b;
    });
  const held = ratiosWithout(1), fitted = ratiosWithout(0);
  // The mean log is concave in λ, whose slope is this.
  const slope = (share: number) =>
    held.reduce((sum, ratio, i) => sum + cells[places[i]] * (1 - ratio) / (ratio + share * (1 - ratio)), 0);
  let [low, high] = [0, 1];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) > 0) low = middle;
    else high = middle;
  }
  const shrinkage = (low + high) / 2, drawn = (ratio: number) => Math.log(ratio + shrinkage * (1 - ratio));
  const logs = new Map(places.map((cell, i) => [cell, drawn(held[i])]));
  const perRow = Float64Array.from(x.levels, (level, row) => logs.get(level * width + y.levels[row])!);
  const known = fitted.reduce((sum, ratio, i) => sum + cells[places[i]] / n * drawn(ratio), 0);
  const { mean: heldOut, stderr } = meanAndStderr(perRow);
  // What a table of independent labels scatters by, half a χ² of so many degrees of freedom.
  const chance = Math.sqrt((x.counts.length - 1) * (width - 1) / 2) / n;
  return {
    nats: (heldOut + known) / 2,
    stderr: Math.hypot(stderr, (known - heldOut) / 4, chance),
    ...{ heldOut, fitted: known, levels: [x.counts.length, width], shrinkage, perRow },
  };
}
