import { allowed, kindOf, type TaskOption } from "../options/values.ts";

/** What stands for an option's value in help: `<n>`, `<on|off>`, `<n|auto>`, `[folder]` where it may be left out, `<run> …` for several. */
export function placeholderOf(spec: TaskOption): string {
  const name = spec.placeholder ??
    { number: spec.auto ? "n|auto" : "n", boolean: "on|off", string: "text" }[kindOf(spec)];
  return spec.bare ? `[${name}]` : `<${name}>${spec.list ? " …" : ""}`;
}

/** An option's line of help, with what it allows, its default and its other names. */
export function describe(spec: TaskOption): string {
  const notes: string[] = [];
  if (spec.choices || [spec.min, spec.above, spec.max].some(Number.isFinite)) notes.push(allowed(spec));
  if (spec.default !== undefined && spec.default !== "" && spec.default !== false) {
    notes.push(`default ${spec.default === true ? "on" : spec.default}`);
  } else if (spec.default === false && spec.onOff) notes.push("default off");
  if (spec.alias?.length) notes.push(`also ${spec.alias.map((alias) => `--${alias}`).join(", ")}`);
  return notes.length > 0 ? `${spec.help} (${notes.join("; ")})` : spec.help;
}
