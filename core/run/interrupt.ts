/**
 * Turns the first Ctrl-C (or SIGTERM) into a request to stop; the second ends the process at once. SIGUSR2 asks too: MPI's
 * launchers pass it on to all ranks, and batch systems can send it some time before they end a job. (By SIGUSR1 Deno opens
 * a debugger.)
 */
export class Interrupt {
  requested = false;
  readonly #signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGUSR2"];
  readonly #listener = () => {
    if (this.requested) Deno.exit(130);
    this.requested = true;
    this.#onRequest();
  };
  readonly #onRequest: () => void;

  /** @param onRequest Called at the first. */
  constructor(onRequest: () => void = () => {}) {
    this.#onRequest = onRequest;
    for (const signal of this.#signals) Deno.addSignalListener(signal, this.#listener);
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) Deno.removeSignalListener(signal, this.#listener);
  }
}
