import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import type { Gaussian } from "../reference/gaussian.ts";

/** The part of a direction's MMSE, of ε, that has to be seen at the highest log SNR. */
const SEEN = 0.98;

/**
 * Says that the log SNRs end below where the data's narrowest directions are resolved, as of pictures whose border never
 * varies: a likelihood that is compared with the Gaussian then takes its word for these, which may be far off for a sample
 * that does vary there.
 *
 * @returns Nothing where all are resolved.
 */
export function unresolvedNote({ eigenvalues }: Gaussian, proposal: Proposal): string | undefined {
  const [, top] = logsnrRange(proposal), signal = Math.exp(top);
  const count = eigenvalues.reduce((sum, l) => sum + Number(signal * l / (1 + signal * l) < SEEN), 0);
  if (count === 0) return undefined;
  return `likelihood: ${count} of ${eigenvalues.length} directions hardly vary, less than the log SNRs up to ` +
    `${
      top.toFixed(1)
    } resolve, so that an NLL beside the data's Gaussian may be far off; --estimator standard compares ` +
    "with N(0, I), and nll --estimator discrete bounds the bits per dimension of bytes";
}
