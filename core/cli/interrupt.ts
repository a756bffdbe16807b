import { writeText } from "./terminal.ts";

/** Signals of this number end the process at once. The second is often a slip, or sent by a launcher besides. */
const IMPATIENT = 3;

const NOTE = "Stopping, and saving what is finished. Ctrl-C twice more ends at once, without saving.";

/**
 * Turns Ctrl-C (or SIGTERM) into a request to stop. SIGUSR2 asks too: MPI's launchers pass it on to all ranks, and batch
 * systems can send it some time before they end a job. (By SIGUSR1 Deno opens a debugger.) The third ends the process.
 */
export class Interrupt {
  readonly #signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGUSR2"];
  readonly #listener = () => {
    this.#count++;
    if (this.#count === IMPATIENT) Deno.exit(130);
    if (this.#count > 1) return;
    this.#onRequest();
    if (this.#tells && Deno.stderr.isTerminal()) writeText(Deno.stderr, `\r\x1b[2K${NOTE}\r`);
  };
  readonly #onRequest: () => void;
  readonly #tells: boolean;
  #count = 0;

  /**
   * @param onRequest Called at the first.
   * @param tells Whether a terminal shows that it was heard.
   */
  constructor(onRequest: () => void, tells = true) {
    this.#onRequest = onRequest;
    this.#tells = tells;
    for (const signal of this.#signals) Deno.addSignalListener(signal, this.#listener);
  }

  /** Whether there was one. */
  get requested(): boolean {
    return this.#count > 0;
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) Deno.removeSignalListener(signal, this.#listener);
  }
}
