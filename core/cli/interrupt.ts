import { isHangupIgnored } from "./hangup.ts";
import { writeIfRead } from "./terminal.ts";

/** Signals of this number end the process at once. The second is often a slip, or sent by a launcher besides. */
const IMPATIENT = 3;

const NOTE = "Stopping, and saving what is finished. Ctrl-C twice more ends at once, without saving.";

/**
 * Turns Ctrl-C (or SIGTERM) into a request to stop. SIGUSR2 asks too: MPI's launchers pass it on to all ranks, and batch
 * systems can send it some time before they end a job. (By SIGUSR1 Deno opens a debugger.) So does SIGHUP, which comes
 * when the terminal goes, unless the process was started deaf to it. The third ends the process.
 */
export class Interrupt {
  readonly #signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGUSR2", ...isHangupIgnored() ? [] : ["SIGHUP"] as const];
  readonly #listener = () => {
    this.#count++;
    if (this.#count === IMPATIENT) Deno.exit(130);
    if (this.#count === 1) this.#onRequest?.();
  };
  #onRequest: (() => void) | undefined;
  #count = 0;

  constructor() {
    for (const signal of this.#signals) Deno.addSignalListener(signal, this.#listener);
  }

  /** Whether there was one. */
  get requested(): boolean {
    return this.#count > 0;
  }

  /**
   * @param onRequest Called at the first.
   * @param tells Whether a terminal shows that it was heard.
   */
  onRequest(onRequest: () => void, tells = true): void {
    this.#onRequest = () => {
      onRequest();
      if (tells && Deno.stderr.isTerminal()) writeIfRead(Deno.stderr, `\r\x1b[2K${NOTE}\r`);
    };
    if (this.requested) this.#onRequest();
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) Deno.removeSignalListener(signal, this.#listener);
  }
}

/** Signals are the process's, so that who listens to them before its task begins can only be the module's. */
let early: Interrupt | undefined;

/** Listens from now on. A task's modules take a tenth of a second to load, in which a hasty Ctrl-C would go unheard. */
export function listenEarly(): void {
  early ??= new Interrupt();
}

/** The one that listens already, or else a new one. */
export function takeInterrupt(): Interrupt {
  const taken = early ?? new Interrupt();
  early = undefined;
  return taken;
}
