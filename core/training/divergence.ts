import { UserError } from "../errors/user_error.ts";

/** A loss that is not a number. The training's snapshot is that of the last good step. */
export class DivergenceError extends UserError {
  override readonly exitCode = 1;
  override readonly everywhere = true;
  constructor(readonly step: number, readonly logsnr: number, readonly what: string) {
    super(
      `The ${what} is not finite at step ${step}, log SNR ${logsnr.toFixed(2)}. ` +
        "Lower --learning-rate, or narrow the log SNRs with --logsnr-scale.",
    );
  }
}
