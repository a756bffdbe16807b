/** How well scores tell anomalies from other rows. */
export interface AnomalyMeasures {
  /** The probability that an anomaly has the higher score of the two (area under the ROC curve); ties count half. */
  readonly auroc: number;
  /** Its standard error (J. A. Hanley and B. J. McNeil, 1982). */
  readonly aurocStderr: number;
  /** The mean precision over the anomalies, each at its own score; ties are taken together, as scikit-learn has it. */
  readonly averagePrecision: number;
  /** How many there were. */
  readonly anomalies: number;
  /** How many rows were none. */
  readonly others: number;
}

/**
 * How well scores tell anomalies from other rows.
 *
 * @param scores Higher is more anomalous.
 * @returns Nothing unless there are both anomalies and others.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { anomalyMeasures } from "./anomaly_measures.ts";
 *
 * const { auroc, averagePrecision } = anomalyMeasures([0.1, 0.4, 0.35, 0.8], [false, false, true, true])!;
 * equal(auroc, 0.75);
 * equal(averagePrecision.toFixed(4), "0.8333");
 * ```
 */
export function anomalyMeasures(
  scores: ArrayLike<number>,
  isAnomaly: readonly boolean[],
): AnomalyMeasures | undefined {
  const n = isAnomaly.length,
    order = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const anomalies = isAnomaly.filter(Boolean).length, others = n - anomalies;
  if (anomalies === 0 || others === 0) return undefined;
  let above = 0, wins = 0, averagePrecision = 0;
  for (let begin = 0, end = 0; begin < n; begin = end) {
    let found = 0;
    while (end < n && scores[order[end]] === scores[order[begin]]) found += Number(isAnomaly[order[end++]]);
    const tied = end - begin - found;
    wins += tied * (above + found / 2);
    above += found;
    averagePrecision += found / anomalies * above / end;
  }
  const auroc = wins / anomalies / others, q1 = auroc / (2 - auroc), q2 = 2 * auroc ** 2 / (1 + auroc);
  const variance = (auroc * (1 - auroc) + (anomalies - 1) * (q1 - auroc ** 2) + (others - 1) * (q2 - auroc ** 2)) /
    (anomalies * others);
  return { auroc, aurocStderr: Math.sqrt(Math.max(0, variance)), averagePrecision, anomalies, others };
}
