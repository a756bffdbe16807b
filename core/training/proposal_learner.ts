import type { ErrorSample } from "../diffusion/likelihood.ts";
import { logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import { type LogsnrDistribution, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import { Scatter, type ScatterSums } from "../evaluation/scatter.ts";

/** What an adaptive proposal goes on from. */
export interface AdaptiveState {
  readonly sums: ScatterSums;
  readonly factors: readonly number[];
}

/** How much of the proposal is kept whatever was measured. */
const KEPT = 0.3;

/** What an epoch's measurements count for after the next one. */
const FADED = 0.5;

/** Draws log SNRs where the loss scattered in earlier epochs. Changes after each epoch alone. */
export class ProposalLearner {
  readonly #scatter: Scatter;
  #factors: readonly number[];
  #distribution: LogsnrDistribution;

  constructor(readonly proposal: Proposal, from?: AdaptiveState) {
    this.#scatter = new Scatter(proposal, from?.sums);
    this.#factors = from?.factors ?? [1];
    this.#distribution = reweightedProposal(proposal, this.#factors);
  }

  get distribution(): LogsnrDistribution {
    return this.#distribution;
  }

  /** @param baseline The squared error that the NLL compares with, 0 for none. */
  add({ logsnr, weight, mse }: ErrorSample, baseline: number): void {
    const plain = logsnrWeight(logsnr, this.proposal);
    // Drawn by another density than the proposal, a sample stands for as many as it would be drawn by that.
    this.#scatter.add(logsnr, 0.5 * plain * (mse - baseline), weight / plain);
  }

  /** Takes what was measured into the proposal. */
  learn(): void {
    this.#factors = this.#scatter.factors(KEPT);
    this.#distribution = reweightedProposal(this.proposal, this.#factors);
    this.#scatter.fade(FADED);
  }

  state(): AdaptiveState {
    return { sums: this.#scatter.sums(), factors: this.#factors };
  }
}
