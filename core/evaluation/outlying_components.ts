import { axisVariances, type Gaussian } from "../reference/gaussian.ts";
import { forEachBlock, type Samples } from "../data/samples.ts";

/** Standard deviations from the mean beyond which no model of the data has seen a component. */
const FAR = 100;

/** A component that is constant in a model's data, or nearly, but not in the samples. */
export interface OutlyingComponent {
  readonly index: number;
  /** How far the samples lie from the mean of the model's data at most, in its standard deviations. */
  readonly deviations: number;
}

/**
 * The components in which samples lie far out of a model's data, in order. Where that is constant, its Gaussian is as
 * narrow as float32 allows, and −log p of what differs is some 10⁸ nats, of which no proposal's log SNRs say more.
 *
 * @param gaussian Of the model's data.
 */
export function outlyingComponents(samples: Samples, gaussian: Gaussian): OutlyingComponent[] {
  const { mean } = gaussian, d = mean.length, variances = axisVariances(gaussian);
  const largest = new Float64Array(d);
  forEachBlock(samples, (rows) => {
    for (let i = 0; i < rows.length; i++) {
      const k = i % d, distance = Math.abs(rows[i] - mean[k]);
      if (distance > largest[k]) largest[k] = distance;
    }
  });
  return Array.from(largest, (distance, index) => ({ index, deviations: distance / Math.sqrt(variances[index]) }))
    .filter(({ deviations }) => deviations > FAR);
}
