import { join } from "node:path";
import { floatSamples, type Samples, selectRows, toFloat32 } from "../../core/data/samples.ts";
import { meanAndStderr } from "../../core/diffusion/likelihood.ts";
import { encodeSafetensors, type StoredTensor } from "../../core/io/safetensors.ts";
import { loadData } from "../../core/mod.ts";
import { Random } from "../../core/random/random.ts";
import { type GaussianMixture, mixtureNll, sampleMixture } from "../../core/reference/mixture.ts";
import { isPlaneSet, MIXTURE_SETS, type OwnSet, type PlaneSet } from "./density_names.ts";

/** Points of a mixture in each part, and the test points of a set of the plane. */
const COUNTS = { train: 7200, validation: 800, test: 20_000 } as const;

const COMPONENTS = 4;

/** The standard deviation of a mixture's means, and that of the logs of its components' deviations along their axes. */
const SPREAD = 1.5, LOG_DEVIATION = 0.6;

/**
 * Writes a set that needs no Python to `folder/name.safetensors`: `train`, `validation` and `test` in random order, and
 * `truth` in nats, the entropy of a set of the plane, or the exact mean NLL of a mixture's test points.
 */
export async function writeOwnSet(name: OwnSet, folder: string): Promise<void> {
  const { parts, truth } = isPlaneSet(name) ? await planeSet(name) : mixtureSet(MIXTURE_SETS[name], Random.fromSeed(1));
  const tensors = Object.entries(parts).map(([part, samples]): [string, StoredTensor] => [part, tensorOf(samples)]);
  const known = truth === undefined ? {} : { truth: { shape: [1], data: Float32Array.of(truth) } };
  await Deno.writeFile(
    join(folder, `${name}.safetensors`),
    encodeSafetensors({ ...Object.fromEntries(tensors), ...known }),
  );
}

/** A set's samples, and its NLL in nats where that is known. */
interface SetParts {
  readonly parts: Readonly<Record<keyof typeof COUNTS, Samples>>;
  readonly truth: number | undefined;
}

async function planeSet(name: PlaneSet): Promise<SetParts> {
  const { train, validation, test, entropy } = await loadData(name, { seed: 1 });
  if (!test) throw new Error(`The data set ${name} has no fresh points.`);
  // Fresh points may lie in order, as those of the moons do.
  const drawn = Random.fromSeed(1).split("test").permutation(test.count).slice(0, COUNTS.test);
  return { parts: { train, validation, test: selectRows(test, drawn) }, truth: entropy };
}

/** Points of a mixture that `random` makes, and their exact mean NLL. */
export function mixtureSet(d: number, random: Random): SetParts {
  const mixture = fullMixture(d, random.split("mixture"));
  const draw = (part: keyof typeof COUNTS) => floatSamples(sampleMixture(mixture, random.split(part), COUNTS[part]), d);
  const parts = { train: draw("train"), validation: draw("validation"), test: draw("test") };
  return { parts, truth: meanAndStderr(mixtureNll(parts.test, mixture)).mean };
}

/** Weights from a Dirichlet distribution, and covariances with axes in random directions. */
function fullMixture(d: number, random: Random): GaussianMixture {
  // The sum of three exponential variates is one of a gamma distribution with shape 3.
  const shares = Float64Array.from(
    { length: COMPONENTS },
    () => -Math.log(random.uniform() * random.uniform() * random.uniform()),
  );
  const total = shares.reduce((sum, share) => sum + share);
  return {
    weights: shares.map((share) => share / total),
    components: Array.from({ length: COMPONENTS }, () => ({
      mean: random.fillNormal(new Float64Array(d)).map((value) => SPREAD * value),
      eigenvalues: random.fillNormal(new Float64Array(d)).map((value) => Math.exp(2 * LOG_DEVIATION * value)),
      eigenvectors: randomRotation(d, random),
    })),
  };
}

/** Orthonormal columns in random directions, `[d, d]` row-major, by the method of Gram and Schmidt. */
function randomRotation(d: number, random: Random): Float64Array {
  const columns: Float64Array[] = [];
  while (columns.length < d) {
    const column = random.fillNormal(new Float64Array(d));
    for (const other of columns) {
      const along = column.reduce((sum, value, i) => sum + value * other[i], 0);
      for (let i = 0; i < d; i++) column[i] -= along * other[i];
    }
    const norm = Math.hypot(...column);
    columns.push(column.map((value) => value / norm));
  }
  return Float64Array.from({ length: d * d }, (_, at) => columns[at % d][Math.floor(at / d)]);
}

function tensorOf(samples: Samples): StoredTensor {
  return { shape: [samples.count, samples.dimension], data: toFloat32(samples) };
}
