import { evenProposal, logsnrRange, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import { type LogsnrDistribution, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import type { Random } from "../random/random.ts";
import { type Measured, measureRound, type SampleMeter } from "./measure_round.ts";
import { PARTS, Scatter } from "./scatter.ts";

/**
 * How much of the even proposal is kept whatever a pilot finds, so that no weight is large by mistake: the more, the fewer
 * measurements a part of it has, since the large ones among them are rare.
 */
const KEPT = 0.1;
const KEPT_LIKE = 16;

/**
 * Measurements of a pilot: one for each two samples, but not fewer than tell where values scatter, as far as there are
 * samples for them, and not more than are needed.
 */
const PILOT_SHARE = 1 / 2;
const MIN_PILOT = 1024, MAX_PILOT = 1 << 14, MOST_OF_ONE = 32;

/** Samples of a pilot at most. */
const PILOT_SAMPLES = 4096;

/** What a pilot learned. */
export interface Pilot {
  /** How the even proposal over the same log SNRs is changed; one factor alone stands for a proposal as it is. */
  readonly factors: readonly number[];
  /** Of the denoiser. */
  readonly evaluations: number;
}

/**
 * Measures some samples to learn where along the log SNRs the values scatter, to draw more of them there. The pilot's log
 * SNRs are even, since a proposal that is rarely where the values are large would not find them.
 *
 * @param differencesOf What half of whose integral over log SNR is estimated: of a block of `2·size` measurements with
 * noise of both signs one value per sample. Of several things that are estimated each has its share.
 */
export async function takePilot<E extends object>(
  meter: SampleMeter<E>,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  differencesOf: readonly ((block: Measured<E>) => Float64Array)[],
  signal?: AbortSignal,
): Promise<Pilot> {
  const { count } = samples;
  const measurements = Math.min(MAX_PILOT, Math.max(Math.min(MIN_PILOT, MOST_OF_ONE * count), PILOT_SHARE * count));
  const n = Math.min(count, Math.max(1, Math.floor(Math.min(PILOT_SAMPLES, measurements / 4))));
  const rounds = Math.ceil(measurements / n);
  const rows = random.split("pilot samples").permutation(count).slice(0, n).sort();
  const some = selectRows(samples, rows);
  const order = random.split("pilot order").permutation(n);
  const even = evenProposal(...logsnrRange(proposal)), plain = reweightedProposal(even);
  const scatters = differencesOf.map((of) => ({ of, scatter: new Scatter(even) }));
  for (let round = 0; round < rounds; round++) {
    const stream = random.split("pilot").split(round);
    for await (const block of measureRound(meter, some, plain, stream, order, round)) {
      signal?.throwIfAborted();
      for (const { of, scatter } of scatters) {
        of(block).forEach((difference, i) => {
          scatter.add(block.logsnr[i], 0.5 * logsnrWeight(block.logsnr[i], even) * difference);
        });
      }
    }
  }
  // Each part is judged with its two neighbours.
  const inPart = 3 * n * rounds / PARTS;
  const kept = KEPT + (1 - KEPT) / (1 + inPart / KEPT_LIKE);
  // One factor alone is of what does not scatter, and asks for nothing.
  const all = scatters.map(({ scatter }) => scatter.factors(kept)).filter(({ length }) => length === PARTS);
  const factors = Array.from({ length: PARTS }, (_, k) => all.reduce((sum, own) => sum + own[k] / all.length, 0));
  return { factors: all.length > 0 ? factors : [1], evaluations: 2 * n * rounds };
}

/** The log SNRs that are drawn after a pilot, or those of the proposal as it is. */
export function adaptedProposal(proposal: Proposal, factors: readonly number[]): LogsnrDistribution {
  if (factors.length <= 1) return reweightedProposal(proposal);
  return reweightedProposal(evenProposal(...logsnrRange(proposal)), factors);
}
