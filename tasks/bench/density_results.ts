import { meanAndStderr } from "../../core/diffusion/likelihood.ts";

/** What one model says of a set's test points. */
export interface ModelResult {
  readonly model: string;
  /** Of the test points, in nats; none where the model failed. */
  readonly nll_nats?: number;
  /** Its standard error: of the finite number of points, and with ours of the noise too. */
  readonly stderr?: number;
  /** Fitting, choosing and measuring. */
  readonly seconds?: number;
  /** Test points that it was measured on: the first ones, where they are not all. */
  readonly points?: number;
  /** Why there is no NLL. */
  readonly error?: string;
  /** What else it says: epochs, components, the libraries' versions. */
  readonly [more: string]: number | string | undefined;
}

/** A difference of two models' NLL in nats, on the points that both were measured on, with its standard error. */
export interface Difference {
  readonly mean: number;
  readonly stderr: number;
}

/** A set as a line of the results has it. */
export interface SetResult {
  readonly set: string;
  readonly dimension: number;
  readonly train: number;
  readonly validation: number;
  readonly test: number;
  /** In nats, where it is known: the entropy, or the true density's NLL of the same points. */
  readonly truth?: number;
  readonly models: readonly ComparedResult[];
  /** Ours beside the best peer. */
  readonly verdict?: Verdict;
  readonly backend: string;
  readonly threads: number;
}

/** A model's result beside the best one's. */
export interface ComparedResult extends ModelResult {
  /** Its NLL less that of the model with the least, on the same points, in nats; none for the best itself. */
  readonly above_best?: number;
  readonly above_best_stderr?: number;
}

/** How ours stands to the best peer. */
export interface Verdict {
  readonly best_peer: string;
  /** Our NLL less the peer's on the same points, in nats. */
  readonly ours_less_peer: number;
  readonly ours_less_peer_stderr: number;
  /** Whether ours is at most the peer's plus the peer's own standard error. */
  readonly as_good: boolean;
  /** Whether ours is lower by more than two standard errors of the difference. */
  readonly better: boolean;
}

/** A model that gave an NLL. */
export type Measured<T extends ModelResult = ModelResult> = T & { readonly nll_nats: number; readonly stderr: number };

/** What is no peer. */
const OWN: readonly string[] = ["ours", "reference"];

export function isMeasured<T extends ModelResult>(result: T): result is Measured<T> {
  return result.nll_nats !== undefined && result.stderr !== undefined;
}

/** The model with the least NLL; none where none has one. */
export function bestOf<T extends ModelResult>(results: readonly T[]): Measured<T> | undefined {
  return results.filter(isMeasured).reduce<Measured<T> | undefined>(
    (best, result) => best && best.nll_nats <= result.nll_nats ? best : result,
    undefined,
  );
}

/** The mean difference of two models' values on the first points, which both have. */
export function differenceOf(a: ArrayLike<number>, b: ArrayLike<number>): Difference {
  return meanAndStderr(Float64Array.from({ length: Math.min(a.length, b.length) }, (_, i) => a[i] - b[i]));
}

/**
 * Each model beside the best, and ours beside the best peer.
 *
 * @param points The NLL of each test point, by model.
 */
export function compare(
  results: readonly ModelResult[],
  points: Readonly<Record<string, ArrayLike<number>>>,
): { readonly models: ComparedResult[]; readonly verdict?: Verdict } {
  const best = bestOf(results);
  const models = results.map((result): ComparedResult => {
    if (!best || !isMeasured(result) || result.model === best.model) return result;
    const { mean, stderr } = differenceOf(points[result.model], points[best.model]);
    return { ...result, above_best: mean, above_best_stderr: stderr };
  });
  const peer = bestOf(results.filter(({ model }) => !OWN.includes(model)));
  const ours = results.filter(isMeasured).find(({ model }) => model === "ours");
  if (!peer || !ours) return { models };
  const { mean, stderr } = differenceOf(points.ours, points[peer.model]);
  return {
    models,
    verdict: {
      ...{ best_peer: peer.model, ours_less_peer: mean, ours_less_peer_stderr: stderr },
      as_good: mean <= peer.stderr,
      better: mean < -2 * stderr,
    },
  };
}
