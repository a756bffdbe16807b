import type { Scorer } from "../evaluation/row_scores.ts";
import { referenceOf } from "../plugins/contracts.ts";
import { BLEND } from "../reference/blend.ts";
import { internalsOf } from "./internals.ts";
import type { Model } from "./model.ts";

/** What scores rows: the model, its reference alone, or the model where its network changes anything. */
export const SCORERS = ["auto", "model", "reference"] as const satisfies readonly ScorerName[];

/** One of {@linkcode SCORERS}. */
export type ScorerName = "auto" | "model" | "reference";

/** What scores rows of a model, until it is disposed of. */
export interface OpenScorer extends Scorer, AsyncDisposable {
  /** Whether the model is its reference, whose density is known without the network. */
  readonly isReference: boolean;
}

/**
 * @param by What scores; `auto`: the model, but where its network changes nothing.
 * @param batch Samples per run of the denoiser; the run's own, if left out.
 */
export async function scorerOf(
  model: Model,
  by: ScorerName,
  { batch, signal }: { readonly batch?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<OpenScorer> {
  const { info, proposal, params } = model, reference = referenceOf(info);
  const isReference = by === "reference" ||
    by === "auto" && params[BLEND] !== undefined && params[BLEND].data.every((share) => share === 0);
  const meter = isReference
    ? undefined
    : await internalsOf(model).meter({ ...(batch === undefined ? {} : { batch }), ...(signal ? { signal } : {}) });
  return {
    ...{ meter, reference, proposal, isReference },
    async [Symbol.asyncDispose]() {
      await meter?.[Symbol.asyncDispose]();
    },
  };
}
