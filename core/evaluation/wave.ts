/** Rounds whose values of a sample are compared with each other to tell how they scatter. */
export const WAVE = 8;

/** 1/φ: multiples of it spread evenly over [0, 1), however many there are (additive recurrence). */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** How far round `r` moves every sample along the quantiles of the log SNR, which are taken as a circle. */
export function shiftOfRound(round: number): number {
  return GOLDEN * round % 1;
}

/** How the log SNRs of a sample lie over the rounds: each on its own, or evenly spread by {@linkcode shiftOfRound}. */
export type Spacing = "independent" | "spread";

/**
 * The variance of each sample's values about what they should be at their log SNRs, from at most {@linkcode WAVE} rounds of
 * them; infinite from one round.
 *
 * Of independent log SNRs it is the values' variance. Spread ones integrate what depends smoothly on the log SNR nearly
 * exactly, so that only what is left counts: how far each value lies from the line between its two neighbours
 * (difference-based estimation, Gasser, Sroka & Jennen-Steinmetz, Biometrika 73, 1986). Both ends of the log SNRs are
 * neighbours too: there a denoiser and its reference agree.
 *
 * @param rounds One array of values per round, from the first of a wave on.
 */
export function waveVariances(rounds: readonly Float64Array[], spacing: Spacing): Float64Array {
  const [first] = rounds, count = rounds.length;
  if (count < 2) return new Float64Array(first.length).fill(Infinity);
  if (spacing === "independent" || count === 2) {
    return first.map((_, i) => {
      const mean = rounds.reduce((sum, values) => sum + values[i] / count, 0);
      return rounds.reduce((sum, values) => sum + (values[i] - mean) ** 2, 0) / (count - 1);
    });
  }
  const shifts = rounds.map((_, r) => shiftOfRound(r));
  const inOrder = rounds.map((_, r) => r).sort((a, b) => shifts[a] - shifts[b]);
  const variances = new Float64Array(first.length);
  inOrder.forEach((r, k) => {
    const before = inOrder[(k + count - 1) % count], after = inOrder[(k + 1) % count];
    const gap = (from: number, to: number) => (shifts[to] - shifts[from] + 1) % 1;
    const a = gap(r, after) / (gap(before, r) + gap(r, after)), b = 1 - a;
    const scale = 1 / (count * (1 + a ** 2 + b ** 2));
    const [own, left, right] = [rounds[r], rounds[before], rounds[after]];
    for (let i = 0; i < variances.length; i++) variances[i] += scale * (own[i] - a * left[i] - b * right[i]) ** 2;
  });
  return variances;
}
