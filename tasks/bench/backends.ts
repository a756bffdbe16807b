import { BACKENDS } from "../../core/engine/mod.ts";

/** The cases that every backend is timed at, with the steps that are taken at most. */
export const BACKEND_CASES = { "train-2d": 100, "unet-small": 3 } as const;

export type BackendCase = keyof typeof BACKEND_CASES;

/** A backend's time for a step of each case, or why there is none. */
export interface BackendTimes {
  readonly backend: string;
  readonly ms_per_step: Readonly<Partial<Record<BackendCase, number>>>;
  readonly not_timed?: string;
}

/**
 * Times a step of each case on every backend, each in a process of its own.
 *
 * @param time Milliseconds a step. It throws where the backend is not there.
 * @param onProgress Called before each.
 */
export async function timeBackends(
  time: (name: BackendCase, backend: string, steps: number) => Promise<number>,
  onProgress: (backend: string, done: number, total: number) => void,
): Promise<BackendTimes[]> {
  const cases = Object.keys(BACKEND_CASES) as BackendCase[];
  const results: BackendTimes[] = [];
  for (const [i, backend] of BACKENDS.entries()) {
    onProgress(backend, i, BACKENDS.length);
    const ms_per_step: Partial<Record<BackendCase, number>> = {};
    let reason: string | undefined;
    for (const name of cases) {
      try {
        ms_per_step[name] = await time(name, backend, BACKEND_CASES[name]);
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
        break;
      }
    }
    results.push({ backend, ms_per_step, ...(reason === undefined ? {} : { not_timed: reason }) });
  }
  return results;
}

/** The times as a table, beside those of the first row. */
export function backendTable(rows: readonly BackendTimes[]): string {
  const cases = Object.keys(BACKEND_CASES) as BackendCase[];
  const head = ["ms a step".padEnd(16), ...cases.map((name) => name.padStart(24))].join("");
  const lines = rows.map(({ backend, ms_per_step, not_timed }) => {
    const cells = cases.map((name) => {
      const ms = ms_per_step[name];
      if (ms === undefined) return "".padStart(24);
      const first = rows[0].ms_per_step[name];
      const times = first === undefined ? "" : ` (${Number((ms / first).toPrecision(2))} x)`;
      return `${Number(ms.toPrecision(3))}${times}`.padStart(24);
    });
    const timed = Object.keys(ms_per_step).length > 0;
    if (not_timed === undefined) return backend.padEnd(16) + cells.join("");
    return timed
      ? `${backend.padEnd(16)}${cells.join("")}\n${"".padEnd(16)}  ${not_timed}`
      : `${backend.padEnd(16)}  not timed: ${not_timed}`;
  });
  return [head, ...lines].join("\n");
}
