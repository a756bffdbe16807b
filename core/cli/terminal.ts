/** The terminal that text is laid out for. */
export interface Terminal {
  /** Characters in a line. */
  readonly columns: number;
  /** Whether it shows ANSI colours. */
  readonly colour: boolean;
}

/** The terminal at stdout. Without one, or with NO_COLOR set, there are no colours. */
export function stdoutTerminal(): Terminal {
  if (!Deno.stdout.isTerminal()) return { columns: 80, colour: false };
  return { columns: terminalColumns(), colour: !Deno.noColor };
}

/** The characters in a line of the terminal, 80 where it does not tell. */
export function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** Bold where the terminal shows it. */
export function bold(text: string): string {
  return `\x1b[1m${text}\x1b[22m`;
}

/** Writes all of a text to stdout or stderr. */
export function writeText(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) written += stream.writeSync(bytes.subarray(written));
}

/** Writes a text, unless its reader is gone, as `head` is after its last line, or its terminal is. */
export function writeIfRead(stream: Parameters<typeof writeText>[0], text: string): void {
  try {
    writeText(stream, text);
  } catch (error) {
    const isGone = error instanceof Error && "code" in error && error.code === "EIO";
    if (!(isGone || error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/**
 * Prints a text on stdout. It may quote names, in which nothing must steer the terminal: control characters are shown as
 * JSON writes them, so that a line of JSON stays what it is.
 */
export function printText(text: string): void {
  const shown = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  console.log(text.replaceAll(/[^\P{Cc}\n\t]/gu, shown));
}
