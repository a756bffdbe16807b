import { join } from "node:path";
import { entropy } from "../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../core/diffusion/likelihood.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { floatSamples, type Samples, toFloat32 } from "../../core/data/samples.ts";
import { type GaussianMixture, mixtureNll, sampleMixture } from "../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../denoisers/mixture/random.ts";

/** A trained model's likelihood beside the truth, in nats. */
export interface TruthFigures {
  readonly entropy: number;
  /** On fresh samples, and its standard error against the entropy. */
  readonly nll: number;
  readonly stderr: number;
  /** How far it lies above the exact NLL of these very samples, and the error of that, which is the noise's. */
  readonly excess: number;
  readonly excess_stderr: number;
}

/** What of the tasks' summaries is of use here. */
interface Summary {
  readonly entropy: number;
  readonly nats: number;
  readonly stderr: number;
  readonly noise_stderr: number;
  readonly log_scale?: number;
}

/** Runs a task; returns its summary. */
export type TaskRunner = (script: string, args: readonly string[]) => Promise<Summary>;

/** A data set by name or file, with the entropy and the exact NLL of its test samples where the task does not know them. */
interface Data {
  readonly spec: string;
  readonly entropy?: number;
  readonly exactNll?: number;
}

/** A distribution whose entropy is known, and how the default network is trained on it. */
interface Truth {
  readonly data: (folder: string) => Promise<Data>;
  readonly training: readonly string[];
}

const DIMENSION = 16;
const SAMPLES = { train: 7200, validation: 800, test: 5000 } as const;

/** Log SNRs per test sample. */
const ROUNDS = 4;

export const TRUTHS = {
  square: { data: () => Promise.resolve({ spec: "square" }), training: ["--epochs", "40"] },
  gaussian_16d: {
    data: (folder) => mixtureData(folder, randomMixture(Random.fromSeed(0), 1, DIMENSION)),
    training: ["--epochs", "40"],
  },
  mixture_16d: {
    data: (folder) => mixtureData(folder, randomMixture(Random.fromSeed(1), 4, DIMENSION)),
    training: ["--epochs", "160"],
  },
} as const satisfies Readonly<Record<string, Truth>>;

/** The entropy of a mixture is the mean over so many samples, in so many parts. */
const ENTROPY_BLOCK = 20_000;
const ENTROPY_BLOCKS = 25;

/**
 * Trains the default network on data of a known distribution for a short while and asks for the likelihood of fresh samples, by the
 * tasks that a user runs.
 *
 * @param folder An empty folder for the data and the run.
 */
export async function trainedTruth(
  name: keyof typeof TRUTHS,
  folder: string,
  task: TaskRunner,
): Promise<TruthFigures> {
  const { data: load, training }: Truth = TRUTHS[name];
  const data = await load(folder);
  const run = join(folder, "run");
  const trained = await task("train_2d.ts", [data.spec, ...training, "--figures", "off", "--out", run]);
  const { nats, stderr, noise_stderr, log_scale = 0 } = await task("nll.ts", [run, "--rounds", `${ROUNDS}`]);
  const truth = data.entropy ?? trained.entropy, nll = nats + log_scale;
  return {
    entropy: truth,
    nll,
    stderr,
    // Samples of a uniform all have the likelihood of its entropy.
    excess: nll - (data.exactNll ?? truth),
    excess_stderr: noise_stderr,
  };
}

/** Writes samples of a mixture as a data set. */
async function mixtureData(folder: string, mixture: GaussianMixture): Promise<Data> {
  const d = mixture.components[0].mean.length, random = Random.fromSeed(2);
  const draw = (stream: string, n: number) => floatSamples(sampleMixture(mixture, random.split(stream), n), d);
  const exactNll = (samples: Samples) => meanAndStderr(mixtureNll(samples, mixture)).mean;
  const parts = Object.entries(SAMPLES).map(([part, n]) => [part, draw(part, n)] as const);
  const tensors = parts.map(([part, samples]) => [part, { shape: [samples.count, d], data: toFloat32(samples) }]);
  const spec = join(folder, "data.safetensors");
  await Deno.writeFile(spec, encodeSafetensors(Object.fromEntries(tensors)));
  const [only, ...others] = mixture.components;
  const entropyOfBlock = (_: unknown, i: number) => exactNll(draw(`entropy ${i}`, ENTROPY_BLOCK));
  return {
    spec,
    entropy: others.length === 0
      ? entropy(only)
      : meanAndStderr(Array.from({ length: ENTROPY_BLOCKS }, entropyOfBlock)).mean,
    exactNll: exactNll(parts[2][1]),
  };
}
