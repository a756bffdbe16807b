import { UsageError } from "../../core/cli/mod.ts";

/** A Python package by the names that it is imported and installed by. */
export interface PythonPackage {
  readonly module: string;
  readonly install: string;
}

/**
 * What a program prints.
 *
 * @param signal Ends it.
 * @param env Variables of its environment besides our own.
 * @throws {UsageError} When it cannot be started or fails, with the line that says why.
 */
export async function output(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  signal.throwIfAborted();
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdout: "piped",
      stderr: "piped",
      signal,
      env,
    })
      .output();
    signal.throwIfAborted();
    if (success) return new TextDecoder().decode(stdout);
    throw new UsageError(`${command} failed: ${reasonOf(new TextDecoder().decode(stderr))}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(
        `${command} was not found. Name a Python that has the peers' packages with --python, or a launcher for ` +
          "--ranks with --mpirun.",
      );
    }
    throw error;
  }
}

/**
 * Checks that Python has packages.
 *
 * @param option What needs them, for the message: `--vs-torch`.
 * @throws {UsageError} Naming the first that it lacks.
 */
export async function requirePackages(
  python: string,
  packages: readonly PythonPackage[],
  option: string,
  signal: AbortSignal,
): Promise<void> {
  const modules = JSON.stringify(packages.map(({ module }) => module));
  const find = `from importlib.util import find_spec; print(*[n for n in ${modules} if not find_spec(n)])`;
  const [missing] = (await output(python, ["-c", find], signal)).trim().split(" ");
  if (missing === "") return;
  const name = packages.find(({ module }) => module === missing)?.install ?? missing;
  throw new UsageError(
    `${python} has no ${name}. For ${option}, name a Python that has it with --python, or install it: ` +
      `pip install ${name}.`,
  );
}

/** Python says last what went wrong, mpirun first, between rules. */
function reasonOf(stderr: string): string {
  const lines = stderr.trim().split("\n"), worded = lines.filter((line) => /\w/.test(line));
  const reason = /^-+$/.test(lines[lines.length - 1]) ? worded[0] : worded[worded.length - 1];
  return reason?.trim() ?? "it said nothing";
}
