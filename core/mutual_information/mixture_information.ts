import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { classesOfLabel, informationByClass } from "./class_mixtures.ts";
import { copulaInformation } from "./copula.ts";
import { type CopulaColumns, type CopulaFold, informationOf } from "./copula_fits.ts";
import type { CopulaInformation } from "./cross_fit.ts";
import type { Labels } from "./pairs.ts";

/** Of a label with more values some may be in order, which one mixture of all columns sees and that of each class does not. */
const FEW_LEVELS = 10;

/** Of what a fit is: the columns' ranks, the images of learned maps, or each class of a label. */
export type FoldKind = "ranks" | "maps" | "classes";

/** Rows of columns. */
export interface MixtureRows {
  /** The ranks of the columns of x, z and y, in this order, `[rows, columns]`. */
  readonly ranks: Uint32Array;
  readonly columns: CopulaColumns;
  readonly labels: Labels;
}

/**
 * The information of columns by a mixture for each class where one side is a label, and by one for their copula elsewhere. Of
 * a label of many values both are made, and that by the copula is taken where rows that were left out are told more of, by
 * two standard errors.
 *
 * @param onFold Is given each of the fits that leave out a part, to use before it returns.
 */
export async function mixtureInformation(
  engine: Engine,
  { ranks, columns, labels }: MixtureRows,
  random: Random,
  signal?: AbortSignal,
  onFold: (fold: CopulaFold, of: FoldKind) => void = () => {},
): Promise<CopulaInformation> {
  const side = labels.y ? "y" : "x", label = labels[side], classes = label && classesOfLabel(label);
  const byCopula = () => copulaInformation(engine, ranks, columns, random, signal, onFold);
  if (!label || !classes) return await byCopula();
  const { x, y, z } = columns, stream = random.split("classes");
  const onClasses = (fold: CopulaFold) => onFold(side === "y" ? fold : swappedFold(fold), "classes");
  const others = side === "y" ? { ranks: selected(ranks, x + z + y, [...Array(x + z).keys()]), columns: { x, z } } : {
    ranks: selected(ranks, x + z + y, Array.from({ length: y + z }, (_, k) => k < y ? x + z + k : x + k - y)),
    columns: { x: y, z },
  };
  const found = await informationByClass(engine, others.ranks, others.columns, classes, stream, signal, onClasses);
  const byClass = side === "y"
    ? found
    : { ...found, perRow: { ...found.perRow, x: found.perRow.y, y: found.perRow.x } };
  if (label.counts.length <= FEW_LEVELS) return byClass;
  const alone = await byCopula(), own = informationOf(byClass.perRow);
  const more = meanAndStderr(informationOf(alone.perRow).map((value, row) => value - own[row]));
  return more.mean > 2 * more.stderr ? alone : byClass;
}

/** Some columns of ranks. @param d Columns of all. */
function selected(ranks: Uint32Array, d: number, columns: readonly number[]): Uint32Array {
  const width = columns.length, n = ranks.length / d;
  return Uint32Array.from({ length: n * width }, (_, at) => ranks[Math.floor(at / width) * d + columns[at % width]]);
}

/** A fit whose x is the other's y. */
function swappedFold({ left, kept, ofPairs, ofColumns }: CopulaFold): CopulaFold {
  return {
    ...{ left, kept },
    ofPairs: (x, y) => ofPairs(y, x),
    ofColumns: (rows) => {
      const { x, y } = ofColumns(rows);
      return { x: y, y: x };
    },
  };
}
