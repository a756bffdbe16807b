import { allowed, kindOf, type TaskOption } from "./option_values.ts";

/** The terminal that help is laid out for. */
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

/** What stands for an option's value in help: `<n>`, `<on|off>`, `<n|auto>`. */
export function placeholderOf(spec: TaskOption): string {
  if (spec.placeholder) return `<${spec.placeholder}>`;
  switch (kindOf(spec)) {
    case "number":
      return spec.auto ? "<n|auto>" : "<n>";
    case "boolean":
      return "<on|off>";
    case "string":
      return "<text>";
  }
}

/** An option's line of help, with what it allows, its default and its other names. */
export function describe(spec: TaskOption): string {
  const notes: string[] = [];
  if (spec.choices || spec.min !== undefined || spec.max !== undefined) notes.push(allowed(spec));
  if (spec.default !== undefined && spec.default !== "" && spec.default !== false) {
    notes.push(`default ${spec.default === true ? "on" : spec.default}`);
  } else if (spec.default === false && spec.onOff) notes.push("default off");
  if (spec.alias?.length) notes.push(`also ${spec.alias.map((alias) => `--${alias}`).join(", ")}`);
  return notes.length > 0 ? `${spec.help} (${notes.join("; ")})` : spec.help;
}

/** Bold where the terminal shows it. */
export function bold(text: string): string {
  return `\x1b[1m${text}\x1b[22m`;
}
