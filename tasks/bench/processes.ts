import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TASK_PERMISSIONS } from "../doctor/child.ts";
import { output, requirePackages } from "./output.ts";

/** What the PyTorch peer prints. */
export interface PeerResult {
  readonly peer: string;
  readonly ms_per_step: number;
  readonly points_per_s?: number;
  readonly stderr?: number;
  readonly peak_mb: number;
}

/** What every case is measured with. */
export interface MeasureOptions {
  readonly backend: string;
  readonly threads: number;
  readonly stderr: number;
  readonly vsTorch: boolean;
  readonly python: string;
  /** Ends the processes that it is waiting for. */
  readonly signal: AbortSignal;
}

/** What a case prints, in a process of its own. @param name A case of run_case.ts. */
export async function runCase<T>(
  name: string,
  { backend, threads, signal }: MeasureOptions,
  steps: number,
  more: readonly (number | string)[],
): Promise<T> {
  const script = fileURLToPath(new URL("./run_case.ts", import.meta.url));
  const args = [name, backend, threads, steps, ...more].map(String);
  return JSON.parse(await output(Deno.execPath(), ["run", ...TASK_PERMISSIONS, script, ...args], signal));
}

/** The summary of a task that is run as a user starts it. */
export async function runTask<T>(
  script: string,
  args: readonly string[],
  { backend, threads, signal }: MeasureOptions,
): Promise<T> {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const machine = ["--backend", backend, "--threads", `${threads}`, "--json"];
  return JSON.parse(await output(Deno.execPath(), ["run", ...TASK_PERMISSIONS, path, ...args, ...machine], signal));
}

/** What a peer's script prints. */
export async function runPeer(
  { python, threads, signal }: MeasureOptions,
  steps: number,
  [script, ...more]: readonly string[],
): Promise<PeerResult> {
  const path = join(fileURLToPath(new URL("./", import.meta.url)), script);
  return JSON.parse(await output(python, [path, "--threads", `${threads}`, "--steps", `${steps}`, ...more], signal));
}

/** Checks that Python has the peers' packages. @throws {UsageError} Naming the first that it lacks. */
export async function requireTorch({ python, signal }: MeasureOptions, unet: boolean): Promise<void> {
  const packages = ["torch", ...(unet ? ["diffusers"] : [])].map((name) => ({ module: name, install: name }));
  await requirePackages(python, packages, "--vs-torch", signal);
}

/** What every comparison says of the peer. */
export function about({ peer, peak_mb }: PeerResult): { readonly peer: string; readonly peer_peak_mb: number } {
  return { peer, peer_peak_mb: Math.round(peak_mb) };
}
