import { forEachBlock } from "../data/samples.ts";
import { UserError } from "../errors/user_error.ts";
import type { Dataset } from "../plugins/contracts.ts";

/**
 * Checks that no column of points is the same in all training rows: it would have no density, and no log SNR would be high
 * enough for it.
 *
 * @param name What to call the data.
 * @throws {UserError} That names the columns.
 */
export function requireVariedColumns({ shape, train, columns, axes }: Dataset, name: string): void {
  const d = shape[0], first = new Float32Array(d);
  train.copy(0, 1, first);
  const isConstant = new Uint8Array(d).fill(1);
  forEachBlock(train, (rows) => {
    for (let i = 0; i < rows.length; i++) if (rows[i] !== first[i % d]) isConstant[i % d] = 0;
  });
  const constant = [...isConstant.keys()].filter((k) => isConstant[k] === 1);
  if (constant.length === 0) return;
  const [k] = constant, value = axes ? first[k] * axes.scale[k] + axes.mean[k] : first[k];
  const shown = constant.slice(0, 8).map((column) =>
    columns ? `${column} (${columns[column].slice(0, 40)})` : `${column}`
  );
  const more = constant.length > shown.length ? ` and ${constant.length - shown.length} more` : "";
  throw new UserError(
    constant.length === 1
      ? `Column ${shown[0]} (from 0) of the data set ${name} is ${value} in all training rows, so that it has no ` +
        "density. Leave it out."
      : `Columns ${
        shown.join(", ")
      }${more} (from 0) of the data set ${name} do not vary over the training rows, so that ` +
        "they have no density. Leave them out.",
  );
}
