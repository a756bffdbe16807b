import { UserError } from "../errors/user_error.ts";

/** A loss that is not a number. The training's snapshot is that of the last good step. */
export class DivergenceError extends UserError {
  /** It came out in the course of training. */
  override readonly exitCode = 1;
  /** It came out in the course of training. */
  override readonly everywhere = true;
  /** Names the step, counted from 1, a log SNR near which it happened, in nats, and what was not finite. */
  constructor(readonly step: number, readonly logsnr: number, readonly what: string) {
    super(
      `The ${what} is not finite at step ${step}, log SNR ${logsnr.toFixed(2)}. ` +
        "Lower --learning-rate, or narrow the log SNRs with --logsnr-scale.",
    );
  }
}
