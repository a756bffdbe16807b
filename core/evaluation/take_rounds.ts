import type { Rounds } from "./round_sums.ts";

/** Rounds where neither an error nor a number of them is asked for. */
export const ROUNDS = 8;

/** When an estimate is good enough. */
export interface RoundLimits {
  /** Rounds are taken until the noise's standard error in nats is no larger than this. */
  readonly stderr?: number | undefined;
  /** Log SNRs per sample, 8 if neither this nor `stderr` is given; the most of them where both are. */
  readonly rounds?: number | undefined;
  /** Evaluations of the denoiser after which no round is begun. */
  readonly budget?: number | undefined;
}

/** What is told of the rounds. */
export interface RoundHooks {
  readonly signal?: AbortSignal;
  /** Called with the rounds that are done, in parts of one, how many there will be, and the noise's error so far. */
  onProgress?(done: number, total: number, noiseStderr: number | undefined): void;
  /** Called after each part of a round. */
  onPart?(): Promise<void>;
  /** Called after each whole round. */
  onRound?(): Promise<void>;
}

/** Whether an estimate has all rounds that its limits ask for. */
export function isEnough(running: Rounds, samples: number, { stderr, rounds, budget }: RoundLimits): boolean {
  const { rounds: taken, evaluations } = running.sums();
  if (taken === 0) return false;
  if (budget !== undefined && evaluations + 2 * samples > budget) return true;
  if (stderr !== undefined && !(running.estimate().noiseStderr <= stderr)) {
    return rounds !== undefined && taken >= rounds;
  }
  return stderr !== undefined || taken >= (rounds ?? ROUNDS);
}

/**
 * Takes rounds until the estimate is good enough, or the signal ends it; a round that is left early counts for nothing.
 *
 * @param samples How many a round measures.
 * @returns Whether the limits are reached.
 */
export async function takeRounds(
  running: Rounds,
  samples: number,
  limits: RoundLimits,
  { signal, onProgress, onPart, onRound }: RoundHooks = {},
): Promise<boolean> {
  while (!isEnough(running, samples, limits) && !signal?.aborted) {
    const { rounds } = running.sums();
    const noiseStderr = rounds === 0 ? undefined : running.estimate().noiseStderr;
    const total = expectedRounds(rounds, noiseStderr, limits);
    for await (const done of running.round()) {
      onProgress?.(rounds + done, total, noiseStderr);
      if (signal?.aborted) break;
      await onPart?.();
    }
    await onRound?.();
  }
  return isEnough(running, samples, limits);
}

/** How many rounds there will be, as far as that can be told. */
function expectedRounds(
  taken: number,
  noiseStderr: number | undefined,
  { stderr, rounds = ROUNDS }: RoundLimits,
): number {
  if (stderr === undefined) return rounds;
  if (taken < 2 || noiseStderr === undefined) return Math.max(taken + 1, ROUNDS);
  return Math.max(taken + 1, Math.ceil(taken * (noiseStderr / stderr) ** 2));
}
