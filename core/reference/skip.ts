import { UserError } from "../errors/user_error.ts";
import type { DataInfo } from "../plugins/contracts.ts";
import { gaussianDenoiser } from "./gaussian.ts";
import { mixturePrediction } from "./mixture_prediction.ts";
import { collapsed } from "./table_moments.ts";

/** What a network starts from, and learns to correct. */
export const SKIPS = ["auto", "gaussian", "mixture", "none"] as const;

/**
 * The prediction that a network's is added to, of flat samples; nothing for none. `auto` is the reference of a table with
 * levels or with unknown values, which few networks get better than, and the Gaussian of all else.
 *
 * @throws {UserError} For a mixture where the data's reference is none.
 */
export function skipPrediction(
  { gaussian, reference, gaps }: DataInfo,
  skip: typeof SKIPS[number],
): ReturnType<typeof mixturePrediction> | undefined {
  if (skip === "none") return undefined;
  if (skip === "auto" && reference && (reference.atoms || gaps)) return mixturePrediction(reference);
  if (skip !== "mixture" && gaps && reference) return mixturePrediction(collapsed(reference));
  if (skip !== "mixture") return (z, logsnr) => gaussianDenoiser(z, logsnr, gaussian);
  if (reference) return mixturePrediction(reference);
  throw new UserError(
    "--skip is mixture, but the reference is no mixture: take --reference mixture, or --skip gaussian.",
  );
}
