import { join } from "node:path";
import type { RunFolder } from "../../core/run/folder.ts";
import { compare, isMeasured, type ModelResult, type SetResult } from "./density_results.ts";
import type { OwnResult } from "./density_fit.ts";
import { isOwnSet, isPlaneSet, type PeerName, type SetName } from "./density_names.ts";
import { fitPeer, type PeerMachine, pointsOf, writePythonSet } from "./density_peers.ts";
import { writeOwnSet } from "./density_sets.ts";

/** What is compared, and on what. */
export interface DensityRequest {
  readonly sets: readonly SetName[];
  /** None without Python. */
  readonly peers: readonly PeerName[];
  /** Whether Python makes the sets that are not of the plane. */
  readonly pythonSets: boolean;
  readonly backend: string;
  /** Of ours and of the peers. */
  readonly machine: PeerMachine;
  /** Fits ours to a file, in a process of its own; the NLL of each point goes to a folder. */
  readonly fitOurs: (file: string, folder: string) => Promise<OwnResult>;
  /** Called before each model. */
  readonly onModel?: (set: SetName, model: string, done: number, total: number) => void;
  /** Called after each. */
  readonly onResult?: (set: SetName, result: ModelResult) => void;
}

/** The results, one set a line. */
export const RESULTS = "results.jsonl";

/**
 * Fits our density and the peers to each set. Sets lie in `sets`, the NLL of each test point in `points`, and the
 * results of a set are written as soon as it is finished.
 */
export async function* compareDensities(request: DensityRequest, folder: RunFolder): AsyncGenerator<SetResult> {
  const { sets, peers, pythonSets, machine, backend, onModel, onResult } = request;
  const [setFolder, total] = [folder.file("sets"), sets.length * (1 + peers.length)];
  await Deno.mkdir(setFolder, { recursive: true });
  for (const [i, set] of sets.entries()) {
    let done = i * (1 + peers.length);
    const points = folder.file("points", set);
    await Deno.mkdir(points, { recursive: true });
    onModel?.(set, "ours", done++, total);
    if (isOwnSet(set) && (isPlaneSet(set) || !pythonSets)) await writeOwnSet(set, setFolder);
    else await writePythonSet(set, setFolder, machine);
    const file = join(setFolder, `${set}.safetensors`);
    const { ours, reference, ...facts } = await request.fitOurs(file, points);
    onResult?.(set, ours);
    const models = [ours, reference];
    for (const peer of peers) {
      onModel?.(set, peer, done++, total);
      const result = await fitPeer(peer, file, points, machine);
      onResult?.(set, result);
      models.push(result);
    }
    const measured = models.filter(isMeasured).map(({ model }) => model);
    const nll = await Promise.all(measured.map(async (model) => [model, await pointsOf(model, points)] as const));
    const result: SetResult = {
      set,
      ...facts,
      ...compare(models, Object.fromEntries(nll)),
      ...{ backend, threads: machine.threads },
    };
    await folder.appendLine(RESULTS, result);
    yield result;
  }
}
