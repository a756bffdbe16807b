/**
 * A strongly correlated Gaussian: unit variances, correlation −0.495 / 0.505. Its sample is not standardised, so that
 * the true density is known exactly.
 *
 * @module
 */
import { pointDataset, pointOptions } from "../core/plugins/point_dataset.ts";
import { numberOption } from "../core/options/defaults.ts";
import type { Dataset, OptionValues } from "../core/plugins/contracts.ts";
import type { Random } from "../core/random/random.ts";

/** The options of this data set. */
export const options = { ...pointOptions } as const;

const CORRELATION = -0.495 / 0.505;

/** Differential entropy: log(2πe) + ½ log det Σ = 1.2185 nats. */
export const rawEntropy = Math.log(2 * Math.PI * Math.E) + 0.5 * Math.log(1 - CORRELATION ** 2);

/** Loads the Gaussian. Throws a `RangeError` for an option out of range. */
export function load(random: Random, values: OptionValues = {}): Dataset {
  const draw = (random: Random, n: number) => {
    const points = random.fillNormal(new Float64Array(2 * n));
    for (let i = 0; i < points.length; i += 2) {
      points[i + 1] = CORRELATION * points[i] + Math.sqrt(1 - CORRELATION ** 2) * points[i + 1];
    }
    return points;
  };
  return pointDataset(
    { draw, entropy: rawEntropy, standardise: false },
    random,
    numberOption(options, values, "points"),
  );
}
