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
