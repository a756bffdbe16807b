import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InterruptedError } from "../../core/errors/interrupted_error.ts";
import { messageOf } from "../../core/errors/user_error.ts";
import { hostTensors, readSafetensors } from "../../core/io/safetensors.ts";
import type { PeerName, SetName } from "./density_names.ts";
import type { ModelResult } from "./density_results.ts";
import { output, type PythonPackage } from "./output.ts";

/** The Python that has the peers, and what it may take. */
export interface PeerMachine {
  readonly python: string;
  readonly threads: number;
  /** Seconds after which a flow's training ends with its epoch. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

const BASE: readonly PythonPackage[] = [
  { module: "numpy", install: "numpy" },
  { module: "safetensors", install: "safetensors" },
];
const SCIKIT_LEARN: PythonPackage = { module: "sklearn", install: "scikit-learn" };
const PILLOW: PythonPackage = { module: "PIL", install: "pillow" };
const FLOWS: readonly PythonPackage[] = [{ module: "torch", install: "torch" }, { module: "zuko", install: "zuko" }];

/** The packages that peers and sets need. */
export function packagesFor(sets: readonly SetName[], peers: readonly PeerName[]): PythonPackage[] {
  const isReal = sets.includes("digits") || sets.includes("patches");
  return [
    ...BASE,
    ...(isReal || peers.includes("gmm") || peers.includes("kde") ? [SCIKIT_LEARN] : []),
    ...(sets.includes("patches") ? [PILLOW] : []),
    ...(peers.includes("nsf") || peers.includes("maf") ? FLOWS : []),
  ];
}

/** Lets Python make a set: `folder/name.safetensors`. */
export async function writePythonSet(name: SetName, folder: string, { python, signal }: PeerMachine): Promise<void> {
  await output(python, [script("density_sets.py"), folder, name], signal);
}

/**
 * Fits one peer to a set, in a process of its own. One that fails is a result too: others are still of use.
 *
 * @param file The set.
 * @param folder Where the NLL of each point goes.
 */
export async function fitPeer(
  model: PeerName,
  file: string,
  folder: string,
  { python, threads, limit, signal }: PeerMachine,
): Promise<ModelResult> {
  const args = [script("density_peers.py"), file, "--models", model, "--limit", `${limit}`, "--points", folder];
  try {
    return JSON.parse(await output(python, args, signal, { OMP_NUM_THREADS: `${threads}` })) as ModelResult;
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    return { model, error: messageOf(error) };
  }
}

/** The NLL of each test point in nats, as a model's process left it. */
export async function pointsOf(model: string, folder: string): Promise<Float32Array> {
  const file = join(folder, `${model}.safetensors`);
  return hostTensors(await readSafetensors(file), file).nll.data;
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
