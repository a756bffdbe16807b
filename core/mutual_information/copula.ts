import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { chooseCopula } from "./choose_copula.ts";
import { type CopulaColumns, CopulaFits, type CopulaFold } from "./copula_fits.ts";
import { type CopulaInformation, crossFitted } from "./cross_fit.ts";
import { excessRatio, mappedInformation } from "./mapped_information.ts";

/**
 * The information of columns by their copula, which is all that it depends on: I(X; Y) = E[log p(x, y) − log p(x) − log p(y)]
 * and, given Z, I(X; Y | Z) = E[log p(x, y, z) + log p(z) − log p(x, z) − log p(y, z)]. Each column becomes the scores of its
 * ranks, quantiles of a Student distribution; all together are a mixture of full Student distributions with as many degrees
 * of freedom, whose parts p(x) and p(y) are mixtures of the same kind. Degrees of freedom and components are those under which
 * rows that were left out are the most likely. One component with the right degrees of freedom is exact for any columns
 * that are monotone functions of jointly Gaussian or jointly Student ones.
 *
 * A mixture of fitted parameters is too sure of the rows that it was fitted to by what it is too unsure of others
 * (H. Akaike, 1973), so that the estimate is the mean of both, by five fits that leave out a fifth each.
 *
 * @param ranks From 0 of each column, `[rows, columns]`.
 * @param onFold Is given each of the fits that leave out a part, to use before it returns: those of the columns' ranks and,
 * where maps are tried, those of their images'.
 */
export async function copulaInformation(
  engine: Engine,
  ranks: Uint32Array,
  columns: CopulaColumns,
  random: Random,
  signal?: AbortSignal,
  onFold: (fold: CopulaFold, of: "ranks" | "maps") => void = () => {},
): Promise<CopulaInformation> {
  using fits = new CopulaFits(engine, ranks, columns, signal);
  const order = random.split("order").permutation(fits.rows);
  const chosen = await chooseCopula(fits, order, random.split("components"));
  const { dof, components } = chosen.best;
  const excess: number[] = [], maps = random.split("maps");
  const alone = await crossFitted(
    order,
    { ...chosen, dof, components: components.length },
    async (kept) => ({ fits, model: await fits.fit(kept, dof, components) }),
    (fold) => {
      excess.push(excessRatio(fold, maps));
      onFold(fold, "ranks");
    },
  );
  const { x, y, z } = columns;
  // Two columns hide nothing from a mixture, and of what is given Z no map of X or Y alone keeps the information.
  if (z > 0 || x + y === 2) return alone;
  const mapped = await mappedInformation({
    ...{ engine, ranks, columns, order, alone, excess, random: maps, signal },
    onFold: (fold) => onFold(fold, "maps"),
  });
  return mapped ?? alone;
}
