import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { ChosenCopula, TriedCopula } from "./choose_copula.ts";
import { type CopulaDensities, type CopulaFold, informationOf } from "./copula_fits.ts";

/** Parts of the rows of which each is left out once. */
export const FOLDS = 5;

/** What is said of a mixture. */
export interface CopulaKind {
  readonly dof: number;
  readonly components: number;
  /** Of a label, each of which has a mixture of its own; none where one mixture is of all columns. */
  readonly classes?: number;
  readonly tried: readonly TriedCopula[];
  /** Whether classes share components, in weights of their own. */
  readonly shared?: boolean;
}

/** I(X; Y | Z) by a mixture for the copula of all columns. */
export interface CopulaInformation extends CopulaKind {
  /** In nats. */
  readonly nats: number;
  /** Of the rows, of the parameters' number, and of the components'. */
  readonly stderr: number;
  /** Of rows that the mixture was not fitted to, each once, and of those that it was. */
  readonly heldOut: number;
  readonly fitted: number;
  /** Of each row by the mixture that was not fitted to it. */
  readonly perRow: CopulaDensities;
  /** The numbers that maps take each side to first; none where the mixture is of the columns' own ranks. */
  readonly maps?: number;
}

/** What is asked of a model of some columns. */
export interface AskedFits<Model> {
  densities(rows: Uint32Array, model: Model): CopulaDensities;
  ofPairs(x: Uint32Array, y: Uint32Array, model: Model): Float64Array;
  ofColumns(rows: Uint32Array, model: Model): ReturnType<CopulaFold["ofColumns"]>;
}

/** A mixture, and the columns that it is of. */
export interface FittedCopula<Model> {
  readonly fits: AskedFits<Model>;
  readonly model: Model;
}

/**
 * The estimate by fits that leave out a part of the rows each.
 *
 * @param order All rows, at random.
 * @param kind What is said of the mixture.
 * @param fit Fits to the rows that are kept.
 * @param onFold Is given each of these fits, to use before it returns.
 */
export async function crossFitted<Model>(
  order: Uint32Array,
  { resolution, ...kind }: CopulaKind & Pick<ChosenCopula, "resolution">,
  fit: (kept: Uint32Array, fold: number) => Promise<FittedCopula<Model>>,
  onFold: (fold: CopulaFold) => void = () => {},
): Promise<CopulaInformation> {
  const [joint, x, y, z] = Array.from({ length: 4 }, () => new Float64Array(order.length));
  const perRow = { joint, x, y, z };
  let fitted = 0;
  for (let fold = 0; fold < FOLDS; fold++) {
    const { left, kept } = foldOf(order, fold);
    const { fits, model } = await fit(kept, fold);
    const densities = fits.densities(left, model);
    for (const part of ["joint", "x", "y", "z"] as const) {
      densities[part].forEach((value, i) => perRow[part][left[i]] = value);
    }
    fitted += meanAndStderr(informationOf(fits.densities(kept, model))).mean / FOLDS;
    onFold(askable({ fits, model }, left, kept));
  }
  const { mean: heldOut, stderr } = meanAndStderr(informationOf(perRow));
  return {
    nats: (heldOut + fitted) / 2,
    stderr: Math.hypot(stderr, (fitted - heldOut) / 4, resolution),
    ...{ heldOut, fitted, perRow, ...kind },
  };
}

/** A fit, to be asked. */
export function askable<Model>(
  { fits, model }: FittedCopula<Model>,
  left: Uint32Array,
  kept: Uint32Array,
): CopulaFold {
  return {
    ...{ left, kept },
    ofPairs: (x, y) => fits.ofPairs(x, y, model),
    ofColumns: (rows) => fits.ofColumns(rows, model),
  };
}

/** The rows that a fold leaves out, and all others. */
export function foldOf(order: Uint32Array, fold: number): { readonly left: Uint32Array; readonly kept: Uint32Array } {
  return {
    left: order.filter((_, i) => i % FOLDS === fold),
    kept: order.filter((_, i) => i % FOLDS !== fold),
  };
}
