import type { Compared, Quality } from "./compare.ts";
import { NEAR } from "./nearest_records.ts";

/** Below this probability it is not said to be chance. */
const UNLIKELY = 1e-3;

/** So many standard errors above what training rows have, a distance is said to be one. */
const FAR = 4;

/** Samples are called closer to training rows than data is where more of them are. */
const CLOSER = 0.55;

/**
 * What of a comparison is worth a sentence: samples that a classifier tells from data, columns that are off, and copies or
 * near copies of training rows. Nothing where samples are as good as training rows by all of it.
 */
export function findingsOf(quality: Quality): string[] {
  const { rows, nearest: { samples: own }, features } = quality, found: string[] = [];
  for (const { samples, real } of [...quality.classifiers, ...features?.classifiers ?? []]) {
    if (samples.pValue < UNLIKELY) {
      found.push(`the ${samples.classifier} tell samples from held-out rows: ${percent(samples.accuracy.value)} right`);
    }
    if (real.pValue < UNLIKELY) {
      found.push(
        `the ${real.classifier} tell even training rows from held-out rows: ${
          percent(real.accuracy.value)
        } right, so ` +
          "that these are not of one density",
      );
    }
  }
  const off = quality.columns.flatMap(({ name, ...distances }) => {
    const most = [distances.wasserstein, distances.totalVariation, distances.unknown].map((one) =>
      one ? excess(one) : 0
    );
    return Math.max(...most) > FAR ? [{ name, excess: Math.max(...most) }] : [];
  }).sort((a, b) => b.excess - a.excess);
  if (off.length > 0) {
    const names = off.slice(0, 3).map(({ name }) => name).join(", "),
      more = off.length > 3 ? `, and ${off.length - 3} more` : "";
    found.push(`the distribution of ${names}${more} is off by more than chance`);
  }
  if (own.copies > own.heldOutCopies + 3 * Math.sqrt(own.heldOutCopies / rows) && own.copies * rows >= 2) {
    found.push(
      `${percent(own.copies)} of the samples are copies of training rows, of held-out rows ${
        percent(own.heldOutCopies)
      }: ` +
        "the model has memorised them",
    );
  } else if ((own.pValue < UNLIKELY && own.closer.value > CLOSER) || isMoreOften(own.near, NEAR, rows)) {
    const median = `a median of ${own.ratio.toFixed(2)} of theirs, ${percent(own.near)} below the distance of ` +
      `${percent(NEAR)} of them`;
    found.push(
      own.lonelierPValue < UNLIKELY || isMoreOften(own.alone, NEAR, rows)
        ? `samples lie closer to single training rows than held-out rows do (${median}): the model memorises`
        : `samples lie closer to training rows than held-out rows do (${median}), but not to single ones: smoother than ` +
          "data, rather than memorised",
    );
  }
  return found;
}

/** A share of samples that is twice what it is of as many held-out rows, and by more than chance. */
function isMoreOften(share: number, expected: number, rows: number): boolean {
  return share > 2 * expected && share - expected > 3.3 * Math.sqrt(2 * expected * (1 - expected) / rows);
}

/** By how many standard errors a distance is above the noise floor. */
export function excess({ value, stderr, real, realScatter }: Compared): number {
  return (value - real) / Math.max(1e-12, Math.hypot(stderr || 0, realScatter || 0));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
