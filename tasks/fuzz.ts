import "../core/cli/listen.ts";
import { main, parseCommandLine, Progress, UsageError } from "../core/cli/mod.ts";
import { UserError } from "../core/errors/user_error.ts";
import { FORMAT_NAMES } from "./fuzz/names.ts";
import { type FormatCounts, runFormat } from "./fuzz/run_format.ts";

/** Characters of what was wrong that are shown; the file has the rest. */
const MAX_SHOWN = 400;

await main(async (stop) => {
  const { options } = await parseCommandLine({
    name: "fuzz",
    summary:
      "Reads damaged files of every format: each has to be read or refused in one line, in bounded time and memory.",
    options: {
      runs: { default: 100_000, min: 1, max: 1e9, integer: true, help: "Files in all." },
      seconds: { optional: "number", above: 0, help: "Stop after so long; every format gets its share." },
      seed: {
        default: 0,
        min: 0,
        max: 2 ** 31 - 1,
        integer: true,
        help: "Of the damage. The same makes the same files.",
      },
      formats: { default: "", placeholder: "text", help: `Only these, with commas, of ${FORMAT_NAMES.join(", ")}.` },
      out: { default: "fuzz", path: true, help: "Folder for the files that fail." },
    },
  }, Deno.args);
  const formats = formatsOf(options.formats), { seed, out, seconds = Infinity } = options;
  console.log(`Seed ${seed}`);
  using progress = new Progress({ quiet: !Deno.stderr.isTerminal() });
  const begin = performance.now();
  let failures = 0, files = 0;
  for (const [i, format] of formats.entries()) {
    if (stop.aborted) break;
    const share = (part: number) => Math.floor(options.runs * part / formats.length);
    const runs = share(i + 1) - share(i);
    const counts = await runFormat({
      ...{ format, seed, runs, out, signal: stop },
      until: begin + 1000 * seconds * (i + 1) / formats.length,
      onCase: (counts) => progress.update({ label: format, done: total(counts), total: runs }),
    });
    progress.finish();
    console.log(textOf(format, counts));
    failures += counts.failures.length;
    files += total(counts);
  }
  console.log(`${files} files in ${Math.round((performance.now() - begin) / 1000)} s, ${failures} failures`);
  if (failures > 0) throw new UserError(`${failures} files were neither read nor refused; they are in ${out}.`);
});

function formatsOf(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const unknown = names.find((name) => !(FORMAT_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--formats has ${JSON.stringify(unknown)}, expected some of ${FORMAT_NAMES.join(", ")}.`);
  }
  return names.length === 0 ? FORMAT_NAMES : names;
}

function total({ read, refused, failures }: FormatCounts): number {
  return read + refused + failures.length;
}

function textOf(format: string, counts: FormatCounts): string {
  const { read, refused, failures, slowest } = counts;
  const line = [
    format.padEnd(17),
    `${String(read).padStart(7)} read`,
    `${String(refused).padStart(7)} refused in one line`,
    `${String(failures.length).padStart(3)} failed`,
    `slowest ${slowest.toFixed(2)} s`,
  ].join("  ");
  return [line, ...failures.map(({ number, what, path }) => `  case ${number} (${path}): ${what.slice(0, MAX_SHOWN)}`)]
    .join("\n");
}
