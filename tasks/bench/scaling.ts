import type { RanksResult } from "./ranks.ts";

/** What a step of training is made of on one node. */
export interface StepModel {
  /** For each sample of the node's part of the batch. */
  readonly secondsPerSample: number;
  /** Whatever the part's size: the optimiser's pass over all parameters. */
  readonly fixedSeconds: number;
  readonly gradientBytes: number;
}

/** What nodes talk by. */
export interface Network {
  readonly name: string;
  readonly bytesPerSecond: number;
  /** From one node to another. */
  readonly latencySeconds: number;
}

export const NETWORKS: readonly Network[] = [
  { name: "1 Gb/s Ethernet", bytesPerSecond: 0.118e9, latencySeconds: 50e-6 },
  { name: "10 Gb/s Ethernet", bytesPerSecond: 1.18e9, latencySeconds: 20e-6 },
  { name: "100 Gb/s InfiniBand", bytesPerSecond: 12e9, latencySeconds: 2e-6 },
];

export const NODES = [2, 8, 32, 128, 512] as const;

/** Bytes of a piece of the gradient, which is added up by itself; as the ranks take them. */
const PIECE_BYTES = 2 ** 22;

/** The part of a step that communication may take without mattering. */
const MATTERS = 0.1;

/**
 * How long all nodes take to add up the gradient and the errors of a batch: every piece by recursive halving and doubling,
 * in 2·log₂ N messages in which 2·(N − 1)/N of its bytes leave a node (R. Thakur, R. Rabenseifner, W. Gropp, Optimization
 * of Collective Communication Operations in MPICH, 2005). Nothing is taken off for what overlaps.
 */
export function communicationSeconds(
  { gradientBytes }: StepModel,
  { bytesPerSecond, latencySeconds }: Network,
  nodes: number,
): number {
  if (nodes === 1) return 0;
  const messages = 2 * Math.ceil(Math.log2(nodes)) * (Math.ceil(gradientBytes / PIECE_BYTES) + 1);
  return messages * latencySeconds + 2 * (nodes - 1) / nodes * gradientBytes / bytesPerSecond;
}

/** The step of `nodes` nodes with `perNode` samples on each. */
export function stepSeconds(model: StepModel, network: Network, nodes: number, perNode: number): number {
  return model.fixedSeconds + perNode * model.secondsPerSample + communicationSeconds(model, network, nodes);
}

/** Samples on each node from which on communication takes no more than a tenth of a step. */
export function samplesThatHide(model: StepModel, network: Network, nodes: number): number {
  const wanted = communicationSeconds(model, network, nodes) * (1 - MATTERS) / MATTERS;
  return Math.max(1, Math.ceil((wanted - model.fixedSeconds) / model.secondsPerSample));
}

/** The model of a node by two measurements with different batches. */
export function stepModel(large: RanksResult, small: RanksResult, parameters: number): StepModel {
  const [a, b] = [large, small].map(({ ms_per_step }) => ms_per_step / 1000);
  const secondsPerSample = (a - b) / (large.batch - small.batch);
  return {
    secondsPerSample,
    fixedSeconds: Math.max(0, b - small.batch * secondsPerSample),
    gradientBytes: 4 * parameters,
  };
}

/** Nodes `speed` times as fast. */
export function faster(model: StepModel, speed: number): StepModel {
  return {
    ...model,
    secondsPerSample: model.secondsPerSample / speed,
    fixedSeconds: model.fixedSeconds / speed,
  };
}

/** What the model predicts, as a table: the efficiency with as many samples on each node, and the samples that suffice. */
export function scalingTable(model: StepModel, perNode: number): string {
  const alone = stepSeconds(model, NETWORKS[0], 1, perNode);
  const cells = (network: Network) =>
    NODES.map((nodes) => {
      const efficiency = 100 * alone / stepSeconds(model, network, nodes, perNode);
      return `${efficiency.toFixed(0)}% (${samplesThatHide(model, network, nodes)})`;
    });
  const rows = [["nodes", ...NODES.map(String)], ...NETWORKS.map((network) => [network.name, ...cells(network)])];
  return rows.map(([name, ...rest]) => `  ${name.padEnd(20)}${rest.map((cell) => cell.padStart(12)).join("")}`).join(
    "\n",
  );
}
