/** Milliseconds that a run is waited for: a process that lost its sweep ends within one second. */
const PATIENCE = 2000;
const PAUSE = 50;

/** The exit code of a run that another process is at. */
export const TAKEN = 75;

/**
 * Locks a run, until the file is closed or the process ends, however it does.
 *
 * @param path A file of the run's own, which is made if it is missing.
 * @returns Nothing if another process has it. On file systems that have no locks nobody has.
 */
export async function lockRun(path: string, patience = PATIENCE): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(path, { read: true, write: true, create: true });
  for (let waited = 0; waited <= patience; waited += PAUSE) {
    if (await file.tryLock(true).catch(() => true)) return file;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  file.close();
  return undefined;
}
