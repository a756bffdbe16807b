import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder for what is downloaded and can be downloaded again: that of the environment variable `ITDIFFUSION_CACHE`,
 * or `itdiffusion` in the system's folder for caches. It may not exist yet. Models lie in the Hugging Face cache.
 *
 * @param env Looks up an environment variable.
 */
export function cacheFolder(env: (name: string) => string | undefined = (name) => Deno.env.get(name)): string {
  const own = env("ITDIFFUSION_CACHE");
  if (own) return own;
  switch (Deno.build.os) {
    case "windows":
      return join(env("LOCALAPPDATA") || join(homedir(), "AppData", "Local"), "itdiffusion");
    case "darwin":
      return join(homedir(), "Library", "Caches", "itdiffusion");
    default:
      return join(env("XDG_CACHE_HOME") || join(homedir(), ".cache"), "itdiffusion");
  }
}
