import { fileURLToPath } from "node:url";
import configuration from "../../deno.json" with { type: "json" };
import { PluginError } from "./plugin_error.ts";

/**
 * What to do about a plugin that Deno does not fetch: the hosts it is from are for the command line to name, and
 * deno.lock, which is the project's own, takes in nothing of a plugin's.
 *
 * @param what What is loaded, as in `denoiser npm:mine`.
 * @param message The import's error.
 * @returns Nothing for an error of another kind.
 */
export function importRefused(what: string, spec: string, message: string): PluginError | undefined {
  const [, asked] = /Requires import access to "([^"]+)"/.exec(message) ?? [];
  if (asked === undefined && !/lockfile is out of date/i.test(message)) return undefined;
  const hosts = new Set([...hostOf(spec), ...(asked === undefined ? [] : [asked])]);
  const flags = ["--no-lock", ...(hosts.size > 0 ? [`--allow-import=${[...hosts].join()}`] : [])];
  const why = asked === undefined ? "deno.lock does not have it" : `imports from ${asked} are not allowed`;
  const command = commandWith(flags);
  const how = command ? `run ${command} with the same arguments` : `run Deno with ${flags.join(" ")}`;
  return new PluginError(`The ${what} fails to load: ${why}. If you trust it, ${how}.`);
}

/** The host of a URL with its port, as Deno's permissions have it; none of a package. */
export function hostOf(spec: string): string[] {
  if (!/^https?:/i.test(spec) || !URL.canParse(spec)) return [];
  const { hostname, port, protocol } = new URL(spec);
  return [`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`];
}

/** The command of the task that this process is, with further flags; none for a program. */
function commandWith(flags: readonly string[]): string | undefined {
  try {
    const script = fileURLToPath(Deno.mainModule);
    const command = Object.values(configuration.tasks).find((words) => {
      const last = words.split(" ").at(-1) ?? "";
      return last.endsWith(".ts") && fileURLToPath(new URL(`../../${last}`, import.meta.url)) === script;
    });
    return command?.replace(/ (?=\S+$)/, ` ${flags.join(" ")} `);
  } catch {
    // Of a program, or of one that may not read: it knows how it was started.
    return undefined;
  }
}
