import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf, UserError } from "../errors/user_error.ts";
import { printableUrl } from "./http.ts";

/** The registry that npm itself asks where nothing else is said. */
const PUBLIC = "https://registry.npmjs.org/";

/** A file of npm's settings. */
const NPMRC = ".npmrc";

/** A registry of npm packages. */
export interface NpmRegistry {
  /** Its address, with a slash at the end and without credentials. */
  readonly url: string;
  /** What it asks for of who may read it; not for messages. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Where the user's settings come from. */
export interface NpmSettings {
  /** Looks up an environment variable. */
  readonly env?: (name: string) => string | undefined;
  /** The folder that the user works in, and the user's own. */
  readonly folder?: string;
  readonly home?: string;
}

/**
 * The registry that the user's npm is set to, with its credentials: the environment's `NPM_CONFIG_REGISTRY`, in either case,
 * or `registry` in the working folder's `.npmrc` or the user's (`NPM_CONFIG_USERCONFIG`); otherwise the public one. Tokens are
 * those that the same files keep for its address, and go to no other host.
 *
 * @throws {UserError} For an address that is none, or a file that cannot be read.
 */
export async function npmRegistry(settings: NpmSettings = {}): Promise<NpmRegistry> {
  const { env = (name) => Deno.env.get(name), folder = Deno.cwd(), home = homedir() } = settings;
  const said = (name: string) => env(name.toLowerCase()) || env(name.toUpperCase()) || undefined;
  const files = [join(folder, NPMRC), said("npm_config_userconfig") ?? join(home, NPMRC)];
  const values = new Map<string, string>();
  for (const file of files.toReversed()) for (const [key, value] of await readNpmrc(file, env)) values.set(key, value);
  const address = said("npm_config_registry") ?? values.get("registry") ?? PUBLIC;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UserError(
      `The npm registry is set to ${url ? printableUrl(url) : "what is no address"}, expected one that starts with ` +
        "https://. Set NPM_CONFIG_REGISTRY, or registry in .npmrc.",
    );
  }
  const { username, password } = url;
  Object.assign(url, { username: "", password: "", search: "", hash: "" });
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  const basic = username === "" ? undefined : btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const authorization = basic === undefined ? credentialsFor(url, values) : `Basic ${basic}`;
  return { url: url.href, headers: authorization === undefined ? {} : { authorization } };
}

/** The address of a package's archive. Registries have it where the public one does. */
export function tarballOf({ url }: NpmRegistry, name: string, version: string): string {
  return `${url}${name}/-/${name.replace(/^.*\//, "")}-${version}.tgz`;
}

/** The credentials that are kept for an address or a folder that it lies in, as `//host/path/:_authToken`. */
function credentialsFor({ host, pathname }: URL, values: ReadonlyMap<string, string>): string | undefined {
  for (let path = pathname;; path = path.replace(/[^/]*\/$/, "")) {
    const kept = (key: string) => values.get(`//${host}${path}:${key}`);
    const token = kept("_authToken"), basic = kept("_auth");
    if (token !== undefined) return `Bearer ${token}`;
    if (basic !== undefined) return `Basic ${basic}`;
    if (path === "/") return undefined;
  }
}

/** The settings of a file, in which `${NAME}` stands for a variable. A line with one that is not known is left out. */
async function readNpmrc(path: string, env: (name: string) => string | undefined): Promise<[string, string][]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new UserError(
      `Cannot read ${path}: ${messageOf(error)}. Check its permissions, or set NPM_CONFIG_USERCONFIG to another file.`,
      { cause: error },
    );
  }
  return text.split(/\r?\n/).flatMap((line): [string, string][] => {
    const [, key, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined) return [];
    let isKnown = true;
    const filled = value.replace(/^(["'])(.*)\1$/, "$2").replace(/\$\{([^}]+)\}/g, (_, name: string) => {
      const found = env(name);
      if (found === undefined) isKnown = false;
      return found ?? "";
    });
    return isKnown ? [[key, filled]] : [];
  });
}
