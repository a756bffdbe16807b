import { logsnrAtQuantile, logsnrRange, logsnrWeight, type Proposal, quantileOfLogsnr } from "./logsnr.ts";

/** How log SNRs are drawn. */
export interface LogsnrDistribution {
  /** The smallest and largest log SNR, in nats. */
  readonly range: readonly [number, number];
  /** The log SNR at a quantile in [0, 1]. */
  atQuantile(u: number): number;
  /** The importance weight of a log SNR, one over its density. */
  weight(logsnr: number): number;
}

/**
 * A proposal whose density is changed by a factor in each of equally likely parts of it. The best factors for an integral
 * are proportional to the integrand's standard deviation in each part (Neyman allocation).
 *
 * @param factors Positive, one per part from the lowest log SNR up; only their ratios count. None leaves the proposal as
 * it is.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { reweightedProposal } from "./reweighted_proposal.ts";
 *
 * // Three of four log SNRs are drawn from the upper half.
 * const { atQuantile, weight } = reweightedProposal({ loc: 2, scale: 1 }, [1, 3]);
 * ok(Math.abs(atQuantile(0.25) - 2) < 1e-9);
 * ok(weight(1) / weight(3) > 2.9);
 * ```
 */
export function reweightedProposal(proposal: Proposal, factors: readonly number[] = [1]): LogsnrDistribution {
  const parts = factors.length;
  const total = factors.reduce((sum, f) => sum + f, 0);
  if (!factors.every((f) => f > 0) || !Number.isFinite(total)) {
    throw new RangeError(`Got the factors ${factors.join(", ")}; each must be a number above 0.`);
  }
  const masses = factors.map((f) => f / total);
  const ends = masses.map((_, k) => masses.slice(0, k + 1).reduce((sum, m) => sum + m, 0));
  ends[parts - 1] = 1;
  return {
    range: logsnrRange(proposal),
    atQuantile(u) {
      let k = 0;
      while (k < parts - 1 && u >= ends[k]) k++;
      const within = (u - (ends[k] - masses[k])) / masses[k];
      return logsnrAtQuantile((k + Math.min(1, Math.max(0, within))) / parts, proposal);
    },
    weight(logsnr) {
      const k = Math.min(parts - 1, Math.max(0, Math.floor(parts * quantileOfLogsnr(logsnr, proposal))));
      return logsnrWeight(logsnr, proposal) / (parts * masses[k]);
    },
  };
}

/**
 * The lower part of a distribution of log SNRs: they are drawn from below a quantile alone, and integrals go up to there.
 *
 * @param share The quantile, above 0 and at most 1.
 *
 * @example
 * ```ts
 * import { equal, ok } from "assert";
 * import { lowerPart, reweightedProposal } from "./reweighted_proposal.ts";
 *
 * const { range, atQuantile } = lowerPart(reweightedProposal({ loc: 2, scale: 1 }), 0.5);
 * equal(range[1], 2);
 * ok(atQuantile(0.999) < 2);
 * ```
 */
export function lowerPart({ range, atQuantile, weight }: LogsnrDistribution, share: number): LogsnrDistribution {
  return {
    range: [range[0], share < 1 ? atQuantile(share) : range[1]],
    atQuantile: (u) => atQuantile(u * share),
    weight: (logsnr) => share * weight(logsnr),
  };
}
