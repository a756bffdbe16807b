import type { Estimate } from "../diffusion/likelihood.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";

/** Mean squared errors over log SNR: of x, of x given y, and half of whose difference's integral is the information. */
export interface ErrorCurves {
  /** In nats. */
  readonly logsnr: readonly number[];
  /** Of x. */
  readonly marginal: readonly number[];
  /** Of x given y. */
  readonly conditional: readonly number[];
  /** Of the two, with its standard error. */
  readonly difference: Estimate[];
  /** E‖ε̂(z) − ε̂(z | y)‖². */
  readonly distance: readonly number[];
}

/** Parts of the range of log SNRs, each a point of the curves. */
const BINS = 32;

/** Measurements that a point needs, to have an error. */
const LEAST = 2;

/** Errors at some log SNR, without what is known of a sample and with it. */
export interface ErrorsAt {
  readonly logsnr: number;
  readonly mse: number;
  readonly mseGiven: number;
  readonly distance: number;
  readonly noise: number;
}

const FIELDS = ["logsnr", "mse", "mseGiven", "distance", "noise"] as const;

/** Sums of a bin, in the order of {@linkcode FIELDS}. */
class Bin {
  count = 0;
  readonly sums = new Float64Array(FIELDS.length);
  squares = 0;

  add(errors: ErrorsAt): void {
    this.count++;
    FIELDS.forEach((field, k) => this.sums[k] += errors[field]);
    this.squares += (errors.mse - errors.mseGiven) ** 2;
  }

  addAll(other: Bin): void {
    this.count += other.count;
    other.sums.forEach((sum, k) => this.sums[k] += sum);
    this.squares += other.squares;
  }
}

/** Mean errors over log SNR of what was measured anyway, in even parts of the range. */
export class InformationCurves {
  readonly #bins = Array.from({ length: BINS }, () => new Bin());

  /** @param d The dimension of a sample. */
  constructor(readonly proposal: Proposal, readonly d: number) {}

  /** Of a sample, as the mean over both signs of the noise. */
  add(errors: ErrorsAt): void {
    const [low, high] = logsnrRange(this.proposal);
    const k = Math.floor(BINS * (errors.logsnr - low) / (high - low));
    this.#bins[Math.min(BINS - 1, Math.max(0, k))].add(errors);
  }

  /** Adds what others have. */
  addAll(other: InformationCurves): void {
    this.#bins.forEach((bin, k) => bin.addAll(other.#bins[k]));
  }

  /** The curves, at the means of the log SNRs of each part that has been measured. */
  curves(): ErrorCurves {
    const bins = this.#bins.filter(({ count }) => count >= LEAST);
    const mean = (k: number) => bins.map(({ sums, count }) => sums[k] / count);
    const [logsnr, mse, mseGiven, distance, noise] = FIELDS.map((_, k) => mean(k));
    // An error has about a share of the noise's own scatter, mse/d, whose mean is known.
    const [marginal, conditional] = [mse, mseGiven].map((errors) =>
      errors.map((own, k) => own * (2 - noise[k] / this.d))
    );
    return {
      ...{ logsnr, marginal, conditional, distance },
      difference: bins.map(({ count, squares }, k) => {
        const own = mse[k] - mseGiven[k];
        return { mean: own, stderr: Math.sqrt(Math.max(0, squares - count * own ** 2) / (count - 1) / count) };
      }),
    };
  }
}
