import { hostOf } from "../plugins/import_refused.ts";
import { SweepError } from "./errors.ts";
import type { Sweep } from "./template.ts";

/** Options that name a plugin; so does a word that is no option's value. */
const PLUGIN_OPTIONS = ["--denoiser", "--dataset"];

/**
 * The hosts that a sweep's runs may import plugins from, as Deno's `--allow-import` takes them.
 *
 * @param allowed What the user says, with commas.
 * @throws {SweepError} When a command names a plugin by the URL of another host, which would be refused in every run.
 */
export function allowedHosts({ commands }: Pick<Sweep, "commands">, allowed: string | undefined): readonly string[] {
  const hosts = (allowed ?? "").split(",").map((host) => host.trim()).filter((host) => host !== "");
  const odd = hosts.find((host) => !/^[\w.*[\]:-]+$/.test(host));
  if (odd !== undefined) {
    throw new SweepError(
      `--allow-import has ${JSON.stringify(odd)}, expected hosts, as example.org or localhost:8000.`,
    );
  }
  for (const { args } of commands) {
    for (const url of pluginsIn(args)) {
      const [host] = hostOf(url);
      if (host === undefined || hosts.some((each) => isOf(host, each))) continue;
      const needed = [...hosts, host.replace(/:443$/, "")].join();
      throw new SweepError(
        `The runs import ${url}, but imports from ${host} are not allowed. If you trust it, add --allow-import ${needed}.`,
      );
    }
  }
  return hosts;
}

/** The words of a command that name plugins. */
function pluginsIn(args: readonly string[]): string[] {
  return args.flatMap((word, i) => {
    const [, name, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    if (name !== undefined) return PLUGIN_OPTIONS.includes(name) ? [value] : [];
    if (word.startsWith("-")) return [];
    const before = i > 0 && /^--[^=]+$/.test(args[i - 1]) ? args[i - 1] : undefined;
    return before === undefined || PLUGIN_OPTIONS.includes(before) ? [word] : [];
  });
}

/** Whether a host with its port is of those that a name stands for; without a port, of any. */
function isOf(host: string, allowed: string): boolean {
  const name = host.replace(/:\d+$/, "");
  if (allowed.startsWith("*.")) return name.endsWith(allowed.slice(1));
  return allowed === host || allowed === name;
}
