import { getHFHubCachePath } from "@huggingface/hub";
import { resolve } from "node:path";
import type { RetryOptions } from "../io/http.ts";
import type { LoadContext } from "../plugins/contracts.ts";
import { HubError } from "./hub_error.ts";

/** How far the download of one file is. */
export interface FileProgress {
  /** The file's path in the model. */
  readonly file: string;
  /** Bytes there. */
  readonly done: number;
  /** Bytes in all, once that is known. */
  readonly total: number | undefined;
}

/** Where models come from and go to. What is left out comes from the environment, as for Hugging Face's own clients. */
export interface HubOptions {
  /** A branch, tag or commit, `main` if left out. */
  readonly revision?: string;
  /** The hub's address: `HF_ENDPOINT`, or https://huggingface.co. */
  readonly endpoint?: string;
  /** What the hub knows the user by: `HF_TOKEN`, if any. */
  readonly token?: string;
  /** Whether only the cache is used: `HF_HUB_OFFLINE`. */
  readonly offline?: boolean;
  /** The cache's folder: `HF_HUB_CACHE`, `hub` in `HF_HOME`, or ~/.cache/huggingface/hub. */
  readonly cache?: string;
  readonly onProgress?: (progress: FileProgress) => void;
  /** Stops the download, which a later one goes on with. */
  readonly signal?: AbortSignal;
  /** How often each request is tried in all, and the milliseconds before the second try. */
  readonly tries?: number;
  readonly pause?: number;
}

/** Options with all that matters filled in. */
export interface HubSettings {
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly offline: boolean;
  readonly cache: string;
  readonly retry: RetryOptions;
}

/** The options of what loads a model for a task: its progress, and its end. */
export function hubOptionsOf({ onProgress, signal }: LoadContext): HubOptions {
  return {
    ...(onProgress ? { onProgress: ({ file, done, total }) => onProgress({ label: file, done, total }) } : {}),
    ...(signal ? { signal } : {}),
  };
}

const HUB = "https://huggingface.co";

/**
 * Fills in what `options` leave out from the environment.
 *
 * @throws HubError for an address or a token that cannot be one.
 */
export function hubSettings(options: HubOptions): HubSettings {
  const endpoint = (options.endpoint ?? (Deno.env.get("HF_ENDPOINT") || HUB)).replace(/\/+$/, "");
  if (!URL.canParse(endpoint) || !/^https?:\/\/[^@?#]+$/.test(endpoint)) {
    throw new HubError(`HF_ENDPOINT is not the address of a hub. Set it to one such as ${HUB}, or unset it.`);
  }
  const token = (options.token ?? Deno.env.get("HF_TOKEN")?.trim()) || undefined;
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new HubError("HF_TOKEN holds characters that no token has. Set it to a token, or unset it.");
  }
  const { tries, pause, signal } = options;
  return {
    endpoint,
    token,
    offline: options.offline ?? /^(1|on|yes|true)$/i.test(Deno.env.get("HF_HUB_OFFLINE") ?? ""),
    cache: resolve(options.cache ?? getHFHubCachePath()),
    retry: { ...(tries === undefined ? {} : { tries }), ...(pause === undefined ? {} : { pause }), signal },
  };
}
