import { type Condition, encodeCondition, givenEach } from "../data/condition.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { fit, type FitOptions } from "../model/fit.ts";
import { referenceOf } from "../plugins/contracts.ts";
import { mixtureName } from "../reference/mixture.ts";
import { conditionInformation } from "./condition_information.ts";
import type { Pairs } from "./linear_part.ts";
import type { ConditionInformation } from "./running_information.ts";
import type { SplitPairs } from "./split_pairs.ts";

/** Half of what the network sees has nothing of the other side: its two errors count alike. */
const DROP_CONDITION = 0.5;

/** How the network is trained and measured; what is left out is as `deno task train:2d` and `nll` have it. */
export interface NetworkOptions
  extends Pick<FitOptions, "epochs" | "batchSize" | "learningRate" | "backend" | "threads" | "seed" | "signal"> {
  /** Log SNRs of each row in the measurement. */
  readonly rounds?: number;
  /** Called after each epoch with E[−log p(x | y)] of the validation rows in nats. */
  readonly onEpoch?: (epoch: number, nll: number) => void;
  /** Called before the measurement. */
  readonly onMeasure?: () => void;
}

/** What one network measured on rows that it was not trained on. */
export interface NetworkInformation extends ConditionInformation {
  /** The epochs that it was trained for. */
  readonly epochs: number;
  /** The log SNRs that it was measured on. */
  readonly proposal: Proposal;
  /** What the network corrects: a mixture of x and y whose conditionals are known. */
  readonly referenceName: string;
  /** What ran it. */
  readonly settings: { readonly batchSize: number; readonly learningRate: number };
}

/**
 * I(X; Y) of rows held out by one denoiser of x that is told y or nothing, which corrects a mixture for both, trained as any
 * other (arXiv 2310.07972): what y brings E[−log p(x)] down by, and how far it moves the denoiser.
 *
 * @throws {DivergenceError} When a loss is not finite.
 */
export async function networkInformation(
  { train, validation, test }: SplitPairs,
  { rounds, onEpoch, onMeasure, ...settings }: NetworkOptions,
): Promise<NetworkInformation> {
  const condition: Condition = Array.from(
    { length: train.y.dimension },
    (_, k) => ({ name: `y${k}`, kind: "number", mean: 0, scale: 1 }),
  );
  const told = ({ x, y }: Pairs): Samples => givenEach(x, encodeCondition(condition, toFloat32(y)));
  const data = { shape: [train.x.dimension], condition, train: told(train), validation: told(validation) };
  await using model = await fit(data, {
    ...settings,
    dropCondition: DROP_CONDITION,
    onEpoch: ({ epoch, validation }) => onEpoch?.(epoch, validation.mean),
  });
  onMeasure?.();
  const { seed, signal } = settings;
  const information = await conditionInformation(model, told(test), {
    ...(rounds === undefined ? {} : { rounds }),
    ...(seed === undefined ? {} : { seed }),
    ...(signal === undefined ? {} : { signal }),
  });
  const { batchSize, learningRate } = model.settings;
  return {
    ...information,
    ...{ epochs: model.history.length, proposal: model.proposal, settings: { batchSize, learningRate } },
    referenceName: mixtureName(referenceOf(model.info)),
  };
}
