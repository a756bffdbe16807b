import { fail } from "assert";
import { fileURLToPath } from "node:url";

/** The Python of the interop tests. */
const PYTHON = Deno.env.get("PYTHON") ?? "python3";

/** Prints the names of the packages that Python does not have. */
const MISSING = "import importlib.util, sys; print(*[n for n in sys.argv[1:] if not importlib.util.find_spec(n)])";

/**
 * Runs a script beside the tests with the Python that the variable PYTHON names.
 *
 * @param name The script's name in test/interop.
 * @param packages What it imports; one that is missing fails the test by its name.
 * @returns What it printed.
 */
export async function runPython(name: string, args: readonly string[], packages: readonly string[]): Promise<string> {
  const missing = (await python(["-c", MISSING, ...packages])).trim();
  if (missing !== "") {
    fail(`"${PYTHON}" lacks ${missing}. Run "${PYTHON} -m pip install ${missing}", or name another Python in PYTHON.`);
  }
  return await python([fileURLToPath(new URL(`interop/${name}`, import.meta.url)), ...args]);
}

async function python(args: readonly string[]): Promise<string> {
  const command = new Deno.Command(PYTHON, { args: [...args], stdin: "null", stdout: "piped", stderr: "piped" });
  let output: Deno.CommandOutput;
  try {
    output = await command.output();
  } catch (error) {
    throw new Error(`Cannot start "${PYTHON}". Install Python 3, or name it in the variable PYTHON.`, { cause: error });
  }
  if (!output.success) fail(`"${PYTHON}" ended with ${output.code}: ${new TextDecoder().decode(output.stderr)}`);
  return new TextDecoder().decode(output.stdout);
}
