import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Random } from "../random/random.ts";
import type { MixtureRows } from "./mixture_information.ts";

/** What is estimated of rows whose Y belongs to another row's X, of which nothing is to be told. */
export interface ShuffledInformation {
  /** The mean, in nats. */
  readonly nats: number;
  /** The standard deviation. */
  readonly scatter: number;
  /** The share of all, the estimate among them, that are no smaller than the estimate: what chance would give so often. */
  readonly pValue: number;
}

/**
 * The estimates of rows whose Y is another row's.
 *
 * @param nats The estimate of the rows as they are.
 * @param times How often they are shuffled.
 * @param estimateOf Estimates the information of rows.
 */
export async function shuffledInformation(
  nats: number,
  times: number,
  { ranks, columns, labels }: MixtureRows,
  random: Random,
  estimateOf: (rows: MixtureRows, random: Random) => Promise<{ readonly nats: number }>,
): Promise<ShuffledInformation> {
  const { x, y } = columns, d = x + y, n = ranks.length / d, values = new Float64Array(times);
  for (let time = 0; time < times; time++) {
    const stream = random.split(time), order = stream.split("order").permutation(n);
    const shuffled = {
      ranks: ranks.map((rank, at) => at % d < x ? rank : ranks[order[Math.floor(at / d)] * d + at % d]),
      columns,
      labels: labels.y
        ? { ...labels, y: { ...labels.y, levels: labels.y.levels.map((_, row) => labels.y!.levels[order[row]]) } }
        : labels,
    };
    values[time] = (await estimateOf(shuffled, stream.split("mixture"))).nats;
  }
  const { mean, stderr } = meanAndStderr(values);
  const larger = values.filter((value) => value >= nats).length;
  return { nats: mean, scatter: stderr * Math.sqrt(times), pValue: (1 + larger) / (1 + times) };
}
