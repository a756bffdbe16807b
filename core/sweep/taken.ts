/** Milliseconds that a run is waited for: a process that lost its sweep ends within one second. */
export const PATIENCE = 2000;

/** The exit code of a run that another process is at. */
export const TAKEN = 75;
