import { givenOptions } from "../options/given.ts";
import type { OptionValues } from "../options/spec.ts";
import type { Dataset, LoadContext } from "../plugins/contracts.ts";
import { loadDataset } from "../plugins/load.ts";
import { Random } from "../random/random.ts";
import { type ConditionColumns, datasetOf, type Rows } from "./rows.ts";

/** How data is loaded. */
export interface LoadDataOptions extends LoadContext {
  /** Decides what is drawn: the points of a synthetic data set, the split into training and validation. */
  readonly seed?: number;
  /** Of the data set, as `{ points: 2000 }` of `moons`; of a file `{ layout: "nchw" }` and others. */
  readonly options?: OptionValues;
  /**
   * What is known of each sample, for p(x | c): columns of rows by number from 0, of a file by name or number, or another
   * array of it; `label:class` or `age:number` say what one is.
   */
  readonly condition?: ConditionColumns;
}

/** A data set, and the name that messages call it by. */
export interface NamedDataset extends Dataset {
  /** What messages call it. */
  readonly name: string;
  /** Where it was loaded from; none for rows. */
  readonly source?: { readonly spec: string; readonly options: OptionValues };
}

/**
 * Loads or draws data: a data set by its name (`moons`), a file (`points.csv`, `photos.h5:x`), a plugin's path, or rows.
 *
 * Points of a file, and rows, are standardised: each axis to mean 0 and standard deviation 1. A model of them speaks of
 * the data in its own units all the same.
 *
 * @throws {UserError} When there is no such data, or it is not usable.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { loadData } from "./load_data.ts";
 *
 * const { train, validation, entropy } = await loadData("moons", { options: { points: 1000 } });
 * equal(train.count + validation.count, 1000);
 * equal(entropy?.toFixed(2), "0.61");
 * ```
 */
export async function loadData(source: string | Rows, options: LoadDataOptions = {}): Promise<NamedDataset> {
  const { seed = 0, options: given = {}, condition = [], ...context } = options;
  const random = Random.fromSeed(seed).split("data");
  if (typeof source !== "string") {
    return { ...datasetOf(source, random.split("split"), undefined, condition), name: "rows" };
  }
  const plugin = await loadDataset(source);
  const values = givenOptions(`data set ${plugin.name}`, plugin.options, {
    ...given,
    ...(condition.length > 0 ? { condition: condition.join() } : {}),
  });
  const loaded = await plugin.load(random, values, context);
  return { ...loaded, name: plugin.name, source: { spec: source, options: values } };
}
